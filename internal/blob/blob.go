package blob

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
)

// Errors a caller may test for with errors.Is. Stores wrap them with the name.
var (
	// ErrExists: the name is taken by other bytes. Nothing was changed.
	ErrExists = errors.New("object exists with other content")
	// ErrNotExist: no object has this name.
	ErrNotExist = errors.New("object does not exist")
	// ErrName: the name is not one a store accepts; see CheckName. Stores whose folders
	// are real also answer it to "a/b" beside an object "a".
	ErrName = errors.New("bad object name")
	// ErrEmpty: an object without bytes. None is ever stored, so a zero-length object
	// found in a store is always damage and never somebody's intention.
	ErrEmpty = errors.New("empty object")
	// ErrDamaged: the store has the object, and its bytes are not those that Create was
	// given. Stores that can tell (encryption) say so; it is permanent.
	ErrDamaged = errors.New("object is damaged")
	// ErrPermanent marks a failure that trying again cannot cure (no permission,
	// immutable, wrong account). Anything unmarked may be transient.
	ErrPermanent = errors.New("permanent")
)

// Info describes one object.
type Info struct {
	Name    string
	Size    int64     // bytes
	Created time.Time // UTC; the store's clock, good for display and for retention only
}

// Store keeps immutable objects in one region. It is safe for concurrent use, also
// by several processes.
type Store interface {
	// Create stores body under name, whole or not at all. On a nil return the bytes
	// are durable and visible to every reader. The same bytes again is nil; other
	// bytes under a taken name is ErrExists and changes nothing. Any other error
	// leaves the outcome unknown: the object is whole or absent, and calling again
	// with the same bytes is safe. An empty body is ErrEmpty. Create does not keep body.
	Create(ctx context.Context, name string, body []byte) error

	// Get reads n bytes from offset off; n < 0 reads to the end. A range that runs
	// past the end yields what there is; an off past the end yields nothing.
	// ErrNotExist may come from Get or from the first Read.
	Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, error)

	// Stat describes one object, or ErrNotExist.
	Stat(ctx context.Context, name string) (Info, error)

	// List yields the objects whose names start with prefix and sort after `after`
	// (exclusive; "" for all), in byte order of their names. An object created before
	// List began and not deleted since is always yielded. After a yielded error the
	// sequence ends.
	List(ctx context.Context, prefix, after string) iter.Seq2[Info, error]

	// Delete removes an object, for retention only. Deleting what is absent is nil.
	Delete(ctx context.Context, name string) error
}

// MaxNameLen is the longest accepted object name, in bytes. Azure takes 1,024;
// half leaves room for a container prefix.
const MaxNameLen = 512

// MaxSegmentLen is the longest accepted part between two '/', in bytes: what the
// common file systems take as a file name.
const MaxSegmentLen = 255

// CheckName refuses names that some store could not keep exactly. A name is made of
// non-empty segments joined by '/', each of the bytes a-z A-Z 0-9 . _ - and neither
// starting nor ending with a dot (Azure drops dots at the end of a segment).
func CheckName(name string) error {
	if name == "" || len(name) > MaxNameLen {
		return fmt.Errorf("%w: %q: length %d is not in 1 to %d", ErrName, name, len(name), MaxNameLen)
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment[0] == '.' || segment[len(segment)-1] == '.' {
			return fmt.Errorf("%w: %q: empty or dotted segment", ErrName, name)
		}
		if len(segment) > MaxSegmentLen {
			return fmt.Errorf("%w: %q: a segment is longer than %d bytes", ErrName, name, MaxSegmentLen)
		}
		for _, c := range []byte(segment) {
			if !nameByte(c) {
				return fmt.Errorf("%w: %q: byte %q", ErrName, name, c)
			}
		}
	}
	return nil
}

// CheckObject is what every Create asks first: CheckName, and ErrEmpty for no bytes.
func CheckObject(name string, body []byte) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if len(body) == 0 {
		return fmt.Errorf("create %s: %w", name, ErrEmpty)
	}
	return nil
}

// Permanent marks err with ErrPermanent; hint tells the person who reads it what to do.
func Permanent(err error, hint string) error {
	return &permanentError{err: err, hint: hint}
}

type permanentError struct {
	err  error
	hint string
}

func (e *permanentError) Error() string        { return e.err.Error() + " (" + e.hint + ")" }
func (e *permanentError) Unwrap() error        { return e.err }
func (e *permanentError) Is(target error) bool { return target == ErrPermanent }

func nameByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

// ErrTooLarge: the object is larger than the reader was willing to take.
var ErrTooLarge = errors.New("object larger than allowed")

// ReadAll returns the whole object, refusing more than limit bytes: sizes that come
// from a store are not to be trusted with memory.
func ReadAll(ctx context.Context, s Store, name string, limit int64) ([]byte, error) {
	r, err := s.Get(ctx, name, 0, limit+1)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(r)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(body)) > limit {
		return nil, fmt.Errorf("read %s: %w: limit %d bytes", name, ErrTooLarge, limit)
	}
	return body, nil
}
