package mssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"lifeboat/internal/database"
)

// Report is what Doctor found. Its lists are in order of names; empty is good.
type Report struct {
	Product       string `json:"product"`
	Version       string `json:"version"`
	Edition       string `json:"edition,omitempty"`
	Database      string `json:"database"`
	Collation     string `json:"collation"`
	Compatibility string `json:"compatibility_level"`

	SnapshotIsolation     bool `json:"snapshot_isolation"` // needed
	ReadCommittedSnapshot bool `json:"read_committed_snapshot"`

	Capture string `json:"capture"` // "not installed", "installed", "installed for another schema"
	Pending int64  `json:"pending"` // captured changes not forgotten; 0 without capture
	Fenced  string `json:"fenced,omitempty"`

	Missing    []string `json:"missing_permissions,omitempty"` // "PERMISSION on WHAT (for what)"
	Refused    []string `json:"refused,omitempty"`             // why capture cannot be installed, by name
	NotCarried []string `json:"not_carried,omitempty"`
	Warnings   []string `json:"warnings,omitempty"`
	Triggers   []string `json:"triggers,omitempty"` // the application's own

	Tables        int           `json:"tables"`
	Rows          int64         `json:"rows"`
	Bytes         int64         `json:"bytes"`          // of all rows as Lifeboat holds them, estimated from samples
	SnapshotBytes int64         `json:"snapshot_bytes"` // the same, compressed as the samples were
	SnapshotTime  time.Duration `json:"snapshot_time"`  // reading all rows at the samples' rate, in nanoseconds
}

// Ready tells whether capture can be installed and drained.
func (r *Report) Ready() bool {
	return r.SnapshotIsolation && len(r.Refused) == 0 && len(r.Missing) == 0 && r.Fenced == ""
}

// Doctor looks at the database without changing anything. It reads a sample of every
// table, for some seconds at most.
func (s *Source) Doctor(ctx context.Context) (*Report, error) {
	r := &Report{Product: s.caps.Product, Version: s.caps.Version, Edition: s.caps.Edition}
	var schema *database.Schema
	err := s.run(ctx, unit{what: "examine", do: func(ctx context.Context, tx session) error {
		*r = Report{Product: s.caps.Product, Version: s.caps.Version, Edition: s.caps.Edition}
		if err := r.settings(ctx, tx); err != nil {
			return err
		}
		c, err := readCatalog(ctx, tx, s.caps, s.views)
		if err != nil {
			return err
		}
		schema, err = c.schema(s.config.Allow)
		if errors.Is(err, database.ErrUnsupported) {
			r.Refused = strings.Split(strings.TrimPrefix(err.Error(), database.ErrUnsupported.Error()+":\n"), "\n")
			schema, err = nil, nil
		}
		if err != nil {
			return err
		}
		if err := r.permissions(ctx, tx, c); err != nil {
			return err
		}
		return r.capture(ctx, tx, s.caps, schema)
	}})
	if err != nil || schema == nil {
		return r, err
	}
	r.Tables, r.NotCarried, r.Warnings = len(schema.Tables), schema.NotCarried, warnings(s.caps, schema)
	for _, o := range schema.Objects {
		if o.Kind == "trigger" {
			r.Triggers = append(r.Triggers, o.Name+" on "+o.Table)
		}
	}
	if !r.SnapshotIsolation {
		return r, nil
	}
	return r, s.estimate(ctx, r, schema)
}

func (r *Report) settings(ctx context.Context, q querier) error {
	err := q.QueryRowContext(ctx, `SELECT d.name, COALESCE(CAST(d.collation_name AS nvarchar(128)), N''), CAST(d.compatibility_level AS nvarchar(10)),
CAST(CASE WHEN d.snapshot_isolation_state IN (1, 3) THEN 1 ELSE 0 END AS bit), d.is_read_committed_snapshot_on
FROM sys.databases AS d WHERE d.database_id = DB_ID()`).
		Scan(&r.Database, &r.Collation, &r.Compatibility, &r.SnapshotIsolation, &r.ReadCommittedSnapshot)
	if err != nil {
		return fmt.Errorf("read the database's settings: %w", err)
	}
	return nil
}

