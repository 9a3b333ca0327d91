package workload

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"
)

// Outcome is what a writer knows about a transaction.
type Outcome int

// The outcomes, in the order in which a transaction goes through them.
const (
	// Unknown: COMMIT was sent and no answer came before the loss.
	Unknown Outcome = iota
	// Committed: COMMIT was answered.
	Committed
	// Acknowledged: Ack was answered too; the user was told that it is safe.
	Acknowledged
)

// Transaction is one transaction in a writer's record.
type Transaction struct {
	Writer int
	Number int
	ID     string // as the capture knows it; "" if it cannot be told
	// Order is taken while the transaction holds its locks.
	Order     uint64
	Outcome   Outcome
	Committed time.Time // when COMMIT was answered
	Acked     time.Time
}

// image is the state of one row: a hash of what the database answered, or absence.
type image struct {
	present bool
	hash    [sha256.Size]byte
}

func (i image) String() string {
	if !i.present {
		return "no row"
	}
	return "row " + hex.EncodeToString(i.hash[:6])
}

// version is what a transaction left of a row.
type version struct {
	tx    *Transaction
	image image
}

type rowID struct {
	table string
	key   string // keyText
}

// history is all that was ever done to one row, versions by Order.
type history struct {
	key      []any
	base     image // before the first of them
	versions []version
}

// Record is what the writers know, kept outside the region that may be lost. It is safe
// for concurrent use.
type Record struct {
	mu       sync.Mutex
	rows     map[rowID]*history
	txs      []*Transaction
	order    uint64
	lost     time.Time
	evidence *bufio.Writer // nil: none
	err      error
}

// NewRecord returns an empty record that also writes what it learns to evidence, one JSON
// object a line; nil for no evidence.
func NewRecord(evidence io.Writer) *Record {
	r := &Record{rows: map[rowID]*history{}}
	if evidence != nil {
		r.evidence = bufio.NewWriter(evidence)
	}
	return r
}

// nextOrder numbers a transaction; the caller holds the database's locks on its rows.
func (r *Record) nextOrder() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.order++
	return r.order
}

// Lose marks the moment of the loss: a commit answered later was not answered.
func (r *Record) Lose(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = at
}

// touched is one row of a transaction that is about to commit.
type touched struct {
	id            rowID
	key           []any
	before, after image
}

// sent notes a transaction whose COMMIT is about to be sent. From here on its rows may or
// may not come to be.
func (r *Record) sent(tx *Transaction, rows []touched) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.txs = append(r.txs, tx)
	for _, row := range rows {
		h := r.rows[row.id]
		if h == nil {
			h = &history{key: row.key, base: row.before}
			r.rows[row.id] = h
		}
		h.versions = append(h.versions, version{tx, row.after})
		r.write(map[string]any{
			"event": "write", "writer": tx.Writer, "number": tx.Number, "tx": tx.ID, "order": tx.Order,
			"table": row.id.table, "key": row.id.key, "row": row.after.String(),
		})
	}
}

// refused takes back a transaction that the database says it did not commit.
func (r *Record) refused(tx *Transaction) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, h := range r.rows {
		h.versions = deleteVersions(h.versions, tx)
		if len(h.versions) == 0 {
			delete(r.rows, id)
		}
	}
	for i := len(r.txs) - 1; i >= 0; i-- {
		if r.txs[i] == tx {
			r.txs = append(r.txs[:i], r.txs[i+1:]...)
			break
		}
	}
	r.write(map[string]any{"event": "refused", "writer": tx.Writer, "number": tx.Number})
}

func deleteVersions(list []version, tx *Transaction) []version {
	kept := list[:0]
	for _, v := range list {
		if v.tx != tx {
			kept = append(kept, v)
		}
	}
	return kept
}

// committed notes the answer to COMMIT, unless the loss came first.
func (r *Record) committed(tx *Transaction, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.lost.IsZero() {
		return
	}
	tx.Outcome, tx.Committed = Committed, at
	r.write(map[string]any{"event": "committed", "writer": tx.Writer, "number": tx.Number, "at": at})
}

// acknowledged notes that Ack was answered for these. A commit whose answer came after
// the loss and that was nevertheless acknowledged counts as committed too.
func (r *Record) acknowledged(txs []*Transaction, at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, tx := range txs {
		if tx.Outcome == Unknown {
			tx.Committed = at
		}
		tx.Outcome, tx.Acked = Acknowledged, at
		r.write(map[string]any{"event": "acknowledged", "writer": tx.Writer, "number": tx.Number, "at": at})
	}
}

func (r *Record) write(line map[string]any) {
	if r.evidence == nil || r.err != nil {
		return
	}
	b, err := json.Marshal(line)
	if err == nil {
		_, err = r.evidence.Write(append(b, '\n'))
	}
	r.err = err
}

// Flush writes the evidence out and returns the first error in writing it.
func (r *Record) Flush() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.evidence == nil || r.err != nil {
		return r.err
	}
	return r.evidence.Flush()
}

// Counts is how many transactions there are of each outcome; each includes the next.
type Counts struct {
	Sent, Committed, Acknowledged int
}

// Counts returns the present counts.
func (r *Record) Counts() Counts {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := Counts{Sent: len(r.txs)}
	for _, tx := range r.txs {
		if tx.Outcome >= Committed {
			c.Committed++
		}
		if tx.Outcome == Acknowledged {
			c.Acknowledged++
		}
	}
	return c
}

// Transactions returns a copy of every transaction, in the order they were sent.
func (r *Record) Transactions() []Transaction {
	r.mu.Lock()
	defer r.mu.Unlock()
	list := make([]Transaction, len(r.txs))
	for i, tx := range r.txs {
		list[i] = *tx
	}
	return list
}

// keyText is a key as text, unambiguous, for maps and for people.
func keyText(key []any) string {
	b := make([]byte, 0, 32)
	for i, v := range key {
		if i > 0 {
			b = append(b, ',')
		}
		switch v := v.(type) {
		case []byte:
			b = fmt.Appendf(b, "x'%x'", v)
		case string:
			b = fmt.Appendf(b, "%q", v)
		case time.Time:
			b = v.AppendFormat(b, time.RFC3339Nano)
		default:
			b = fmt.Appendf(b, "%v", v)
		}
	}
	return string(b)
}
