package mssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"lifeboat/internal/database"
)

// Target is a database that a restore fills. It is safe for concurrent use. Until
// ForgetProgress it keeps the restore's records in the database's schema lifeboat.
type Target struct {
	*server

	mu       sync.Mutex
	schema   *database.Schema // nil before Begin
	throttle throttle
}

var (
	_ database.Target   = (*Target)(nil)
	_ database.Replayer = (*Target)(nil)
)

// OpenTarget connects to an existing database for a restore. It changes nothing.
func OpenTarget(ctx context.Context, config Config) (*Target, error) {
	s, err := connect(ctx, config)
	if err != nil {
		return nil, err
	}
	t := &Target{server: s}
	err = t.run(ctx, unit{what: "look for a restore", do: func(ctx context.Context, tx session) error {
		_, schema, err := readPlan(ctx, tx)
		t.schema = schema
		return err
	}})
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return t, nil
}

// readPlan reads the restore that was begun in the database; schema is nil if none was.
func readPlan(ctx context.Context, q querier) (plan string, schema *database.Schema, err error) {
	exists, err := one[int64](ctx, q, "SELECT CAST(OBJECT_ID(N'"+schemaName+".restore_plan') AS bigint)")
	if err != nil || exists == 0 {
		return "", nil, err
	}
	var text string
	err = q.QueryRowContext(ctx, "SELECT restore_name, capture_schema FROM "+schemaName+".restore_plan").Scan(&plan, &text)
	if err != nil {
		return "", nil, fmt.Errorf("read the restore's records: %w", err)
	}
	schema, err = database.DecodeSchema([]byte(text))
	return plan, schema, err
}

// Held looks at what the database holds, and changes nothing: the plan of a restore that was
// begun there, "" if it is empty, and database.ErrNotEmpty for anything else.
func (t *Target) Held(ctx context.Context) (plan string, err error) {
	err = t.run(ctx, unit{what: "look at what is", do: func(ctx context.Context, tx session) error {
		known, schema, err := readPlan(ctx, tx)
		plan = known
		if err != nil || schema != nil {
			return err
		}
		return t.mustBeEmpty(ctx, tx)
	}})
	return plan, err
}

// Schema is the schema of the restore that was begun, nil if none was. It is shared and
// not to be changed.
func (t *Target) Schema() *database.Schema { return t.begun() }

func (t *Target) begun() *database.Schema {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.schema
}

var errNotBegun = errors.New("no restore was begun in this database")

// table is the target's own model of a table: a caller's may come from elsewhere.
func (t *Target) table(name string) (*database.Table, error) {
	s := t.begun()
	if s == nil {
		return nil, errNotBegun
	}
	if table := s.Table(name); table != nil {
		return table, nil
	}
	return nil, fmt.Errorf("table %s is not part of the restore that was begun", name)
}

// Begin implements database.Target. Everything it makes is made in one transaction.
func (t *Target) Begin(ctx context.Context, plan string, schema *database.Schema) error {
	if schema.Engine != engine {
		return fmt.Errorf("%w: a schema of engine %q cannot be restored into SQL Server", database.ErrUnsupported, schema.Engine)
	}
	text, err := schema.Encode()
	if err != nil {
		return err
	}
	own, err := database.DecodeSchema(text)
	if err != nil {
		return err
	}
	err = t.run(ctx, unit{what: "begin a restore", do: func(ctx context.Context, tx session) error {
		if err := t.lockInstall(ctx, tx); err != nil {
			return err
		}
		known, there, err := readPlan(ctx, tx)
		if err != nil {
			return err
		}
		if there != nil {
			if known != plan {
				return fmt.Errorf("%w: it holds another restore (%s): use an empty database, or finish that one", database.ErrNotEmpty, known)
			}
			own = there
			return nil
		}
		if err := t.mustBeEmpty(ctx, tx); err != nil {
			return err
		}
		if err := t.mustFit(ctx, tx, schema); err != nil {
			return err
		}
		return t.create(ctx, tx, plan, own)
	}})
	if err != nil {
		return err
	}
	t.mu.Lock()
	t.schema = own
	t.mu.Unlock()
	return t.setCompatibility(ctx, own)
}

func (t *Target) create(ctx context.Context, tx querier, plan string, schema *database.Schema) error {
	text, err := schema.Encode()
	if err != nil {
		return err
	}
	if err := exec(ctx, tx, createRestoreTables()...); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT INTO "+schemaName+".restore_plan (id, restore_name, capture_schema) VALUES (1, @p1, @p2)", plan, string(text)); err != nil {
		return err
	}
	return exec(ctx, tx, beforeLoad(schema)...)
}

