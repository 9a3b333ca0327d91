package restore

import (
	"time"

	"lifeboat/eventlog"
)

// Rates are what a forecast assumes, per second. The zero value takes the figures of
// docs/performance.md, for two cores and a local disk.
type Rates struct {
	StoreBytes  float64 `json:"store_bytes"`  // read from the store
	LogBytes    float64 `json:"log_bytes"`    // of the stored log netted
	LoadRows    float64 `json:"load_rows"`    // merged and loaded
	VerifyBytes float64 `json:"verify_bytes"` // of rows scanned and hashed
}

func (r Rates) orDefaults() Rates {
	set := func(v *float64, preset float64) {
		if *v <= 0 {
			*v = preset
		}
	}
	set(&r.StoreBytes, 100e6)
	set(&r.LogBytes, 30e6)
	set(&r.LoadRows, 400_000)
	set(&r.VerifyBytes, 100e6)
	return r
}

// PlanReport is a plan for people and programs: what `restore --dry-run --json` prints.
type PlanReport struct {
	Version   int              `json:"version"` // 1
	PlanID    string           `json:"plan_id"`
	Target    Target           `json:"target"`
	Point     Point            `json:"point"`
	Snapshots []SnapshotReport `json:"snapshots"`
	Log       LogReport        `json:"log"`
	Forecast  Forecast         `json:"forecast"`
}

// SnapshotReport describes one snapshot of a plan or of a list.
type SnapshotReport struct {
	Kind    SnapshotKind    `json:"kind"`
	Seq     eventlog.Seq    `json:"seq"`
	Time    time.Time       `json:"time"`    // UTC; of the last transaction in it
	Created time.Time       `json:"created"` // UTC
	Digest  eventlog.Digest `json:"digest"`
	Tables  int             `json:"tables"`
	Rows    int64           `json:"rows"`  // of the database at Seq
	Bytes   int64           `json:"bytes"` // stored, shared with other snapshots or not
}

// LogReport describes the log's part of a plan.
type LogReport struct {
	Segments     int          `json:"segments"`
	Transactions uint64       `json:"transactions"` // applied
	After        eventlog.Seq `json:"after"`        // exclusive
	Through      eventlog.Seq `json:"through"`      // inclusive
	Bytes        int64        `json:"bytes"`        // stored
}

// Forecast is what running a plan should take.
type Forecast struct {
	Rows      int64   `json:"rows"` // about: those of the last snapshot
	ReadBytes int64   `json:"read_bytes"`
	Seconds   float64 `json:"seconds"`
	Assumed   Rates   `json:"assumed"`
}

// Describe describes a snapshot.
func Describe(s Snapshot) SnapshotReport {
	r := SnapshotReport{
		Kind: s.Kind, Seq: s.Position.Seq, Time: s.Position.Time, Created: s.Created, Digest: s.Digest,
		Tables: len(s.Tables), Bytes: s.Size(),
	}
	for i := range s.Tables {
		r.Rows += s.Tables[i].State.Count
	}
	return r
}

// Report describes the plan and forecasts its run. Reading overlaps with loading.
func (p *Plan) Report(rates Rates) PlanReport {
	rates = rates.orDefaults()
	r := PlanReport{Version: 1, PlanID: p.ID, Target: p.Target, Point: p.Point}
	for _, s := range p.Snapshots {
		r.Snapshots = append(r.Snapshots, Describe(s))
		r.Forecast.ReadBytes += s.Size()
	}
	tip := p.Tip()
	r.Log = LogReport{
		Segments: len(p.Segments), After: tip.Position.Seq, Through: p.Point.Seq,
		Transactions: uint64(p.Point.Seq - tip.Position.Seq),
	}
	r.Log.Bytes = p.LogBytes()
	chunks := float64(r.Forecast.ReadBytes)
	r.Forecast.ReadBytes += r.Log.Bytes
	r.Forecast.Rows, r.Forecast.Assumed = Describe(tip).Rows, rates
	r.Forecast.Seconds = float64(r.Log.Bytes)/min(rates.LogBytes, rates.StoreBytes) +
		max(float64(r.Forecast.Rows)/rates.LoadRows, chunks/rates.StoreBytes) + float64(p.Base().Raw())/rates.VerifyBytes
	return r
}
