package main

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/internal/config"
	"lifeboat/restore"
)

// statusResult is what status prints with --json.
type statusResult struct {
	Version int           `json:"version"`
	Mirror  *regionStatus `json:"mirror,omitempty"`
	Primary *regionStatus `json:"primary,omitempty"`
	Lag     *lagStatus    `json:"lag,omitempty"`
}

// regionStatus is what one store proves.
type regionStatus struct {
	Name      string             `json:"name"`
	Store     string             `json:"store"`
	Error     string             `json:"error,omitempty"` // when it cannot be read
	End       *eventlog.Position `json:"end,omitempty"`   // nil: damage hides it
	Snapshots int                `json:"snapshots"`
	Newest    *restore.Point     `json:"newest_snapshot,omitempty"`
	Window    []restore.Range    `json:"window"`
	Damage    []restore.Damage   `json:"damage"`
	Gaps      []restore.Damage   `json:"gaps"` // of the log, that a later snapshot makes up for
}

// lagStatus is how far the mirror is behind the primary's store.
type lagStatus struct {
	Transactions uint64  `json:"transactions"`
	Seconds      float64 `json:"seconds"`
}

func (a *app) statusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say what each store proves restorable, and how far the mirror is behind",
		Long: `Read the manifests of snapshots and the headers of the log in both stores and say what can be
restored from each, how old the newest snapshot is, which of what was read is missing or damaged, and
how far the mirror is behind. Works with the mirror alone.

The rows of snapshots and the transactions of the log are not read: that they are whole is proven by
'lifeboat snapshot verify' and 'lifeboat log verify', which read every byte.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.status(cmd.Context()) },
	}
	a.flagsFor(cmd, thePrimary|theMirror)
	return cmd
}

func (a *app) status(ctx context.Context) error {
	file, err := a.settings(theMirror)
	if err != nil {
		return err
	}
	result := statusResult{Version: 1}
	var mirrorErr error
	result.Mirror, mirrorErr = a.surveyRegion(ctx, file, file.Mirror)
	if file.Primary.Store != "" {
		// A primary that is gone is not an error of status: that is when it is asked for.
		result.Primary, _ = a.surveyRegion(ctx, file, file.Primary)
	}
	if p, m := result.Primary, result.Mirror; p != nil && p.End != nil && m.End != nil {
		result.Lag = &lagStatus{}
		if p.End.Seq > m.End.Seq {
			result.Lag.Transactions = uint64(p.End.Seq - m.End.Seq)
			result.Lag.Seconds = p.End.Time.Sub(m.End.Time).Seconds()
		}
	}
	if err := a.report(result, func(w io.Writer) { a.printStatus(w, result) }); err != nil {
		return err
	}
	switch {
	case mirrorErr != nil:
		return mirrorErr
	case len(result.Mirror.Damage) > 0:
		return damaged(result.Mirror.Damage)
	case len(result.Mirror.Window) == 0:
		return restore.ErrNoSnapshot
	}
	return nil
}

func (a *app) surveyRegion(ctx context.Context, file *config.File, region config.Region) (*regionStatus, error) {
	s := &regionStatus{Name: region.Name, Store: region.Store.String(), Window: []restore.Range{}, Damage: []restore.Damage{}}
	err := func() error {
		store, err := a.stores(file).patient(ctx, region)
		if err != nil {
			return err
		}
		inv, err := restore.SurveyAll(ctx, store)
		if err != nil {
			return err
		}
		s.Window = append(s.Window, inv.Window()...)
		s.Damage = append(s.Damage, inv.Damage...)
		s.Snapshots = len(inv.Snapshots)
		if n := len(inv.Snapshots); n > 0 {
			newest := inv.Snapshots[n-1]
			s.Newest = &restore.Point{Seq: newest.Position.Seq, Time: newest.Created}
		}
		if err := s.findEnd(ctx, eventlog.OpenLog(store)); err != nil {
			return err
		}
		s.noteGaps(inv.Runs)
		return nil
	}()
	if err != nil {
		s.Error = err.Error()
	}
	return s, err
}

// findEnd looks for the end of the log. An object of it that is missing or damaged is no
// reason not to tell what can be restored all the same.
func (s *regionStatus) findEnd(ctx context.Context, log *eventlog.Log) error {
	end, err := log.End(ctx)
	object := (*eventlog.ObjectError)(nil)
	switch {
	case err == nil:
		s.End = &end
	case errors.As(err, &object) && !errors.Is(err, eventlog.ErrNewerVersion):
		s.Damage = append(s.Damage, restore.Damage{Object: object.Object, Detail: object.Err.Error()})
	default:
		return err
	}
	return nil
}

// noteGaps names the gaps in the log behind which it goes on in a later epoch: as damage
// where they keep its end from being restored, else beside it.
func (s *regionStatus) noteGaps(runs []restore.LogRun) {
	if s.End == nil {
		return
	}
	list, n := &s.Damage, len(s.Window)
	if n > 0 && s.Window[n-1].To.Seq >= s.End.Seq {
		list = &s.Gaps
	}
	for _, run := range runs {
		gap := restore.Damage{Object: "log", Detail: run.Broken}
		if run.Broken != "" && !run.Off && !slices.Contains(*list, gap) {
			*list = append(*list, gap)
		}
	}
}

func (a *app) printStatus(w io.Writer, r statusResult) {
	for _, s := range []*regionStatus{r.Mirror, r.Primary} {
		if s == nil {
			continue
		}
		line(w, "%s\t%s", s.Name, s.Store)
		if s.Error != "" {
			line(w, "  cannot be read\t%s", s.Error)
			continue
		}
		if s.End != nil {
			line(w, "  log ends at\t%s\t%s", s.End, utc(s.End.Time))
		}
		if s.Newest != nil {
			line(w, "  newest snapshot\tseq %d\t%s\t%s ago, %d in all", uint64(s.Newest.Seq), utc(s.Newest.Time),
				a.clock().Sub(s.Newest.Time).Round(time.Second), s.Snapshots)
		}
		for _, window := range s.Window {
			line(w, "  restorable\tseq %d to %d\t%s to %s", uint64(window.From.Seq), uint64(window.To.Seq), utc(window.From.Time), utc(window.To.Time))
		}
		if len(s.Window) == 0 {
			line(w, "  restorable\tnothing")
		}
		for _, d := range s.Damage {
			line(w, "  damaged\t%s\t%s", d.Object, d.Detail)
		}
		for _, gap := range s.Gaps {
			line(w, "  gap\t%s\ta later snapshot makes up for it: see restorable", gap.Detail)
		}
	}
	if r.Lag != nil {
		line(w, "mirror behind by\t%d transactions\t%.3f s", r.Lag.Transactions, r.Lag.Seconds)
	}
}
