package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lifeboat/eventlog"
	"lifeboat/failover"
	"lifeboat/failover/budget"
	"lifeboat/failover/incident"
	"lifeboat/infra/azure"
	"lifeboat/internal/blob/sealed"
	"lifeboat/internal/codebackup"
	"lifeboat/restore"
	"lifeboat/stacks/settings"
)

// askPrimary bounds how long a plan waits for a primary that may be gone.
const askPrimary = 10 * time.Second

// question is what facts are asked for.
type question struct {
	kind   failover.Kind
	target restore.Target
	lost   time.Time // zero: as the record says
}

// facts gathers what a plan is made from. Only the DR store has to answer.
func (a *app) facts(ctx context.Context, b *bridge, q question) (failover.Facts, error) {
	plan, _, err := restore.Prepare(ctx, b.dr, q.target)
	if err != nil {
		return failover.Facts{}, err
	}
	log := eventlog.OpenLog(b.dr)
	end, err := log.End(ctx)
	if err != nil {
		return failover.Facts{}, fmt.Errorf("end of the mirror's log: %w", err)
	}
	epochs, err := log.Epochs(ctx)
	if err != nil {
		return failover.Facts{}, fmt.Errorf("epochs of the mirror's log: %w", err)
	}
	f := failover.Facts{Restore: plan, End: end, Lost: q.lost, CommitsPerSecond: commitRate(plan.Segments)}
	if n := len(epochs); n > 0 {
		f.Epoch = epochs[n-1].Epoch
	}
	f.Primary = a.primaryEnd(ctx, b)
	if err := a.recorded(ctx, b, &f); err != nil {
		return f, err
	}
	if err := codeFacts(ctx, b, &f); err != nil {
		return f, err
	}
	if err := b.configured(&f); err != nil {
		return f, err
	}
	if f.Keys, err = rootKeys(ctx, b); err != nil {
		return f, err
	}
	if err := b.budget(a.observed(ctx, b.dr), q, &f); err != nil {
		return f, err
	}
	a.askQuotas(ctx, b, &f)
	return f, b.noteRestore(&f)
}

// askQuotas adds how much of each quota is free, where the cloud says so: without room for
// the stack a run would fence the primary and then have nothing to serve with.
func (a *app) askQuotas(ctx context.Context, b *bridge, f *failover.Facts) {
	if b.stack == nil {
		return
	}
	cloud, _ := a.cloud(b.stack)
	if cloud == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, runPatience)
	defer cancel()
	free, err := cloud.Free(ctx, f.Region)
	if err != nil {
		a.logger().Warn("it is not known whether the region has room for the stack", "region", f.Region, "err", err)
		return
	}
	for i := range f.Quotas {
		if n, ok := free[f.Quotas[i].Name]; ok {
			f.Quotas[i].Free = &n
		}
	}
}

// commitRate is that of the last segments; nil when they tell too little.
func commitRate(segments []eventlog.SegmentInfo) *float64 {
	if len(segments) == 0 {
		return nil
	}
	last := segments[len(segments)-1]
	var n uint64
	first := last.FirstTime
	for i := len(segments) - 1; i >= 0 && last.LastTime.Sub(segments[i].FirstTime) <= time.Hour; i-- {
		n, first = n+segments[i].Transactions(), segments[i].FirstTime
	}
	over := last.LastTime.Sub(first).Seconds()
	if over <= 0 || n < 2 {
		return nil
	}
	rate := float64(n) / over
	return &rate
}

func (a *app) primaryEnd(ctx context.Context, b *bridge) *eventlog.Position {
	if b.primary == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, askPrimary)
	defer cancel()
	end, err := eventlog.OpenLog(b.primary).End(ctx)
	if err != nil || end.IsZero() {
		a.logger().Warn("the primary's log cannot be read; what it holds alone is not known", "err", err)
		return nil
	}
	return &end
}

// recorded adds what the incident record knows: when the outage began, and the year.
func (a *app) recorded(ctx context.Context, b *bridge, f *failover.Facts) error {
	now := a.clock()
	r, damage, err := b.record(ctx)
	if err != nil {
		return err
	}
	if len(damage) > 0 {
		a.logger().Warn("the incident record is damaged; the year's figures may be wrong", "first", damage[0].String())
	}
	for _, s := range r.Incidents {
		if n := len(s.Outages); f.Lost.IsZero() && s.InOutage() && n > 0 {
			f.Lost = s.Outages[n-1].From
		}
	}
	l := incident.YearLedger(now.In(b.settings.Location).Year(), r.Incidents, b.settings, now)
	f.Year = failover.Year{Year: l.Year, AllowanceSeconds: l.Allowance.Seconds(), UsedSeconds: l.Used.Seconds()}
	return nil
}

// codeFacts names the newest code backup; none is absent, and preflight says so.
func codeFacts(ctx context.Context, b *bridge, f *failover.Facts) error {
	n, err := codebackup.Latest(ctx, b.dr)
	if errors.Is(err, codebackup.ErrNone) {
		return nil
	}
	if err != nil {
		return err
	}
	m, err := codebackup.Read(ctx, b.dr, n)
	if err != nil {
		return err
	}
	text, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("hash code backup %d: %w", n, err)
	}
	f.Code = failover.Code{Commit: m.Commit, Number: n, SHA256: sha256Of(text)}
	return nil
}

