package workload

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Verdict is what a restored database says about a record.
type Verdict struct {
	Committed        int // transactions whose COMMIT was answered
	Acknowledged     int
	AcknowledgedLost int        // acknowledged and not restored, wholly or in part
	CommittedLost    int        // committed, acknowledged or not, and not restored
	Unknown          int        // COMMIT was sent and not answered
	UnknownSaved     int        // of these, how many were restored
	Rows             int        // rows compared one by one
	Unchecked        int        // rows of tables that triggers of the application write to
	Wrong            int        // rows that are not as the writers left them
	Mismatches       []Mismatch // the first MaxMismatches of them
	// FirstLost is when the oldest committed transaction that is lost was committed;
	// zero if none is lost.
	FirstLost time.Time
}

// Mismatch is one row that is not as the writers left it.
type Mismatch struct {
	Table, Key string
	Got        string
	Want       string
	Writer     int // of the transaction that should have left it, -1: nobody touched it
	Number     int
	ack        *Transaction
}

// String says it in words.
func (m Mismatch) String() string {
	return fmt.Sprintf("table %s key %s: restored %s, writer %d's transaction %d left %s",
		m.Table, m.Key, m.Got, m.Writer, m.Number, m.Want)
}

// MaxMismatches is how many mismatches a Verdict names; the counts go on.
const MaxMismatches = 100

// Survived tells whether the transaction with this id was restored. The answer is
// believed for transactions that were not acknowledged; for those that were, a no is a
// loss.
type Survived func(txID string) bool

// Check compares a restored database with the record, row by row: every row that any
// writer ever touched has to be as the last surviving transaction left it.
func (r *Record) Check(ctx context.Context, db *sql.DB, d Dialect, m *Model, survived Survived) (*Verdict, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := &Verdict{}
	lost := map[*Transaction]bool{}
	r.count(v, survived, lost)
	reader := rowReader{d: d, q: db}
	for id, h := range r.rows {
		t := m.Table(id.table)
		if t == nil {
			return nil, fmt.Errorf("the restored database has no table %s", id.table)
		}
		if t.Triggered {
			v.Unchecked++
			continue
		}
		got, err := reader.image(ctx, t, h.key)
		if err != nil {
			return nil, fmt.Errorf("read back table %s key %s: %w", id.table, id.key, err)
		}
		v.Rows++
		wants := h.candidates(survived)
		if slices.ContainsFunc(wants, func(w version) bool { return w.image == got }) {
			continue
		}
		last := wants[len(wants)-1]
		mm := Mismatch{Table: id.table, Key: id.key, Got: got.String(), Want: last.image.String(), Writer: -1, ack: wants[0].tx}
		if last.tx != nil {
			mm.Writer, mm.Number = last.tx.Writer, last.tx.Number
		}
		if mm.ack != nil && mm.ack.Outcome == Acknowledged {
			lost[mm.ack] = true
		}
		v.Mismatches = append(v.Mismatches, mm)
	}
	v.AcknowledgedLost, v.Wrong = len(lost), len(v.Mismatches)
	slices.SortFunc(v.Mismatches, func(a, b Mismatch) int { return strings.Compare(a.Table+a.Key, b.Table+b.Key) })
	v.Mismatches = v.Mismatches[:min(len(v.Mismatches), MaxMismatches)]
	return v, nil
}

func (r *Record) count(v *Verdict, survived Survived, lost map[*Transaction]bool) {
	for _, tx := range r.txs {
		saved := tx.ID != "" && survived(tx.ID)
		switch {
		case tx.Outcome == Unknown:
			v.Unknown++
			if saved {
				v.UnknownSaved++
			}
			continue
		case tx.Outcome == Acknowledged:
			v.Acknowledged++
			if tx.ID != "" && !saved {
				lost[tx] = true
			}
		}
		v.Committed++
		if tx.ID != "" && !saved {
			v.CommittedLost++
			if v.FirstLost.IsZero() || tx.Committed.Before(v.FirstLost) {
				v.FirstLost = tx.Committed
			}
		}
	}
}

// candidates lists what the row may rightly be: what the last transaction that survived
// for certain left, and what later ones left of which nobody can tell (those without an
// id). Where ids are known that is exactly one.
func (h *history) candidates(survived Survived) []version {
	slices.SortStableFunc(h.versions, func(a, b version) int {
		return int(int64(a.tx.Order) - int64(b.tx.Order))
	})
	list := []version{{nil, h.base}}
	for _, v := range h.versions {
		switch {
		case v.tx.Outcome == Acknowledged, v.tx.ID != "" && survived(v.tx.ID):
			list = append(list[:0], v)
		case v.tx.ID == "":
			list = append(list, v)
		}
	}
	return list
}
