package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/failover/budget"
	"lifeboat/internal/blob"
	"lifeboat/internal/config"
	"lifeboat/internal/readiness"
	"lifeboat/restore"
)

// restoreOptions are the flags of restore.
type restoreOptions struct {
	latest  bool
	seq     uint64
	at      string
	into    string
	dryRun  bool
	mark    bool
	memory  config.Size
	scratch string
	keep    bool
	proof   string
	shard   string
}

func (a *app) restoreCommand() *cobra.Command {
	var o restoreOptions
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Restore any provable point into a fresh database, and prove it",
		Long: `Restore the database as it was after exactly one transaction: the last one (--latest), a given
one (--seq), or the last one not after a time (--at, RFC 3339, full precision). The target must be
empty, which is looked at first; it is never overwritten. An interrupted restore goes on where it stopped when it is run
again. At the end the target is scanned and every table's state hash is compared with what the
snapshot and the log demand; only then is the exit code 0.

With --mark the outcome, good or bad, is remembered in that store as a restore proof, for 'lifeboat
readiness' and the status page. The identity that restores then needs to create objects under
readiness/marks/, and nothing else.

--proof writes a summary of under a kilobyte to a file once everything is verified, such as a
container's termination log; --keep-progress leaves the restore's records in the database, so that
the same restore run again only verifies ('capture install --restored' takes them away). A failover
that restores inside the network of the new region uses both.

--shard I/N loads one of N parts and nothing else, so that N machines load at once; afterwards the
same restore without it finds what they have loaded, does the rest, and verifies.`,
		Example: `  lifeboat restore --latest --into sqlite:restored.sqlite
  lifeboat restore --at 2026-03-01T09:30:00Z --into sqlite:before.sqlite --dry-run`,
		Args: noArgs,
	}
	from := a.storeFlag(cmd)
	o.bind(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		target, err := o.target(cmd)
		if err != nil {
			return err
		}
		there, err := held(cmd.Context(), config.URL(o.into), a.logger())
		if err != nil {
			return err
		}
		store, file, err := from.open(cmd.Context())
		if err != nil {
			return err
		}
		began := a.clock()
		err = a.restore(cmd.Context(), &restoreJob{store, file, o, target, there})
		if o.mark {
			err = errors.Join(err, a.markProof(cmd.Context(), store, began, err))
		}
		return err
	}
	return cmd
}

// bind gives restore its flags, beside those that name the store.
func (o *restoreOptions) bind(cmd *cobra.Command) {
	f := cmd.Flags()
	f.BoolVar(&o.latest, "latest", false, "restore to the end of the log")
	f.Uint64Var(&o.seq, "seq", 0, "restore to this sequence number, inclusive")
	f.StringVar(&o.at, "at", "", "restore to this time, inclusive: RFC 3339 with Z or an offset")
	f.StringVar(&o.into, "into", "", "the empty database to fill, "+databaseForms())
	f.BoolVar(&o.dryRun, "dry-run", false, "print the plan and a forecast, look at the target that --into names, change nothing")
	f.BoolVar(&o.mark, "mark", false, "remember the outcome in the store as a restore proof")
	f.Var(&o.memory, "memory", "memory to use (default: restore.memory of the configuration)")
	f.Lookup("memory").DefValue = "" // 0 stands for what the configuration says
	f.StringVar(&o.scratch, "scratch", "", "folder for what does not fit into memory")
	f.BoolVar(&o.keep, "keep-progress", false, "leave the restore's own records in the database")
	f.StringVar(&o.shard, "shard", "", "load only part I of N, counted from 0, such as 0/4; then restore without this flag")
	f.StringVar(&o.proof, "proof", "", "file to write a short proof to once everything is verified")
	cmd.MarkFlagsMutuallyExclusive("latest", "seq", "at")
	cmd.MarkFlagsOneRequired("latest", "seq", "at")
	for _, other := range []string{"dry-run", "mark", "proof"} {
		cmd.MarkFlagsMutuallyExclusive("shard", other)
	}
	cmd.MarkFlagsMutuallyExclusive("mark", "dry-run")
	cmd.MarkFlagsMutuallyExclusive("mark", "from-primary") // readiness is asked of the mirror
}

// markProof remembers how a restore went. What is kept says which kind of end it was: the
// message itself may name keys of rows.
func (a *app) markProof(ctx context.Context, store blob.Store, began time.Time, failed error) error {
	if errors.Is(failed, context.Canceled) || errors.Is(failed, errUsage) {
		return nil // it has proven nothing, neither way
	}
	now, detail := a.clock(), ""
	if failed != nil {
		detail = codeOf(failed).name
	}
	err := readiness.Mark(ctx, store, readiness.Proved, readiness.Event{At: now, OK: failed == nil, Detail: detail}, now.Sub(began).Seconds())
	if err != nil {
		return fmt.Errorf("the restore's outcome is as reported, but it could not be marked: %w", err)
	}
	return nil
}

