package database

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
)

// Schema is everything about a database that is not a row. It is stored as JSON in the
// log and in manifests; its fingerprint tells whether anything changed. The slices are
// in a deterministic order that the engine chooses (Tables: creation order that
// satisfies dependencies, or by name; Objects: the order in which they must run).
type Schema struct {
	Engine  string   `json:"engine"` // "sqlite" or "mssql"
	Tables  []Table  `json:"tables"`
	Objects []Object `json:"objects,omitempty"`
	// Settings of the database itself that a restore must reproduce or check
	// (collation, compatibility level, page size, …).
	Settings map[string]string `json:"settings,omitempty"`
	// NotCarried names what exists in the database and is, by the user's explicit
	// choice or by nature (rowversion, computed columns), not restored from rows.
	NotCarried []string `json:"not_carried,omitempty"`
}

// Phase says when a restore runs the SQL of an object.
type Phase string

// The phases of a restore, in order.
const (
	BeforeLoad Phase = "before" // schemas, types, sequences, and the tables themselves
	AfterLoad  Phase = "after"  // indexes, keys, checks, views, procedures, triggers, users
)

// Object is one thing in a schema that is created by a statement of its own.
type Object struct {
	Kind  string `json:"kind"` // "index", "trigger", "view", …
	Name  string `json:"name"`
	Table string `json:"table,omitempty"` // the Table.Name it belongs to, if any
	Phase Phase  `json:"phase"`
	SQL   string `json:"sql"` // in the dialect of Schema.Engine, without lifeboat's own objects
}

// Table is one captured table.
type Table struct {
	// Name identifies the table everywhere: "Album" in SQLite, "dbo.Album" in SQL Server.
	Name    string   `json:"name"`
	Columns []Column `json:"columns"` // only columns that rows carry, in row order
	// Key lists positions in Columns, in key order: the primary key, else the first
	// unique index over not-null columns. Never empty.
	Key []int `json:"key"`
	// SQL creates the table in the engine's own dialect, without what is left for
	// after the load. May be empty if the engine composes it from Columns.
	SQL string `json:"sql,omitempty"`

	tag       [sha256.Size]byte // see Seal
	keyPrefix bool              // Key is 0, 1, 2, …: found without a search
}

// Column is one column that rows carry.
type Column struct {
	Name     string `json:"name"`
	Type     string `json:"type"` // as declared, complete: "nvarchar(160)", "decimal(10,2)", ""
	Nullable bool   `json:"nullable"`
	// Collation matters for text in SQL Server (code page) and for a portable restore.
	Collation string `json:"collation,omitempty"`
	// Identity: the engine numbers this column; a restore reseeds it.
	Identity bool `json:"identity,omitempty"`
	// Details an engine wants to keep (seed, increment, default, sparse, mask, …).
	Details map[string]string `json:"details,omitempty"`
}

// ErrSchema: the schema cannot be used as it is; the message names every problem.
var ErrSchema = errors.New("unusable schema")

// Seal checks the schema and computes what rows need: call it once after building or
// decoding a schema, before AppendKey or Hash. It reports all problems at once.
func (s *Schema) Seal() error {
	var problems []error
	seen := make(map[string]bool, len(s.Tables))
	for i := range s.Tables {
		t := &s.Tables[i]
		if t.Name == "" || seen[t.Name] {
			problems = append(problems, fmt.Errorf("table %q: empty or repeated name", t.Name))
		}
		seen[t.Name] = true
		if err := t.seal(); err != nil {
			problems = append(problems, err)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%w: %w", ErrSchema, errors.Join(problems...))
	}
	return nil
}

func (t *Table) seal() error {
	if len(t.Key) == 0 {
		return fmt.Errorf("table %q: no primary key and no unique not-null key", t.Name)
	}
	t.keyPrefix = true
	for i, k := range t.Key {
		if k < 0 || k >= len(t.Columns) {
			return fmt.Errorf("table %q: key position %d is outside its %d columns", t.Name, k, len(t.Columns))
		}
		t.keyPrefix = t.keyPrefix && k == i
	}
	t.tag = t.shape()
	return nil
}

// shape hashes the table's name and its version: what its rows mean (column names,
// types and collations in order). Indexes and the like may change without giving rows
// another hash.
func (t *Table) shape() [sha256.Size]byte {
	b := []byte("lifeboat row v1\x00")
	str := func(s string) { b = append(binary.AppendUvarint(b, uint64(len(s))), s...) }
	str(t.Name)
	for _, c := range t.Columns {
		str(c.Name)
		str(c.Type)
		str(c.Collation)
	}
	return sha256.Sum256(b)
}

// Version identifies what the table's rows mean: it changes when columns are added,
// removed, renamed, retyped or reordered. 16 hexadecimal digits; needs Seal.
func (t *Table) Version() string { return hex.EncodeToString(t.tag[:8]) }

// CheckRow tells whether row is one canonical value per column and nothing else.
func (t *Table) CheckRow(row []byte) error {
	for range t.Columns {
		var err error
		if _, row, err = Next(row); err != nil {
			return fmt.Errorf("row of table %s: %w", t.Name, err)
		}
	}
	if len(row) != 0 {
		return fmt.Errorf("row of table %s: %w: %d bytes after the last column", t.Name, ErrRow, len(row))
	}
	return nil
}

// Table returns the table of that name, or nil.
func (s *Schema) Table(name string) *Table {
	for i := range s.Tables {
		if s.Tables[i].Name == name {
			return &s.Tables[i]
		}
	}
	return nil
}

// Encode returns the schema's deterministic JSON.
func (s *Schema) Encode() ([]byte, error) { return json.Marshal(s) }

// DecodeSchema decodes and seals what Encode returned.
func DecodeSchema(b []byte) (*Schema, error) {
	s := new(Schema)
	if err := json.Unmarshal(b, s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSchema, err)
	}
	return s, s.Seal()
}

// Fingerprint is SHA-256 of the schema's JSON, in hexadecimal: equal if and only if
// nothing about the schema changed.
func (s *Schema) Fingerprint() (string, error) {
	b, err := s.Encode()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}
