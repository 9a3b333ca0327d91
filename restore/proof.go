package restore

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/database"
	"lifeboat/internal/versioned"
)

// ProofVersion is the version of a proof's text; a reader refuses a newer one.
const ProofVersion = 1

var proofKind = versioned.Kind{Field: "version", Known: ProofVersion, Damaged: eventlog.ErrCorrupt, Newer: eventlog.ErrNewerVersion}

// Proof is what a verified restore found, in less than a kilobyte whatever the number of
// tables: a restore that runs out of sight leaves it to whoever asked for it. It says
// nothing about what the state hashes have to be: that is for the reader to know, from the
// log itself (see Foresee).
type Proof struct {
	Version int          `json:"version"`
	PlanID  string       `json:"plan_id"`
	Seq     eventlog.Seq `json:"seq"`
	Rows    int64        `json:"rows"`
	Tables  int          `json:"tables"`
	// States is the SHA-256 over every table's name and state hash in the schema's order, hex.
	States  string `json:"states_sha256"`
	Resumed int    `json:"resumed_units"`
	Steps   []Step `json:"steps"`
}

// Proof sums up a verified restore.
func (r *Result) Proof() Proof {
	actual := make([]database.State, len(r.Tables))
	for i, t := range r.Tables {
		actual[i] = t.State
	}
	return Proof{
		Version: ProofVersion, PlanID: r.PlanID, Seq: r.Point.Seq, Rows: r.Rows, Tables: len(r.Tables),
		States: statesDigest(r.Tables, actual), Resumed: r.Resumed, Steps: r.Steps,
	}
}

func statesDigest(tables []TableResult, states []database.State) string {
	h := sha256.New()
	for i, t := range tables {
		_, _ = io.WriteString(h, t.Name+"\x00"+states[i].String()+"\n") // a hash takes everything
	}
	return hex.EncodeToString(h.Sum(nil))
}

// ParseProof reads a proof's text.
func ParseProof(text []byte) (Proof, error) {
	p, err := versioned.Decode[Proof](proofKind, text)
	if err == nil && (p.PlanID == "" || p.States == "") {
		err = fmt.Errorf("%w: it lacks plan or state hashes", eventlog.ErrCorrupt)
	}
	if err != nil {
		return p, fmt.Errorf("proof of a restore: %w", err)
	}
	return p, nil
}

// Foresee says what every table must be once the plan has been restored, from the store
// alone: State is empty and Match false. It reads two segments, however long the log is.
// ErrDiverged: the log is not as it was planned.
func Foresee(ctx context.Context, store blob.Store, plan *Plan) ([]TableResult, error) {
	codec, err := NewCodec(1)
	if err != nil {
		return nil, err
	}
	schema, err := codec.ReadSchema(ctx, store, plan.Base().Manifest)
	if err != nil {
		return nil, err
	}
	ledger, err := plan.ledger(ctx, store, schema)
	if err != nil {
		return nil, fmt.Errorf("foresee the tables at seq %d: %w", uint64(plan.Point.Seq), err)
	}
	expected := Expected(plan.Tip(), ledger)
	tables := make([]TableResult, len(schema.Tables))
	for i := range schema.Tables {
		tables[i] = TableResult{Name: schema.Tables[i].Name, Rows: expected[i].Count, Expected: expected[i]}
	}
	return tables, nil
}

// ledger is what the log says of every table at the plan's point.
func (p *Plan) ledger(ctx context.Context, store blob.Store, schema *database.Schema) (database.States, error) {
	tip := p.Tip()
	before := make(database.States)
	for i := range tip.Tables {
		before[tip.Tables[i].Name] = tip.Tables[i].Ledger
	}
	n := len(p.Segments)
	if n == 0 {
		return before, nil
	}
	log := eventlog.OpenLog(store)
	var last *eventlog.Segment
	for _, info := range p.Segments[max(0, n-2):] {
		if last != nil {
			before = last.Ledger()
		}
		s, err := log.Segment(ctx, info.Epoch, info.Slot)
		if err != nil {
			return nil, err
		}
		if s.Info().Digest != info.Digest {
			return nil, fmt.Errorf("%w: segment %s is not the one that was planned", eventlog.ErrDiverged, info.Name())
		}
		last = s
	}
	part := LogPart{Log: log, From: tip, To: p.Point.Seq, Last: p.Segments[n-1].Digest}
	return ledgerAt(last, before, part, schema)
}

// Judge compares what a restore proved with what its plan demands (see Foresee), and
// returns the tables with what they turned out to be. Another plan to the same point, from
// a newer snapshot, demands the same. ErrMismatch: the database must not
// be used, or the proof is of another restore.
func (p Proof) Judge(plan *Plan, tables []TableResult) ([]TableResult, error) {
	want := make([]database.State, len(tables))
	proven := make([]TableResult, len(tables))
	var rows int64
	for i, t := range tables {
		want[i] = t.Expected
		rows += t.Rows
		t.State, t.Match = t.Expected, true
		proven[i] = t
	}
	switch {
	case p.Seq != plan.Point.Seq:
		return nil, fmt.Errorf("%w: the proof is of a restore to seq %d, asked for was seq %d", ErrMismatch, uint64(p.Seq), uint64(plan.Point.Seq))
	case p.Tables != len(tables) || p.Rows != rows || p.States != statesDigest(tables, want):
		return nil, fmt.Errorf("%w: the restored database has %d rows in %d tables with state hashes %s; snapshot and log demand %d rows in %d tables with %s: do not use it",
			ErrMismatch, p.Rows, p.Tables, p.States, rows, len(tables), statesDigest(tables, want))
	}
	return proven, nil
}
