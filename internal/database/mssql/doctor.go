package mssql

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"

	"lifeboat/internal/database"
)

var _ database.Doctor = (*Source)(nil)

// Doctor implements database.Doctor. It reads a sample of every table, for some seconds
// at most.
func (s *Source) Doctor(ctx context.Context) (*database.Report, error) {
	var x *examination
	err := s.run(ctx, unit{what: "examine", do: func(ctx context.Context, tx session) error {
		x = &examination{Report: database.Report{Product: s.caps.Product, Version: s.caps.Version, Edition: s.caps.Edition}, q: tx}
		return x.look(ctx, s)
	}})
	if err != nil {
		return nil, err
	}
	r := &x.Report
	if x.schema == nil || !x.snapshots {
		return r, nil
	}
	return r, s.estimate(ctx, r)
}

// examination is a report on its way, in one transaction.
type examination struct {
	database.Report
	q         querier
	schema    *database.Schema // nil: it holds what cannot be captured
	snapshots bool             // SNAPSHOT isolation is allowed
}

func (x *examination) look(ctx context.Context, s *Source) error {
	if err := x.settings(ctx); err != nil {
		return err
	}
	c, err := readCatalog(ctx, x.q, s.caps, s.views)
	if err != nil {
		return err
	}
	x.schema, err = c.schema(s.config.Allow)
	if errors.Is(err, database.ErrUnsupported) {
		x.Refused = strings.Split(strings.TrimPrefix(err.Error(), database.ErrUnsupported.Error()+":\n"), "\n")
		x.schema, err = nil, nil
	}
	if err != nil {
		return err
	}
	if schema := x.schema; schema != nil {
		x.Tables, x.NotCarried, x.Warnings = len(schema.Tables), schema.NotCarried, warnings(s.caps, schema)
		for _, o := range schema.Objects {
			if o.Kind == "trigger" {
				x.Triggers = append(x.Triggers, o.Name+" on "+o.Table)
			}
		}
	}
	if err := x.capture(ctx, s.caps); err != nil {
		return err
	}
	return x.permissions(ctx, c)
}

func (x *examination) settings(ctx context.Context) error {
	var collation, level string
	var committed bool
	err := x.q.QueryRowContext(ctx, `SELECT d.name, COALESCE(CAST(d.collation_name AS nvarchar(128)), N''), CAST(d.compatibility_level AS nvarchar(10)),
CAST(CASE WHEN d.snapshot_isolation_state IN (1, 3) THEN 1 ELSE 0 END AS bit), d.is_read_committed_snapshot_on
FROM sys.databases AS d WHERE d.database_id = DB_ID()`).
		Scan(&x.Database, &collation, &level, &x.snapshots, &committed)
	if err != nil {
		return fmt.Errorf("read the database's settings: %w", err)
	}
	x.Settings = map[string]string{
		"collation": collation, "compatibility_level": level,
		"snapshot_isolation": strings.ToLower(onOff(x.snapshots)), "read_committed_snapshot": strings.ToLower(onOff(committed)),
	}
	if !x.snapshots {
		x.Blocked = append(x.Blocked, errSnapshotOff.Error())
	}
	return nil
}

// permission is one that a part of the work needs.
type permission struct {
	class, name string
	on          string // quoted; "": the database
	use         string
	installing  bool // only Install needs it
}

// String is what an operator reads.
func (p permission) String() string {
	return p.name + " on " + cmp.Or(p.on, "the database") + " (" + p.use + ")"
}

// needed are the permissions that snapshots, draining and installing need.
func (x *examination) needed(c *catalog, installed bool) []permission {
	need := []permission{
		{"DATABASE", "SELECT", "", "snapshots read every table", false},
		{"DATABASE", "VIEW DEFINITION", "", "the schema is part of every snapshot", false},
		{"DATABASE", "CREATE TABLE", "", "install", true},
		{"DATABASE", "CREATE SCHEMA", "", "install", true},
	}
	schemas := map[int]string{}
	for _, s := range c.Schemas {
		schemas[s.ID] = s.Name
	}
	for _, t := range c.Tables {
		if schema, ok := schemas[t.SchemaID]; ok && !strings.EqualFold(schema, schemaName) {
			need = append(need, permission{"OBJECT", "ALTER", object{schema, t.Name}.SQL(), "install makes its trigger", true})
		}
	}
	if slices.ContainsFunc(c.Columns, func(k columnRow) bool { return k.Mask != "" }) {
		need = append(need, permission{"DATABASE", "UNMASK", "", "masked columns would be captured as their masks", false})
	}
	if installed {
		need = append(need, permission{"SCHEMA", "DELETE", schemaName, "what is in the log is deleted from the change tables", false},
			permission{"OBJECT", "UPDATE", schemaName + ".state", "a takeover fences the database", false})
	}
	return need
}

// permissions asks for what is needed. An engine that does not know the answer counts as
// granting. Where capture is in place, installing can wait: that is a warning.
func (x *examination) permissions(ctx context.Context, c *catalog) error {
	for _, p := range x.needed(c, x.Capture != notInstalled) {
		query, args := "SELECT HAS_PERMS_BY_NAME(NULL, 'DATABASE', @p1)", []any{p.name}
		if p.class != "DATABASE" {
			query, args = "SELECT HAS_PERMS_BY_NAME(@p1, '"+p.class+"', @p2)", []any{p.on, p.name}
		}
		has, err := one[sql.NullInt64](ctx, x.q, query, args...)
		switch {
		case err != nil:
			return err
		case !has.Valid || has.Int64 != 0:
		case p.installing && x.Capture == installedAndFits:
			x.Warnings = append(x.Warnings, "after the next change of schema capture must be installed by someone else: missing "+p.String())
		default:
			x.Missing = append(x.Missing, p.String())
		}
	}
	return nil
}

// What a report says of capture.
const (
	notInstalled     = "not installed"
	installedAndFits = "installed"
	installedOther   = "installed for another schema"
)

func (x *examination) capture(ctx context.Context, caps capabilities) error {
	state, err := readState(ctx, x.q)
	if err != nil {
		return err
	}
	x.Capture = notInstalled
	if !state.installed {
		return nil
	}
	x.Capture = installedOther
	if x.schema != nil {
		if ok, err := state.fits(caps, x.schema); err != nil {
			return err
		} else if ok {
			x.Capture = installedAndFits
		}
	}
	if x.Fenced, err = one[string](ctx, x.q, "SELECT MAX(fenced) FROM "+schemaName+".state"); err != nil {
		return err
	}
	x.Pending, err = countPending(ctx, x.q, state)
	return err
}

// estimate reads samples of every table.
func (s *Source) estimate(ctx context.Context, r *database.Report) (err error) {
	v, err := s.View(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	return r.Estimate(ctx, v, func(t *database.Table) (int64, error) {
		if n := v.RowCount(ctx, t); n >= 0 {
			return n, nil
		}
		return s.countRows(ctx, t)
	}, s.config.Clock)
}

func (s *Source) countRows(ctx context.Context, t *database.Table) (int64, error) {
	o, err := parseObject(t.Name)
	if err != nil {
		return 0, err
	}
	return one[int64](ctx, s.db, "SELECT COUNT_BIG(*) FROM "+o.SQL())
}
