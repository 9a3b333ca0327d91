package capi

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Kind is the storage class of a value.
type Kind int32

// The storage classes.
const (
	Integer Kind = sqlite3.SQLITE_INTEGER
	Float   Kind = sqlite3.SQLITE_FLOAT
	Text    Kind = sqlite3.SQLITE_TEXT
	Blob    Kind = sqlite3.SQLITE_BLOB
	Null    Kind = sqlite3.SQLITE_NULL
)

// Stmt is one prepared statement. Parameters count from 1, columns from 0, as in SQLite.
type Stmt struct {
	c    *Conn
	p    uintptr
	busy bool // stepped and not reset

	// Bound texts and blobs are copied here once, so that SQLite need not copy them
	// and none of Go's memory is handed out.
	block uintptr   // of blockSize bytes, 0 until needed
	used  int       // of block
	extra []uintptr // blocks of their own for what does not fit
}

// blockSize holds the values of a batch of ordinary rows, in bytes.
const blockSize = 64 << 10

// Prepare compiles one statement to be used many times. What follows it must be blank.
func (c *Conn) Prepare(sql string) (*Stmt, error) {
	s, tail, err := c.prepare(sql, sqlite3.SQLITE_PREPARE_PERSISTENT)
	if err != nil {
		return nil, err
	}
	if s == nil {
		return nil, fmt.Errorf("no statement in %q", sql)
	}
	if strings.Trim(tail, " \t\n;") != "" {
		return nil, fmt.Errorf("more than one statement in %q: %w", sql, s.Close())
	}
	return s, nil
}

func (c *Conn) prepare(sql string, flags uint32) (*Stmt, string, error) {
	text, err := libc.CString(sql)
	if err != nil {
		return nil, "", err
	}
	defer libc.Xfree(c.tls, text)
	const word = unsafe.Sizeof(uintptr(0))
	out := libc.Xcalloc(c.tls, 2, libc.Tsize_t(word))
	defer libc.Xfree(c.tls, out)
	if rc := sqlite3.Xsqlite3_prepare_v3(c.tls, c.db, text, -1, flags, out, out+word); rc != sqlite3.SQLITE_OK {
		return nil, "", c.error(rc)
	}
	tail := libc.GoString(*(*uintptr)(pointer(out + word)))
	p := *(*uintptr)(pointer(out))
	if p == 0 { // blank or a comment
		return nil, tail, nil
	}
	return &Stmt{c: c, p: p}, tail, nil
}

// Close frees the statement. A failure that Step reported is not reported again.
func (s *Stmt) Close() error {
	if s.p != 0 {
		sqlite3.Xsqlite3_finalize(s.c.tls, s.p)
		s.p = 0
	}
	s.Rewind()
	if s.block != 0 {
		libc.Xfree(s.c.tls, s.block)
		s.block = 0
	}
	return nil
}

func (s *Stmt) run(args []any) error {
	if err := s.Bind(args...); err != nil {
		return err
	}
	for {
		if more, err := s.Step(); err != nil || !more {
			return err
		}
	}
}

// Exec binds the arguments, runs the statement to its end and resets it.
func (s *Stmt) Exec(args ...any) error {
	err := s.run(args)
	s.Reset()
	return err
}

// Step runs to the next row; false when there is none. After false or an error the
// statement is reset.
func (s *Stmt) Step() (bool, error) {
	s.busy = true
	switch rc := sqlite3.Xsqlite3_step(s.c.tls, s.p); rc {
	case sqlite3.SQLITE_ROW:
		return true, nil
	case sqlite3.SQLITE_DONE:
		s.Reset()
		return false, nil
	default:
		err := s.c.error(rc)
		s.Reset()
		return false, err
	}
}

// Reset ends the run, keeping what is bound.
func (s *Stmt) Reset() {
	if s.busy {
		sqlite3.Xsqlite3_reset(s.c.tls, s.p)
		s.busy = false
	}
}

