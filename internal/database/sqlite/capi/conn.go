package capi

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Mode says how a database file is opened.
type Mode int32

// The modes of Open. A file that cannot be written opens read-only under ReadWrite.
const (
	ReadWrite Mode = sqlite3.SQLITE_OPEN_READWRITE
	Create    Mode = sqlite3.SQLITE_OPEN_READWRITE | sqlite3.SQLITE_OPEN_CREATE
)

// Memory is the path of a private database that is never in a file.
const Memory = ":memory:"

// Error is a failure that SQLite reported.
type Error struct {
	Code int    // extended result code
	Msg  string // SQLite's own message
}

func (e *Error) Error() string { return e.Msg }

// Primary result codes a caller may compare Code(err) with.
const (
	Generic    = sqlite3.SQLITE_ERROR // bad SQL: no such table or column, and the like
	Busy       = sqlite3.SQLITE_BUSY
	Locked     = sqlite3.SQLITE_LOCKED
	CantOpen   = sqlite3.SQLITE_CANTOPEN
	NotADB     = sqlite3.SQLITE_NOTADB
	Full       = sqlite3.SQLITE_FULL
	ReadOnly   = sqlite3.SQLITE_READONLY
	Corrupt    = sqlite3.SQLITE_CORRUPT
	Interrupt  = sqlite3.SQLITE_INTERRUPT
	Constraint = sqlite3.SQLITE_CONSTRAINT
	TooBig     = sqlite3.SQLITE_TOOBIG
	IOErr      = sqlite3.SQLITE_IOERR
)

// Code returns the primary result code of an error of this package, else 0.
func Code(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Code & 0xff
	}
	return 0
}

// Conn is one connection.
type Conn struct {
	tls *libc.TLS
	mu  sync.Mutex // guards db against Interrupt during Close
	db  uintptr
}

// pointer turns a C address into a pointer without arithmetic on Go memory: p is never
// memory of Go's heap here.
func pointer(p uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&p)) }

// Open opens the database file; the path is taken literally, not as a URI. Nothing is
// read until the first statement runs. A quoted name that there is not is an error, not
// a text, except in statements that create things.
func Open(path string, mode Mode) (*Conn, error) {
	c := &Conn{tls: libc.NewTLS()}
	name, err := libc.CString(path)
	if err != nil {
		c.tls.Close()
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	defer libc.Xfree(c.tls, name)
	out := libc.Xcalloc(c.tls, 1, libc.Tsize_t(unsafe.Sizeof(uintptr(0))))
	defer libc.Xfree(c.tls, out)
	rc := sqlite3.Xsqlite3_open_v2(c.tls, name, out, int32(mode)|sqlite3.SQLITE_OPEN_NOMUTEX|sqlite3.SQLITE_OPEN_EXRESCODE, 0)
	c.db = *(*uintptr)(pointer(out))
	if rc != sqlite3.SQLITE_OK {
		err := c.error(rc)
		return nil, errors.Join(err, c.Close())
	}
	if err := c.configure(sqlite3.SQLITE_DBCONFIG_DQS_DML, false); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Close rolls back what is open and closes the connection.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var rc int32
	if c.db != 0 {
		rc = sqlite3.Xsqlite3_close_v2(c.tls, c.db)
		c.db = 0
	}
	if c.tls != nil {
		c.tls.Close()
		c.tls = nil
	}
	if rc != sqlite3.SQLITE_OK {
		return &Error{Code: int(rc), Msg: "close failed"}
	}
	return nil
}

// Interrupt makes the statement that is running, if any, fail with code Interrupt. It
// may be called from any goroutine and after Close.
func (c *Conn) Interrupt() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.db != 0 {
		sqlite3.Xsqlite3_interrupt(nil, c.db)
	}
}

func (c *Conn) error(rc int32) error {
	if c.db == 0 {
		return &Error{Code: int(rc), Msg: libc.GoString(sqlite3.Xsqlite3_errstr(c.tls, rc))}
	}
	return &Error{Code: int(rc), Msg: libc.GoString(sqlite3.Xsqlite3_errmsg(c.tls, c.db))}
}

