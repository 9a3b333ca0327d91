package restore

import (
	"fmt"
	"strings"
	"time"

	"lifeboat/eventlog"
)

// Target says to which point a restore goes. The zero Target is Latest.
type Target struct {
	kind targetKind
	seq  eventlog.Seq
	time time.Time
}

type targetKind byte

const (
	latest targetKind = iota
	atSeq
	atTime
)

// Latest is the end of the log in the store that is restored from.
func Latest() Target { return Target{} }

// AtSeq is the database after exactly the transactions 1 to seq.
func AtSeq(seq eventlog.Seq) Target { return Target{kind: atSeq, seq: seq} }

// AtTime is the database after the last transaction whose time is not after t
// (inclusive, to the nanosecond, UTC).
func AtTime(t time.Time) Target { return Target{kind: atTime, time: t.UTC()} }

// ParseTarget accepts what String returns: "latest", "seq N", or RFC 3339 with an offset
// or Z and up to nine digits of a second.
func ParseTarget(s string) (Target, error) {
	if s == "latest" {
		return Latest(), nil
	}
	if number, ok := strings.CutPrefix(s, "seq "); ok {
		var seq uint64
		if _, err := fmt.Sscanf(number, "%d", &seq); err == nil && fmt.Sprint(seq) == number {
			return AtSeq(eventlog.Seq(seq)), nil
		}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return Target{}, fmt.Errorf("restore target %q is neither \"latest\" nor \"seq N\" nor an RFC 3339 time such as 2026-01-31T12:00:00.25Z", s)
	}
	return AtTime(t), nil
}

func (t Target) String() string {
	switch t.kind {
	case atSeq:
		return fmt.Sprintf("seq %d", uint64(t.seq))
	case atTime:
		return t.time.Format(time.RFC3339Nano)
	default:
		return "latest"
	}
}

// MarshalText is String, for JSON.
func (t Target) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

// UnmarshalText is ParseTarget.
func (t *Target) UnmarshalText(b []byte) (err error) { *t, err = ParseTarget(string(b)); return err }
