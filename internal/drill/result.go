package drill

import (
	"time"

	"lifeboat/internal/database"
	"lifeboat/internal/workload"
)

// Result is what a drill found.
type Result struct {
	Started time.Time
	Ended   time.Time
	Seed    uint64
	Lose    Loss
	Writers int
	Title   string // of the database
	Where   string // it was restored to

	Verdict          workload.Verdict
	BaseSeq          uint64 // transactions before the writers began
	TargetSeq        uint64 // the restore point
	Orphans          uint64 // transactions that takeover set aside
	RPO              time.Duration
	RTO              time.Duration
	Verified         bool
	Tables           []Table
	Steps            []Step // of the whole drill, in order
	Proofs           []Proof
	LostAt           time.Time
	Marks            []Mark // of the mirror's link: cut, healed, cut, …
	Buckets          []Bucket
	Evidence         string // the writers' record
	Markdown, HTML   string // paths of the report
	LogBytes         int64
	SnapshotBytes    int64
	RestoredRowBytes int64
	Region           *Region // nil: none was asked for
}

// Table is one table of the restored database.
type Table struct {
	Name     string
	Rows     int64
	Got      database.State // of a scan of what was restored
	Expected database.State // by snapshot and log
}

// Match tells whether the table is what it should be.
func (t Table) Match() bool { return t.Got == t.Expected }

// Step is one step of the drill.
type Step struct {
	Name     string
	Began    time.Time
	Took     time.Duration
	Recovery bool // after the loss: it counts to RTO
}

// Proof is one claim, how it was tested, and what came out.
type Proof struct {
	Claim string
	How   string
	Holds bool
	Found string // in numbers
}

// Mark is a moment worth drawing.
type Mark struct {
	Name string
	At   time.Time
}

// Bucket counts what the writers saw in one slice of time.
type Bucket struct {
	Begin            time.Time
	Committed, Acked int
}

// Summary is the result as --json prints it.
type Summary struct {
	Version          int            `json:"version"`
	Committed        int            `json:"committed"`
	Acknowledged     int            `json:"acknowledged"`
	AcknowledgedLost int            `json:"acknowledged_lost"`
	CommittedLost    int            `json:"committed_lost"`
	TargetSeq        uint64         `json:"target_seq"`
	RPOSeconds       float64        `json:"rpo_seconds"`
	RTOSeconds       float64        `json:"rto_seconds"`
	Verified         bool           `json:"verified"`
	Tables           []SummaryTable `json:"tables"`
	Steps            []SummaryStep  `json:"steps"`
	Report           string         `json:"report"`
	Region           *Region        `json:"region,omitempty"`
}

// SummaryTable is one table of a Summary.
type SummaryTable struct {
	Name         string         `json:"name"`
	Rows         int64          `json:"rows"`
	StateHash    database.State `json:"state_hash"`
	ExpectedHash database.State `json:"expected_hash"`
	Match        bool           `json:"match"`
}

// SummaryStep is one step of the recovery.
type SummaryStep struct {
	Name    string  `json:"name"`
	Seconds float64 `json:"seconds"`
}

// Summary returns the short form. Its steps are those of the recovery.
func (r *Result) Summary() Summary {
	s := Summary{
		Version: 1, Committed: r.Verdict.Committed, Acknowledged: r.Verdict.Acknowledged,
		AcknowledgedLost: r.Verdict.AcknowledgedLost, CommittedLost: r.Verdict.CommittedLost,
		TargetSeq: r.TargetSeq, RPOSeconds: r.RPO.Seconds(), RTOSeconds: r.RTO.Seconds(),
		Verified: r.Verified, Report: r.Markdown, Region: r.Region,
		Tables: []SummaryTable{}, Steps: []SummaryStep{},
	}
	for _, t := range r.Tables {
		s.Tables = append(s.Tables, SummaryTable{t.Name, t.Rows, t.Got, t.Expected, t.Match()})
	}
	for _, step := range r.Steps {
		if step.Recovery {
			s.Steps = append(s.Steps, SummaryStep{step.Name, step.Took.Seconds()})
		}
	}
	return s
}

// judge decides whether the drill is proven.
func (r *Result) judge() bool {
	for _, p := range r.Proofs {
		if !p.Holds {
			return false
		}
	}
	for _, t := range r.Tables {
		if !t.Match() {
			return false
		}
	}
	return len(r.Proofs) > 0 && len(r.Tables) > 0
}
