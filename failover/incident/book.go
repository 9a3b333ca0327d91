package incident

import (
	"context"
	"fmt"

	"lifeboat/internal/signers"
)

// Draft is what the writer of an entry says; the book adds number, link and times.
type Draft struct {
	Key   *signers.Key
	Role  string // in which the signer acts; "" = the first that may write such an entry
	Entry Entry  // At zero = now
	Files []File // attached, by their hash
}

// File is an attachment's name and bytes.
type File struct {
	Name string
	Body []byte
}

// Book is the record that the desk writes to; package record is one. An entry is durable
// when a write returns nil; an *OrderError says why one may not be added now. Safe for
// concurrent use.
type Book interface {
	// Open starts a new incident with a report, and names it.
	Open(ctx context.Context, d Draft) (Signed, error)
	// Append adds an entry to a stream.
	Append(ctx context.Context, stream string, d Draft) (Signed, error)
	// Record reads and folds everything. Damage tells what of it does not verify.
	Record(ctx context.Context) (r Record, damage []Finding, err error)
}

// Problem is what is wrong with a chain.
type Problem string

// The problems. Behind and NotCompared are no damage.
const (
	Missing     Problem = "missing"      // removed: the numbers have a gap, or the other store has it
	Altered     Problem = "altered"      // bytes or signature do not hold
	Unreadable  Problem = "unreadable"   // newer format
	Moved       Problem = "moved"        // the object holds an entry of another number or stream
	Unlinked    Problem = "unlinked"     // it does not name the object before it
	Forked      Problem = "forked"       // the stores hold two valid entries under one number
	Foreign     Problem = "foreign"      // an object that is no entry and no attachment
	Unpermitted Problem = "unpermitted"  // an entry that the policy did not allow
	Behind      Problem = "behind"       // not copied to the primary store yet
	NotCompared Problem = "not compared" // the primary store could not be read
)

// Finding is one thing wrong, with what it concerns.
type Finding struct {
	Stream  string  `json:"stream"`
	N       int     `json:"n"`     // entry; 0 = the stream
	Store   string  `json:"store"` // dr or primary; "" = both
	Problem Problem `json:"problem"`
	Detail  string  `json:"detail"`
}

func (f Finding) String() string {
	where := f.Stream
	if f.N > 0 {
		where = fmt.Sprintf("%s/%06d", f.Stream, f.N)
	}
	if f.Store != "" {
		where += " in the " + f.Store + " store"
	}
	return where + ": " + string(f.Problem) + ": " + f.Detail
}

// Damage reports whether the finding means that something is wrong, not merely late.
func (f Finding) Damage() bool { return f.Problem != Behind && f.Problem != NotCompared }
