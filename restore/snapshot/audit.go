package snapshot

import (
	"context"
	"errors"
	"fmt"

	"lifeboat/eventlog"
	"lifeboat/internal/database"
	"lifeboat/restore"
)

// AuditReport compares the database with what a snapshot and the log say it is.
type AuditReport struct {
	Position eventlog.Position     `json:"position"` // of the view
	Against  eventlog.Seq          `json:"against"`  // the snapshot's Seq
	Tables   []restore.TableResult `json:"tables"`
	Match    bool                  `json:"match"`
}

// Differing names the tables that are not what they should be: something changed them
// that capture did not see (TRUNCATE, a bulk load without triggers, triggers disabled).
func (r *AuditReport) Differing() []string {
	var names []string
	for _, t := range r.Tables {
		if !t.Match {
			names = append(names, t.Name)
		}
	}
	return names
}

// Audit scans the view, which must be exactly the transactions up to at, and compares
// every table with the newest snapshot before it and the log between: the proof that
// snapshot and log are the database. Tables that differ are in the report, not in the
// error. restore.ErrNoSnapshot and restore.ErrOutsideWindow: nothing to compare with.
func Audit(ctx context.Context, cfg Config, view database.View, at eventlog.Position) (*AuditReport, error) {
	if err := cfg.applyDefaultsAndValidate(); err != nil {
		return nil, err
	}
	report, err := audit(ctx, cfg, view, at)
	if err != nil {
		return nil, fmt.Errorf("audit the database at seq %d: %w", uint64(at.Seq), err)
	}
	return report, nil
}

func audit(ctx context.Context, cfg Config, view database.View, at eventlog.Position) (*AuditReport, error) {
	s := &session{cfg: cfg, m: &restore.Manifest{Position: at}}
	if err := s.setSchema(ctx, view.Schema()); err != nil {
		return nil, err
	}
	tip, err := s.before(ctx)
	if err != nil {
		return nil, err
	}
	for i := range s.schema.Tables {
		state, err := restore.Scan(ctx, view, &s.schema.Tables[i])
		if err != nil {
			return nil, err
		}
		s.m.Tables = append(s.m.Tables, restore.TableEntry{Name: s.schema.Tables[i].Name, State: state})
	}
	return s.against(tip), nil
}

// errOtherSchema: the newest snapshot is of another schema.
var errOtherSchema = fmt.Errorf("%w of this schema", restore.ErrNoSnapshot)

// before finds the newest snapshot from which the log leads to the session's position.
func (s *session) before(ctx context.Context) (restore.Snapshot, error) {
	target := restore.AtSeq(s.m.Position.Seq)
	inv, err := restore.Survey(ctx, s.cfg.Stores[0], target)
	if err != nil {
		return restore.Snapshot{}, err
	}
	plan, err := restore.NewPlan(inv, target)
	if err != nil {
		return restore.Snapshot{}, err
	}
	if tip := plan.Tip(); tip.SchemaVersion == s.m.SchemaVersion && tip.Fingerprint == s.m.Fingerprint {
		return tip, nil
	}
	return restore.Snapshot{}, errOtherSchema
}

// compare audits the base that is being taken; nil when there is nothing to compare with.
func (s *session) compare(ctx context.Context) (*AuditReport, error) {
	tip, err := s.before(ctx)
	if errors.Is(err, restore.ErrNoSnapshot) || errors.Is(err, restore.ErrOutsideWindow) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.against(tip), nil
}

func (s *session) against(tip restore.Snapshot) *AuditReport {
	r := &AuditReport{Position: s.m.Position, Against: tip.Position.Seq, Match: true}
	for i, expected := range restore.Expected(tip, s.ledger) {
		got := s.m.Tables[i].State
		t := restore.TableResult{Name: tip.Tables[i].Name, Rows: got.Count, State: got, Expected: expected, Match: got == expected}
		r.Tables, r.Match = append(r.Tables, t), r.Match && t.Match
	}
	if !r.Match {
		s.cfg.Log.Error("the database is not what snapshot and log say", "seq", r.Position.Seq, "tables", r.Differing())
	}
	return r
}