// mustBeEmpty looks for objects of any kind that someone else made.
func (t *Target) mustBeEmpty(ctx context.Context, q querier) error {
	type found struct{ Kind, Name string }
	list, err := collect[found](ctx, q, `SELECT TOP (5) LOWER(REPLACE(CAST(o.type_desc AS nvarchar(60)), '_', ' ')) AS Kind, SCHEMA_NAME(o.schema_id) + N'.' + o.name AS Name
FROM sys.objects AS o WHERE o.is_ms_shipped = 0 AND o.parent_object_id = 0 AND o.type IN ('U', 'V', 'P', 'FN', 'IF', 'TF', 'SO', 'SN') ORDER BY Name`)
	if err != nil || len(list) == 0 {
		return err
	}
	return fmt.Errorf("%w: it has %s %s: create a new database", database.ErrNotEmpty, list[0].Kind, list[0].Name)
}

// mustFit checks what a database cannot change later: temporary tables, variables and
// the names of objects follow its collation.
func (t *Target) mustFit(ctx context.Context, q querier, schema *database.Schema) error {
	settings, err := readSettings(ctx, q)
	if err != nil {
		return err
	}
	if want, has := schema.Settings["collation"], settings["collation"]; want != "" && !strings.EqualFold(want, has) {
		return fmt.Errorf("%w: the database was of collation %s, this one is of %s: create it with COLLATE %s", database.ErrUnsupported, want, has, want)
	}
	return nil
}

// setCompatibility runs outside the transaction: ALTER DATABASE takes no part in one.
func (t *Target) setCompatibility(ctx context.Context, schema *database.Schema) error {
	level := schema.Settings["compatibility_level"]
	if !t.caps.alterDatabase || strings.Trim(level, "0123456789") != "" || level == "" {
		return nil
	}
	_, err := retried(ctx, t.log, "set the compatibility level", func() (struct{}, error) {
		return struct{}{}, exec(ctx, t.db, "ALTER DATABASE CURRENT SET COMPATIBILITY_LEVEL = "+level)
	})
	if err != nil {
		return t.failed("set the compatibility level of", err)
	}
	return nil
}

// Loaded implements database.Target.
func (t *Target) Loaded(ctx context.Context) (map[string]int64, error) {
	units := map[string]int64{}
	if t.begun() == nil {
		return units, nil
	}
	type row struct {
		Unit   string
		Loaded int
	}
	err := t.run(ctx, unit{what: "read the progress of the restore", do: func(ctx context.Context, tx session) error {
		rows, err := collect[row](ctx, tx, "SELECT unit AS Unit, loaded AS Loaded FROM "+schemaName+".restore_units")
		clear(units)
		for _, r := range rows {
			units[r.Unit] = int64(r.Loaded)
		}
		return err
	}})
	return units, err
}

// Workers implements database.Target.
func (t *Target) Workers() int { return t.config.Workers }

// retain is how many bytes of rows a Load keeps so that it can begin again by itself
// after a broken connection. A unit that is larger fails instead; its caller gives it
// again, as after any crash.
const retain = 32 << 20

// retained are the rows of a unit that were taken from the caller.
type retained struct {
	bytes []byte
	ends  []int
	lost  bool // there were more than retain
}

func (r *retained) add(row []byte) {
	if r.lost || len(r.bytes)+len(row) > retain {
		*r = retained{lost: true}
		return
	}
	r.bytes = append(r.bytes, row...)
	r.ends = append(r.ends, len(r.bytes))
}

func (r *retained) all() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		start := 0
		for _, end := range r.ends {
			if !yield(r.bytes[start:end], nil) {
				return
			}
			start = end
		}
	}
}

// Load implements database.Target: one bulk load and its record in one transaction.
func (t *Target) Load(ctx context.Context, name string, table *database.Table, rows iter.Seq2[[]byte, error]) (int64, error) {
	own, err := t.table(table.Name)
	if err != nil {
		return 0, err
	}
	load := &load{t: t, unit: name, table: own}
	keep := &retained{}
	next, stop := iter.Pull2(keeping(rows, keep))
	defer stop()
	n, err := load.attempt(ctx, next)
	if err != nil && transient(err) && ctx.Err() == nil {
		n, err = load.again(ctx, err, keep, next)
	}
	if err != nil {
		return 0, t.failed("load "+name+" into table "+table.Name+" of", err)
	}
	t.watchThrottle(ctx)
	return n, nil
}

// keeping passes rows on and keeps copies.
func keeping(rows iter.Seq2[[]byte, error], keep *retained) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for row, err := range rows {
			if err == nil {
				keep.add(row)
			}
			if !yield(row, err) || err != nil {
				return
			}
		}
	}
}

// load is one unit on its way into the target.
type load struct {
	t         *Target
	unit      string
	table     *database.Table
	uncertain bool // a commit was sent and its answer lost
}