// configured adds what the files say.
func (b *bridge) configured(f *failover.Facts) error {
	file := b.config
	config, err := configDigest(file)
	if err != nil {
		return err
	}
	f.Config, f.Backend = config, file.Failover.Backend.Redacted()
	f.Limits = failover.Limits{StaleSeconds: file.Failover.StaleLimit.Seconds(), RPOSeconds: file.Failover.RPO.Seconds(), RTOSeconds: file.Failover.RTO.Seconds()}
	f.Quorum = failover.Quorum{Seats: b.approval.Quorum, BreakGlass: b.approval.BreakGlass,
		MaxAgeSeconds: int64(b.approval.MaxAge / time.Second), Signers: b.ring.Digest()}
	f.Region = file.Mirror.Name
	f.Database.Kind = file.Database.Scheme()
	if target := file.Failover.Target; target != "" {
		f.Database.Kind = target.Scheme()
	}
	s := b.stack
	if s == nil {
		return nil
	}
	if s.Database.Kind != settings.AzureSQL {
		return errContainer
	}
	text, err := s.JSON()
	if err != nil {
		return err
	}
	f.Settings, f.Region = sha256Of([]byte(text)), string(s.Regions.DR.Region)
	f.Images = []failover.Image{{Name: "application", Ref: s.Application.Image}, {Name: "agent", Ref: s.Agent.Image}}
	if file.Failover.Target == "" {
		f.Database.Kind = "sqlserver"
	}
	f.Database.SKU = s.Database.SKU
	return nil
}

// errContainer refuses a stack whose database is a container before anything is made: only
// the stack's own configuration has the password, so a run could neither bring the stack up
// nor restore into it, and would find out when the primary is fenced.
var errContainer = fmt.Errorf("%w: failover.stack_file: database.kind is container: a run has no password for it, nor have its pods: "+
	"use kind azure (database.sku may be small), or try such a stack by hand, with 'pulumi up' and 'lifeboat restore --into'", errUsage)

func rootKeys(ctx context.Context, b *bridge) ([]failover.Key, error) {
	store, ok := b.dr.(*sealed.Store)
	if !ok {
		return nil, nil
	}
	root, err := store.RootID(ctx)
	if err != nil {
		return nil, fmt.Errorf("root key of the mirror: %w", err)
	}
	return []failover.Key{{Store: "mirror", Root: root}}, nil
}

// budget adds the forecast, the size of the database during the restore, and what quota all
// that needs.
func (b *bridge) budget(seen []budget.Observation, q question, f *failover.Facts) error {
	model, work := budget.Fit(seen), budget.WorkOf(f.Restore)
	job := budget.Job{Kind: q.kind, Work: work, Database: budget.DatabaseOf(f.Database.Kind, ""), TTL: b.timeToLive(), NoStack: b.stack == nil}
	f.Database.RestoreSKU = f.Database.SKU
	switch size := b.config.Failover.RestoreSKU; {
	case size != "" && f.Database.SKU != "":
		f.Database.RestoreSKU = size
		if _, err := b.stack.ForFailover(settings.FailoverRun{ID: "f0", RestoreSKU: size}); err != nil {
			return fmt.Errorf("%w: failover.restore_sku: %w", errUsage, err)
		}
	case f.Database.SKU != "" && q.kind != failover.Drill && b.config.Failover.Target == "": // a drill has time, and pays
		within := b.config.Failover.RTO
		for _, s := range model.Forecast(job) {
			if s.Name != failover.StepRestore {
				within -= lasting(s.Seconds)
			}
		}
		f.Database.RestoreSKU = budget.Propose(work, f.Database.SKU, within).SKU
	}
	if b.config.Failover.Target == "" {
		job.Database = budget.DatabaseOf(f.Database.Kind, f.Database.RestoreSKU)
	}
	f.Steps = model.Forecast(job)
	f.Quotas = quotas(b.stack, f.Database.RestoreSKU)
	return nil
}

// noteRestore lets a plan's readers see where the restore will run.
func (b *bridge) noteRestore(f *failover.Facts) error {
	note, err := restoreNote(b.config, b.stack)
	if err != nil || note == "" {
		return err
	}
	for i := range f.Steps {
		if s := &f.Steps[i]; s.Name == failover.StepRestore {
			s.Basis += "; it runs " + note
		}
	}
	return nil
}

// timeToLive is how long the old address may live on after traffic was switched: three
// probes to notice, and the name's time to live.
func (b *bridge) timeToLive() time.Duration {
	if b.stack == nil {
		return 0
	}
	return time.Duration(b.stack.Edge.TTL+3*b.stack.Edge.Interval) * time.Second
}

// quotas are what a stack needs of the subscription in the DR region.
func quotas(s *settings.Settings, restoreSKU string) []failover.Quota {
	if s == nil {
		return nil
	}
	var list []failover.Quota
	add := func(name string, need int) {
		for i := range list {
			if list[i].Name == name {
				list[i].Need += int64(need)
				return
			}
		}
		list = append(list, failover.Quota{Name: name, Need: int64(need)})
	}
	for _, pool := range []settings.Pool{s.Cluster.System, s.Cluster.User} {
		if node, err := azure.ParseNodeSKU(pool.Size); err == nil {
			add(node.Family, node.VCPUs*pool.Min)
		}
	}
	if sku, err := azure.ParseDatabaseSKU(restoreSKU); err == nil {
		add("SQL vCores", sku.VCores)
	}
	return list
}