// Bind binds parameters 1, 2, … to nil, int, int64, float64, string or []byte values.
func (s *Stmt) Bind(args ...any) error {
	s.Rewind()
	for i, a := range args {
		var err error
		switch v := a.(type) {
		case nil:
			err = s.BindNull(i + 1)
		case int:
			err = s.BindInt64(i+1, int64(v))
		case int64:
			err = s.BindInt64(i+1, v)
		case float64:
			err = s.BindFloat(i+1, v)
		case string:
			err = s.BindText(i+1, unsafe.Slice(unsafe.StringData(v), len(v)))
		case []byte:
			err = s.BindBlob(i+1, v)
		default:
			err = fmt.Errorf("cannot bind a %T", a)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Rewind resets the statement and takes back the memory of bound texts and blobs: call
// it before binding the next row, and bind every parameter again.
func (s *Stmt) Rewind() {
	s.Reset()
	s.used = 0
	for _, p := range s.extra {
		libc.Xfree(s.c.tls, p)
	}
	s.extra = s.extra[:0]
}

// store copies b to C memory that stays until Rewind. An empty b has an address too:
// without one SQLite would take it for NULL.
func (s *Stmt) store(b []byte) (uintptr, error) {
	if s.block == 0 {
		if s.block = libc.Xmalloc(s.c.tls, blockSize); s.block == 0 {
			return 0, errNoMemory
		}
	}
	p := s.block + uintptr(s.used)
	if len(b) > blockSize-1-s.used {
		if p = libc.Xmalloc(s.c.tls, libc.Tsize_t(len(b))); p == 0 {
			return 0, errNoMemory
		}
		s.extra = append(s.extra, p)
	} else {
		s.used += len(b)
	}
	if len(b) > 0 {
		copy(unsafe.Slice((*byte)(pointer(p)), len(b)), b)
	}
	return p, nil
}

var errNoMemory = errors.New("out of memory outside of Go's heap")

func (s *Stmt) check(rc int32) error {
	if rc != sqlite3.SQLITE_OK {
		return s.c.error(rc)
	}
	return nil
}

// BindNull binds NULL.
func (s *Stmt) BindNull(i int) error {
	return s.check(sqlite3.Xsqlite3_bind_null(s.c.tls, s.p, int32(i)))
}

// BindInt64 binds an INTEGER.
func (s *Stmt) BindInt64(i int, v int64) error {
	return s.check(sqlite3.Xsqlite3_bind_int64(s.c.tls, s.p, int32(i), v))
}

// BindFloat binds a REAL; SQLite takes NaN for NULL.
func (s *Stmt) BindFloat(i int, v float64) error {
	return s.check(sqlite3.Xsqlite3_bind_double(s.c.tls, s.p, int32(i), v))
}

// BindText binds a TEXT of any bytes, copied.
func (s *Stmt) BindText(i int, b []byte) error {
	p, err := s.store(b)
	if err != nil {
		return err
	}
	return s.check(sqlite3.Xsqlite3_bind_text(s.c.tls, s.p, int32(i), p, int32(len(b)), 0))
}

// BindBlob binds a BLOB, copied.
func (s *Stmt) BindBlob(i int, b []byte) error {
	p, err := s.store(b)
	if err != nil {
		return err
	}
	return s.check(sqlite3.Xsqlite3_bind_blob(s.c.tls, s.p, int32(i), p, int32(len(b)), 0))
}

// Kind is the storage class of a column of the current row.
func (s *Stmt) Kind(i int) Kind { return Kind(sqlite3.Xsqlite3_column_type(s.c.tls, s.p, int32(i))) }

// Int64 is an INTEGER column.
func (s *Stmt) Int64(i int) int64 { return sqlite3.Xsqlite3_column_int64(s.c.tls, s.p, int32(i)) }

// Float is a REAL column.
func (s *Stmt) Float(i int) float64 { return sqlite3.Xsqlite3_column_double(s.c.tls, s.p, int32(i)) }

// Bytes are the bytes of a TEXT or BLOB column as the file has them: a TEXT is in the
// database's encoding. They are SQLite's memory, valid until the next Step or Reset.
func (s *Stmt) Bytes(i int) []byte {
	p := sqlite3.Xsqlite3_column_blob(s.c.tls, s.p, int32(i))
	n := sqlite3.Xsqlite3_column_bytes(s.c.tls, s.p, int32(i))
	if p == 0 || n == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(pointer(p)), int(n))
}

// Text is a column as UTF-8 text, copied.
func (s *Stmt) Text(i int) string {
	p := sqlite3.Xsqlite3_column_text(s.c.tls, s.p, int32(i))
	n := sqlite3.Xsqlite3_column_bytes(s.c.tls, s.p, int32(i))
	if p == 0 || n == 0 {
		return ""
	}
	return string(unsafe.Slice((*byte)(pointer(p)), int(n)))
}