// Exec runs every statement of sql, which may be a script, dropping rows; the
// arguments (nil, int64, int, float64, string, []byte) belong to the first.
func (c *Conn) Exec(sql string, args ...any) error {
	for sql != "" {
		s, tail, err := c.prepare(sql, 0)
		if err != nil {
			return err
		}
		sql = tail
		if s == nil {
			continue
		}
		err = s.run(args)
		args = nil
		if err := errors.Join(err, s.Close()); err != nil {
			return err
		}
	}
	return nil
}

// Query runs the first statement of sql and calls row for each of its rows.
func (c *Conn) Query(sql string, row func(*Stmt) error, args ...any) error {
	s, _, err := c.prepare(sql, 0)
	if err != nil {
		return err
	}
	if s == nil {
		return fmt.Errorf("no statement in %q", sql)
	}
	defer s.Close() //nolint:errcheck // only repeats the error of the step
	if err := s.Bind(args...); err != nil {
		return err
	}
	for {
		more, err := s.Step()
		if err != nil || !more {
			return err
		}
		if err := row(s); err != nil {
			return err
		}
	}
}

// Changes is the number of rows that the last INSERT, UPDATE or DELETE changed.
func (c *Conn) Changes() int64 { return sqlite3.Xsqlite3_changes64(c.tls, c.db) }

// LastInsertRowID is the row id of the last row that this connection inserted.
func (c *Conn) LastInsertRowID() int64 { return sqlite3.Xsqlite3_last_insert_rowid(c.tls, c.db) }

// InTransaction tells whether a transaction is open.
func (c *Conn) InTransaction() bool { return sqlite3.Xsqlite3_get_autocommit(c.tls, c.db) == 0 }

// IsReadOnly tells whether the file could only be opened for reading.
func (c *Conn) IsReadOnly() bool {
	name, err := libc.CString("main")
	if err != nil {
		return false
	}
	defer libc.Xfree(c.tls, name)
	return sqlite3.Xsqlite3_db_readonly(c.tls, c.db, name) == 1
}

// EnableTriggers switches all triggers on or off for this connection alone.
func (c *Conn) EnableTriggers(on bool) error {
	return c.configure(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, on)
}

func (c *Conn) configure(option int32, on bool) error {
	var v int32
	if on {
		v = 1
	}
	const slot = 8 // bytes libc.VaList takes per argument
	list := libc.Xcalloc(c.tls, 2, slot)
	defer libc.Xfree(c.tls, list)
	if rc := sqlite3.Xsqlite3_db_config(c.tls, c.db, option, libc.VaList(list, v, uintptr(0))); rc != sqlite3.SQLITE_OK {
		return c.error(rc)
	}
	return nil
}

// Column is what SQLite knows of a table's column beyond its declaration.
type Column struct {
	Collation     string
	AutoIncrement bool
}

// Column describes a column of a table of the main database.
func (c *Conn) Column(table, column string) (Column, error) {
	var names [3]uintptr
	for i, s := range []string{"main", table, column} {
		p, err := libc.CString(s)
		if err != nil {
			return Column{}, err
		}
		defer libc.Xfree(c.tls, p)
		names[i] = p
	}
	const word = unsafe.Sizeof(uintptr(0))
	out := libc.Xcalloc(c.tls, 5, libc.Tsize_t(word))
	defer libc.Xfree(c.tls, out)
	rc := sqlite3.Xsqlite3_table_column_metadata(c.tls, c.db, names[0], names[1], names[2],
		out, out+word, out+2*word, out+3*word, out+4*word)
	if rc != sqlite3.SQLITE_OK {
		return Column{}, c.error(rc)
	}
	return Column{
		Collation:     libc.GoString(*(*uintptr)(pointer(out + word))),
		AutoIncrement: *(*int32)(pointer(out + 4*word)) != 0,
	}, nil
}