// again repeats a unit whose connection broke, from the rows kept and those still to come.
func (l *load) again(ctx context.Context, cause error, keep *retained, next func() ([]byte, error, bool)) (int64, error) {
	for { // what the first attempt did not take
		row, err, ok := next()
		if !ok {
			break
		}
		if err != nil {
			return 0, err
		}
		_ = row // kept by keeping
	}
	if keep.lost {
		return 0, fmt.Errorf("the unit is too large to be sent again from memory: %w", cause)
	}
	return retried(ctx, l.t.log, "load a unit", func() (int64, error) {
		if l.uncertain {
			loaded, err := l.t.loadedUnit(ctx, l.unit)
			if err != nil || loaded >= 0 {
				return loaded, err
			}
		}
		again, stop := iter.Pull2(keep.all())
		defer stop()
		return l.attempt(ctx, again)
	})
}

// loadedUnit is the number of rows of a unit in the target, -1 if it is not there. It does
// not read a version from before a commit that may still be under way: it waits for it.
func (t *Target) loadedUnit(ctx context.Context, unit string) (int64, error) {
	n, err := one[sql.NullInt64](ctx, t.db, "SELECT MAX(loaded) FROM "+schemaName+".restore_units WITH (READCOMMITTEDLOCK) WHERE unit = @p1", unit)
	if err != nil || !n.Valid {
		return -1, err
	}
	return n.Int64, nil
}

func (l *load) attempt(ctx context.Context, next func() ([]byte, error, bool)) (n int64, err error) {
	o, err := parseObject(l.table.Name)
	if err != nil {
		return 0, err
	}
	tc, err := l.t.codecs.table(l.table)
	if err != nil {
		return 0, err
	}
	taken := func() ([]byte, error) {
		row, err, _ := next()
		return row, err
	}
	l.uncertain = false
	err = l.t.once(ctx, unit{what: "load", do: func(ctx context.Context, tx session) (err error) {
		if n, err = l.fill(ctx, filling{tx, o, newEncoder(tc)}, taken); err != nil {
			return err
		}
		err = l.record(ctx, tx, n)
		l.uncertain = err == nil // from here on the answer alone can be lost
		return err
	}})
	return n, err
}

type filling struct {
	tx   session
	into object
	e    *encoder
}

// fill writes the rows, through a staging table if need be.
func (l *load) fill(ctx context.Context, f filling, next func() ([]byte, error)) (int64, error) {
	if !f.e.tc.staged() {
		return copyIn(ctx, f.tx.conn, bulk{f.into.SQL(), f.e}, next)
	}
	if err := exec(ctx, f.tx, "DROP TABLE IF EXISTS "+stageName, f.e.tc.createStage(stageName)); err != nil {
		return 0, err
	}
	n, err := copyIn(ctx, f.tx.conn, bulk{stageName, f.e}, next)
	if err != nil {
		return 0, err
	}
	return n, exec(ctx, f.tx, f.e.insertFromStage(f.into, stageName), "DROP TABLE "+stageName)
}

const errorDuplicate = 2627 // primary key or unique constraint

func (l *load) record(ctx context.Context, tx querier, n int64) error {
	_, err := tx.ExecContext(ctx, "INSERT INTO "+schemaName+".restore_units (unit, loaded) VALUES (@p1, @p2)", l.unit, n)
	if errorNumber(err) == errorDuplicate {
		return fmt.Errorf("unit %s was loaded before: %w", l.unit, err)
	}
	return err
}

// View implements database.Target. It reads the tables as the restore's schema has them.
func (t *Target) View(ctx context.Context) (database.View, error) {
	schema := t.begun()
	if schema == nil {
		return nil, t.failed("open a view of", errNotBegun)
	}
	v, err := retried(ctx, t.log, "open a view", func() (*view, error) {
		v, err := t.begin(ctx, sql.LevelSnapshot)
		if err == nil {
			// Fails here if the database does not allow SNAPSHOT.
			_, err = one[sql.NullInt64](ctx, v.tx, "SELECT CAST(OBJECT_ID(N'"+schemaName+".state') AS bigint)")
			if err != nil {
				err = errors.Join(err, v.Close())
			}
		}
		return v, err
	})
	if err != nil {
		return nil, t.failed("open a view of", err)
	}
	v.schema, v.installed, v.lastID = schema, schema, 0
	return v, nil
}

// ForgetProgress implements database.Target. If the database has followed the log since
// it was finished, what that had taken away is made again first.
func (t *Target) ForgetProgress(ctx context.Context) error {
	if t.begun() != nil {
		if err := t.Finish(ctx, nil); err != nil {
			return err
		}
	}
	return t.run(ctx, unit{what: "forget the restore's records", do: func(ctx context.Context, tx session) error {
		for _, name := range restoreTables() {
			if err := exec(ctx, tx, "DROP TABLE IF EXISTS "+schemaName+"."+name); err != nil {
				return err
			}
		}
		return exec(ctx, tx, "IF SCHEMA_ID(N'"+schemaName+"') IS NOT NULL AND NOT EXISTS (SELECT 1 FROM sys.objects AS o WHERE o.schema_id = SCHEMA_ID(N'"+schemaName+"')) DROP SCHEMA "+schemaName)
	}})
}

// throttle is what is known of the log-rate governor.
type throttle struct {
	asked time.Time
	waits time.Duration // all workers together, since the database started
}
