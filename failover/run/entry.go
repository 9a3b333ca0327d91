package run

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lifeboat/failover"
	"lifeboat/internal/versioned"
)

// EntryVersion is the version of the journal's entries; a reader refuses a newer one.
const EntryVersion = 1

// Limits of a journal. The first entry holds the whole plan, the others some evidence.
const (
	maxEntry   = 8 << 20
	maxEntries = 100_000
)

// Errors a caller may test for with errors.Is.
var (
	// ErrCorrupt: the bytes are not what was written.
	ErrCorrupt = errors.New("journal entry is corrupt")
	// ErrTruncated: the object ends before its checksum.
	ErrTruncated = errors.New("journal entry is cut short")
	// ErrNewerFormat: a later release of lifeboat wrote this; use that one.
	ErrNewerFormat = errors.New("journal entry has a newer format than this lifeboat knows")
)

// Event is what an entry records.
type Event string

// The events. A run ends with Finished or Abandoned; nothing comes after those.
const (
	Opened    Event = "opened"    // entry 1: the run exists; its evidence is the Opening
	Taken     Event = "taken"     // a runner has taken the run over from the one before
	Begun     Event = "begun"     // of a step: it may have had any effect from here on
	Done      Event = "done"      // of a step: its effect is there; evidence is what was found
	Failed    Event = "failed"    // of a step: it ended with an error, which is the detail
	Stopped   Event = "stopped"   // the runner ended in order; anybody may resume
	Finished  Event = "finished"  // every step is done
	Abandoned Event = "abandoned" // somebody gave the run up, with a reason
	Turn      Event = "turn"      // of the turns alone: the run in detail may move the log
)

func (e Event) known() bool {
	switch e {
	case Opened, Taken, Begun, Done, Failed, Stopped, Finished, Abandoned, Turn:
		return true
	}
	return false
}

// OfStep reports whether the event belongs to a step.
func (e Event) OfStep() bool { return e == Begun || e == Done || e == Failed }

var entryKind = versioned.Kind{Field: "version", Known: EntryVersion, Damaged: ErrCorrupt, Newer: ErrNewerFormat}

// Entry is one object of a journal.
type Entry struct {
	Version  int               `json:"version"`
	N        uint64            `json:"n"`              // from 1, without gaps
	Prev     string            `json:"prev,omitempty"` // SHA-256 of the object before, hex; of all but the first
	Time     time.Time         `json:"time"`           // UTC; for people: nothing depends on it
	Runner   string            `json:"runner"`         // the process that wrote it: 32 hex digits, random
	By       string            `json:"by"`             // who and where, for people
	Event    Event             `json:"event"`
	Step     failover.StepName `json:"step,omitempty"`
	Detail   string            `json:"detail,omitempty"`
	Evidence json.RawMessage   `json:"evidence,omitempty"`
}

func (e *Entry) check() error {
	switch {
	case e.Version != EntryVersion || e.N == 0 || e.N > maxEntries:
		return fmt.Errorf("version %d, number %d", e.Version, e.N)
	case (e.N == 1) != (e.Prev == "") || e.Prev != "" && !isDigest(e.Prev):
		return fmt.Errorf("number %d follows %q", e.N, e.Prev)
	case !isRunner(e.Runner) || !e.Event.known():
		return fmt.Errorf("runner %q, event %q", e.Runner, e.Event)
	case e.Event.OfStep() != (e.Step != ""):
		return fmt.Errorf("event %s with step %q", e.Event, e.Step)
	case e.Time.IsZero() || e.Time.Location() != time.UTC:
		return fmt.Errorf("time %s is not UTC", e.Time)
	}
	return nil
}

func isDigest(s string) bool { return isHex(s, sha256.Size) }
func isRunner(s string) bool { return isHex(s, 16) }

func isHex(s string, size int) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == size && hex.EncodeToString(b) == s
}

// digestOf names an object by its content.
func digestOf(object []byte) string {
	sum := sha256.Sum256(object)
	return hex.EncodeToString(sum[:])
}

// encode returns the object of an entry: its canonical JSON on one line, and on the next
// the SHA-256 of that line.
func (e *Entry) encode() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // people read this text
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encode journal entry: %w", err)
	}
	b.WriteString(digestOf(b.Bytes()) + "\n")
	if b.Len() > maxEntry {
		return nil, fmt.Errorf("journal entry of %d bytes is over the limit of %d", b.Len(), maxEntry)
	}
	return b.Bytes(), nil
}

// checksumLine is how many bytes the last line has.
const checksumLine = 2*sha256.Size + 1

// decodeEntry reads an object. It accepts the one spelling that encode produces.
func decodeEntry(object []byte) (Entry, error) {
	var e Entry
	text, sum, whole := bytes.Cut(object, []byte("\n"))
	if len(object) > maxEntry {
		return e, fmt.Errorf("%w: %d bytes is over the limit of %d", ErrCorrupt, len(object), maxEntry)
	}
	if !whole || len(sum) < checksumLine {
		return e, ErrTruncated
	}
	text = object[:len(text)+1]
	if string(sum) != digestOf(text)+"\n" {
		return e, fmt.Errorf("%w: its checksum does not hold", ErrCorrupt)
	}
	e, err := versioned.Decode[Entry](entryKind, text)
	if err != nil {
		return e, err
	}
	again, err := e.encode()
	if err != nil || !bytes.Equal(again, object) {
		return e, fmt.Errorf("%w: it is not in its canonical form", ErrCorrupt)
	}
	if err := e.check(); err != nil {
		return e, fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return e, nil
}