func (o *restoreOptions) target(cmd *cobra.Command) (restore.Target, error) {
	if o.into == "" && !o.dryRun {
		return restore.Target{}, fmt.Errorf("%w: --into says which database to fill, %s (or give --dry-run)", errUsage, databaseForms())
	}
	switch {
	case cmd.Flags().Changed("seq"):
		return restore.AtSeq(eventlog.Seq(o.seq)), nil
	case o.at != "":
		t, err := time.Parse(time.RFC3339Nano, o.at)
		if err != nil {
			return restore.Target{}, fmt.Errorf("%w: --at %q is not RFC 3339, for example 2026-03-01T09:30:00.123456789Z", errUsage, o.at)
		}
		return restore.AtTime(t), nil
	}
	return restore.Latest(), nil
}

// planResult is what restore --dry-run prints with --json.
type planResult struct {
	Version   int                    `json:"version"`
	ID        string                 `json:"id"`
	Target    restore.Target         `json:"target"`
	Point     restore.Point          `json:"point"`
	Snapshots []planSnapshot         `json:"snapshots"`
	Segments  []eventlog.SegmentInfo `json:"segments"`
	Forecast  forecast               `json:"forecast"`
}

type planSnapshot struct {
	Kind  restore.SnapshotKind `json:"kind"`
	Seq   eventlog.Seq         `json:"seq"`
	Rows  int64                `json:"rows"` // or net changes, of a delta
	Bytes int64                `json:"bytes"`
}

// forecast is what the plan is expected to cost.
type forecast struct {
	Rows         int64   `json:"rows"` // about; deltas and log may add or remove some
	Transactions uint64  `json:"transactions"`
	ReadBytes    int64   `json:"read_bytes"`
	Seconds      float64 `json:"seconds"`
	Basis        string  `json:"basis"` // measured how often, or assumed
	// Steps are the restore's own, which Seconds is the sum of.
	Steps []budget.Part `json:"steps"`
}

// describePlan forecasts by what earlier restores into such a database took.
func describePlan(p *restore.Plan, seen []budget.Observation, kind string) planResult {
	r := planResult{Version: 1, ID: p.ID, Target: p.Target, Point: p.Point, Segments: p.Segments}
	if r.Segments == nil {
		r.Segments = []eventlog.SegmentInfo{}
	}
	for _, s := range p.Snapshots {
		ps := planSnapshot{Kind: s.Kind, Seq: s.Position.Seq, Bytes: s.Size()}
		for i := range s.Tables {
			ps.Rows += s.Tables[i].Entries
		}
		r.Snapshots = append(r.Snapshots, ps)
		r.Forecast.ReadBytes += ps.Bytes
	}
	for i := range p.Tip().Tables {
		r.Forecast.Rows += p.Tip().Tables[i].State.Count
	}
	r.Forecast.ReadBytes += p.LogBytes()
	r.Forecast.Transactions = uint64(p.Point.Seq - p.Tip().Position.Seq)
	e := budget.Fit(seen).Restore(budget.WorkOf(p), kind)
	r.Forecast.Seconds, r.Forecast.Basis, r.Forecast.Steps = e.Seconds, e.Basis, e.Parts
	return r
}

func printPlan(w io.Writer, r planResult) {
	line(w, "target\t%s", r.Target)
	line(w, "restore point\t%s", &r.Point)
	for _, s := range r.Snapshots {
		line(w, "%s\tseq %d\t%d rows\t%d bytes", s.Kind, uint64(s.Seq), s.Rows, s.Bytes)
	}
	line(w, "log\t%d segments\t%d transactions", len(r.Segments), r.Forecast.Transactions)
	line(w, "forecast\tabout %d rows, %d bytes to read, %.1f s (%s)", r.Forecast.Rows, r.Forecast.ReadBytes, r.Forecast.Seconds, r.Forecast.Basis)
	for _, step := range r.Forecast.Steps {
		line(w, "  %s\t%.3f s", step.Name, step.Seconds)
	}
	line(w, "plan\t%s", r.ID)
}

// restoreResult is what restore prints with --json.
type restoreResult struct {
	Version int    `json:"version"`
	Into    string `json:"into"`
	*restore.Result
	// What was forecast before, in all and by the steps of Result.
	Forecast      float64       `json:"forecast_seconds"`
	ForecastSteps []budget.Part `json:"forecast_steps"`
	ForecastBasis string        `json:"forecast_basis"`
}

// restoreJob is one restore: from where, with which flags, to which point.
type restoreJob struct {
	store  blob.Store
	file   *config.File
	flags  restoreOptions
	target restore.Target
	held   string // the plan of a restore that was begun in the target
}