// permissions asks for what draining and installing need. An engine that does not know
// the answer counts as granting.
func (r *Report) permissions(ctx context.Context, q querier, c *catalog) error {
	need := []struct{ securable, class, permission, use string }{
		{"", "DATABASE", "SELECT", "snapshots read every table"},
		{"", "DATABASE", "VIEW DEFINITION", "the schema is part of every snapshot"},
		{"", "DATABASE", "CREATE TABLE", "install"},
		{"", "DATABASE", "CREATE SCHEMA", "install"},
	}
	for _, t := range c.Tables {
		for _, s := range c.Schemas {
			if s.ID == t.SchemaID {
				need = append(need, struct{ securable, class, permission, use string }{object{s.Name, t.Name}.SQL(), "OBJECT", "ALTER", "install creates its trigger"})
			}
		}
	}
	if slices.ContainsFunc(c.Columns, func(x columnRow) bool { return x.Mask != "" }) {
		need = append(need, struct{ securable, class, permission, use string }{"", "DATABASE", "UNMASK", "masked columns would be captured as their masks"})
	}
	for _, n := range need {
		var securable any = n.securable
		query := "SELECT HAS_PERMS_BY_NAME(@p1, '" + n.class + "', '" + n.permission + "')"
		if n.class == "DATABASE" {
			securable, query = "", "SELECT HAS_PERMS_BY_NAME(NULLIF(@p1, N''), 'DATABASE', '"+n.permission+"')"
		}
		has, err := one[sql.NullInt64](ctx, q, query, securable)
		if err != nil {
			return err
		}
		if has.Valid && has.Int64 == 0 {
			on := n.securable
			if on == "" {
				on = "the database"
			}
			r.Missing = append(r.Missing, n.permission+" on "+on+" ("+n.use+")")
		}
	}
	return nil
}

func (r *Report) capture(ctx context.Context, q querier, caps capabilities, schema *database.Schema) error {
	state, err := readState(ctx, q)
	if err != nil {
		return err
	}
	r.Capture = "not installed"
	if !state.installed {
		return nil
	}
	r.Capture = "installed for another schema"
	if schema != nil {
		if ok, err := state.fits(caps, schema); err != nil {
			return err
		} else if ok {
			r.Capture = "installed"
		}
	}
	if r.Fenced, err = one[string](ctx, q, "SELECT MAX(fenced) FROM "+schemaName+".state"); err != nil {
		return err
	}
	r.Pending, err = countPending(ctx, q, state)
	return err
}

// Samples are the first rows of each table, until both limits are met.
const (
	sampleRows = 2000
	sampleTime = 10 * time.Second
)

// estimate reads samples of every table and scales them up.
func (s *Source) estimate(ctx context.Context, r *Report, schema *database.Schema) (err error) {
	v, err := s.View(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	var sample []byte
	begun := s.config.Clock()
	var read time.Duration
	for i := range schema.Tables {
		t := &schema.Tables[i]
		rows := v.RowCount(ctx, t)
		if rows < 0 {
			if rows, err = s.countRows(ctx, t); err != nil {
				return err
			}
		}
		r.Rows += rows
		if rows == 0 || s.config.Clock().Sub(begun) > sampleTime {
			continue
		}
		n, size, from := int64(0), int64(0), s.config.Clock()
		for row, err := range v.Rows(ctx, t) {
			if err != nil {
				return err
			}
			size += int64(len(row))
			if sample = append(sample, row...); n+1 >= sampleRows {
				n++
				break
			}
			n++
		}
		took := s.config.Clock().Sub(from)
		r.Bytes += size * max(rows, n) / max(n, 1)
		read += took * time.Duration(max(rows, n)) / time.Duration(max(n, 1))
	}
	r.SnapshotTime, r.SnapshotBytes = read, r.Bytes
	if encoder, err := zstd.NewWriter(nil); err == nil && len(sample) > 0 {
		r.SnapshotBytes = int64(float64(r.Bytes) * float64(len(encoder.EncodeAll(sample, nil))) / float64(len(sample)))
	}
	return nil
}

func (s *Source) countRows(ctx context.Context, t *database.Table) (int64, error) {
	o, err := parseObject(t.Name)
	if err != nil {
		return 0, err
	}
	return one[int64](ctx, s.db, "SELECT COUNT_BIG(*) FROM "+o.SQL())
}
