package eventlog

import (
	"time"

	"lifeboat/internal/database"
)

// Note is a remark of the writer about itself, kept in the log.
type Note struct {
	Kind string `json:"kind"` // NoteDegraded, NoteHealed, or the caller's own
	Text string `json:"text"`
}

// Kinds of notes that the Writer makes.
const (
	NoteDegraded = "degraded" // from here on the mirror lags
	NoteHealed   = "healed"   // the mirror holds everything before this
)

// Transaction is what one database transaction committed. It is never split.
type Transaction struct {
	Seq     Seq
	Time    time.Time // UTC
	TxID    string    // the database's own id
	Changes []database.Change
}

// Event is one record of the log. Exactly one of Tx, Schema and Note is not nil. Only
// transactions consume a Seq: for the others Seq is that of the last transaction before.
type Event struct {
	Seq    Seq
	Time   time.Time // UTC
	Tx     *Transaction
	Schema *database.Schema
	Note   *Note
}

// Pending is a transaction that has no Seq yet.
type Pending struct {
	TxID    string
	Time    time.Time // zero: now. The log moves it forward if it is before the last one.
	Changes []database.Change
}

// Batch is appended whole: all of it is in one segment, so after a crash the log has
// either all of it or nothing.
type Batch struct {
	// Schema is in force for the transactions of this batch and all later ones. Nil: unchanged.
	Schema *database.Schema
	// Note comes after Schema and before Transactions.
	Note         *Note
	Transactions []Pending
	// ChangeIDs are the captured changes that this batch takes; see Writer.Outstanding.
	ChangeIDs []int64
}