func (a *app) restore(ctx context.Context, j *restoreJob) (err error) {
	store, o := j.store, j.flags
	plan, _, err := restore.Prepare(ctx, store, j.target)
	if err != nil {
		return err
	}
	if err := mayFill(config.URL(o.into), j.held, plan); err != nil {
		return err
	}
	seen := a.observed(ctx, store)
	if o.dryRun {
		r := describePlan(plan, seen, kindOfTarget(j.file, o.into))
		return a.report(r, func(w io.Writer) { printPlan(w, r) })
	}
	memory, scratch := int64(j.file.Restore.Memory), j.file.Restore.Scratch
	if o.memory != 0 {
		memory = int64(o.memory)
	}
	if o.scratch != "" {
		scratch = o.scratch
	}
	log, into, share := a.logger(), config.URL(o.into), restore.Share(memory)
	debug.SetMemoryLimit(share.Heap)
	db, err := openTarget(ctx, into, share.Cache, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	bars := &stepBars{app: a}
	defer bars.done()
	cfg := restore.Config{
		Store: store, Memory: share.Run, TempDir: scratch, KeepProgress: o.keep, Progress: a.restoreProgress(bars), Log: log, Clock: a.clock,
	}
	if o.shard != "" {
		return a.loadShard(ctx, cfg, plan, shardOf{db, into, o.shard})
	}
	r, err := restore.Run(ctx, cfg, plan, db)
	bars.done()
	err = goesOn(ctx, plan, err)
	if r == nil || err != nil && !errors.Is(err, restore.ErrMismatch) {
		return err
	}
	result := restoreResult{Version: 1, Into: into.String(), Result: r}
	e := budget.Fit(seen).Restore(budget.WorkOf(plan), into.Scheme())
	result.Forecast, result.ForecastSteps, result.ForecastBasis = e.Seconds, e.Parts, e.Basis
	if err == nil && r.Resumed == 0 { // a restore that only went on would teach too short times
		a.learn(ctx, store, budget.Restored(a.clock(), into.Scheme(), budget.WorkOf(plan), r.Steps), result.Forecast)
	}
	err = errors.Join(a.report(result, func(w io.Writer) { printRestore(w, into, result) }), err)
	if err == nil && o.proof != "" {
		err = writeProof(o.proof, r.Proof())
	}
	return err
}

// goesOn tells whoever interrupted a restore how it goes on: with the same plan, so to the
// point that it was going to, whatever the log holds by then.
func goesOn(ctx context.Context, plan *restore.Plan, err error) error {
	if err == nil || ctx.Err() == nil {
		return err
	}
	return advised{err, fmt.Sprintf("what is loaded is kept: run the same command again, with --seq %d for the point, and it goes on where it stopped", uint64(plan.Point.Seq))}
}

// observed reads what earlier restores and runs took. A forecast is no reason to hold up a
// restore: without them it is made of presets.
func (a *app) observed(ctx context.Context, store blob.Store) []budget.Observation {
	seen, err := budget.Observations(ctx, store)
	if err != nil {
		a.logger().Warn("what earlier restores took cannot be read; forecasts are made without it", "err", err)
		return nil
	}
	return seen
}

// learn keeps what a restore took, for later forecasts. A store that cannot be written to
// takes nothing away from the restore.
func (a *app) learn(ctx context.Context, store blob.Store, o budget.Observation, forecast float64) {
	o.Forecast = forecast
	if err := budget.Observe(ctx, store, o); err != nil {
		a.logger().Warn("what the restore took was not kept; forecasts do not learn from it", "err", err)
	}
}

// kindOfTarget is the kind of database that a forecast is for.
func kindOfTarget(file *config.File, into string) string {
	switch {
	case into != "":
		return config.URL(into).Scheme()
	case file.Failover.Target != "":
		return file.Failover.Target.Scheme()
	case file.Database != "":
		return file.Database.Scheme()
	}
	return "sqlite"
}

func printRestore(w io.Writer, into config.URL, r restoreResult) {
	line(w, "restored to\t%s", &r.Point)
	line(w, "into\t%s", into)
	line(w, "rows\t%d", r.Rows)
	var took float64
	forecast := map[string]float64{}
	for _, p := range r.ForecastSteps {
		forecast[p.Name] = p.Seconds
	}
	for _, s := range r.Steps {
		line(w, "%s\t%.3f s\tforecast %.3f s", s.Name, s.Seconds, forecast[s.Name])
		took += s.Seconds
	}
	line(w, "all steps\t%.3f s\tforecast %.3f s (%s)", took, r.Forecast, r.ForecastBasis)
	for _, t := range r.Tables {
		verdict := "equal"
		if !t.Match {
			verdict = "DIFFERENT, expected " + t.Expected.String()[:24]
		}
		line(w, "table %s\t%d rows\t%s\t%s", t.Name, t.Rows, t.State.String()[:24]+"…", verdict)
	}
	if r.Verified {
		line(w, "verified\tevery table has the state hash that snapshot and log demand")
	}
}
