package mssql

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"lifeboat/internal/database"
)

// Source is a database to protect. It is safe for concurrent use.
type Source struct {
	*server

	mu    sync.Mutex
	known *known
}

var _ database.Source = (*Source)(nil)

// Open connects to the database and finds out what its server can do. It changes nothing.
func Open(ctx context.Context, config Config) (*Source, error) {
	s, err := connect(ctx, config)
	if err != nil {
		return nil, err
	}
	return &Source{server: s}, nil
}

// Close ends all sessions. Views must have been closed.
func (s *server) Close() error { return s.db.Close() }

// installLocks keeps an install from holding up the application: it gives way in a
// deadlock and does not wait long for a table (milliseconds); the whole is tried again.
const installLocks = "SET DEADLOCK_PRIORITY LOW; SET LOCK_TIMEOUT 10000"

// lockInstall lets one Install, Remove or Begin run at a time.
func (s *server) lockInstall(ctx context.Context, tx querier) error {
	if err := exec(ctx, tx, installLocks); err != nil || !s.caps.appLock {
		return err
	}
	return exec(ctx, tx, "DECLARE @got int; EXEC @got = sys.sp_getapplock @Resource = N'"+schemaName+"', @LockMode = 'Exclusive', @LockOwner = 'Transaction', @LockTimeout = 60000; "+
		"IF @got < 0 THROW 51209, N'another lifeboat is changing this database', 1")
}

// Install implements database.Source.
func (s *Source) Install(ctx context.Context) (*database.Schema, error) {
	var installed *database.Schema
	err := s.run(ctx, unit{what: "install capture", do: func(ctx context.Context, tx session) error {
		if err := s.lockInstall(ctx, tx); err != nil {
			return err
		}
		schema, state, err := s.readBoth(ctx, tx)
		if err != nil {
			return err
		}
		plan, err := state.plan(s.caps, schema)
		if err != nil {
			return err
		}
		installed = schema
		if err := exec(ctx, tx, plan...); err != nil {
			return err
		}
		if len(plan) > 0 {
			err = s.orderTriggers(ctx, tx, schema)
		}
		if err == nil && len(state.generations) > 0 {
			err = dropForgotten(ctx, tx)
		}
		return err
	}})
	s.forgetKnown()
	return installed, err
}

func (s *server) readBoth(ctx context.Context, q querier) (*database.Schema, *captureState, error) {
	schema, err := s.readSchema(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	state, err := readState(ctx, q)
	return schema, state, err
}

func (s *Source) forgetKnown() {
	s.mu.Lock()
	s.known = nil
	s.mu.Unlock()
}

// orderTriggers puts our triggers first where that place is free.
func (s *Source) orderTriggers(ctx context.Context, q querier, schema *database.Schema) error {
	if !s.caps.triggerOrder {
		return nil
	}
	taken := map[string]bool{}
	for _, o := range schema.Objects {
		if o.Kind == "trigger state" && strings.Contains(o.SQL, "@order = 'First'") {
			taken[o.Table] = true
		}
	}
	for _, g := range triggers(schema) {
		if taken[g.table.Name] {
			continue
		}
		o, err := parseObject(g.table.Name)
		if err != nil {
			return err
		}
		if err := exec(ctx, q, orderTrigger(o)...); err != nil {
			return err
		}
	}
	return nil
}

// dropForgotten drops the generations before the current one that have no changes left,
// and the change tables that no generation needs.
func dropForgotten(ctx context.Context, q querier) error {
	state, err := readState(ctx, q)
	if err != nil {
		return err
	}
	for len(state.generations) > 1 {
		pending, err := pendingUpTo(ctx, q, state, state.generations[0].lastID)
		if err != nil {
			return err
		}
		if pending {
			return nil
		}
		old := state.generations[0]
		state.generations = state.generations[1:]
		if err := exec(ctx, q, fmt.Sprintf("DELETE FROM %s.installed WHERE generation = %d", schemaName, old.number)); err != nil {
			return err
		}
		if err := dropUnused(ctx, q, state, old.schema); err != nil {
			return err
		}
	}
	return nil
}

func dropUnused(ctx context.Context, q querier, state *captureState, old *database.Schema) error {
	used := state.changeTables()
	for i := range old.Tables {
		name := changeTable(&old.Tables[i])
		if !state.tables[strings.ToLower(name)] || slices.ContainsFunc(used, func(c changeSource) bool { return strings.EqualFold(c.name, name) }) {
			continue
		}
		if err := exec(ctx, q, "DROP TABLE "+schemaName+"."+quote(name)); err != nil {
			return err
		}
	}
	return nil
}

// pendingUpTo tells whether a change with an id up to last has not been forgotten.
func pendingUpTo(ctx context.Context, q querier, state *captureState, last int64) (bool, error) {
	tables := state.changeTables()
	if len(tables) == 0 {
		return false, nil
	}
	var parts []string
	for _, t := range tables {
		parts = append(parts, fmt.Sprintf("SELECT MIN(lifeboat_id) AS id FROM %s WHERE lifeboat_id <= %d", t.sql(), last))
	}
	n, err := one[int64](ctx, q, "SELECT COUNT_BIG(x.id) FROM ("+strings.Join(parts, " UNION ALL ")+") AS x")
	return n > 0, err
}

// InstallPlan implements database.Source.
func (s *Source) InstallPlan(ctx context.Context) (statements, warned []string, err error) {
	err = s.run(ctx, unit{what: "plan capture", do: func(ctx context.Context, tx session) error {
		schema, state, err := s.readBoth(ctx, tx)
		if err != nil {
			return err
		}
		if statements, err = state.plan(s.caps, schema); err != nil || len(statements) == 0 {
			return err
		}
		if s.caps.triggerOrder {
			for _, g := range triggers(schema) {
				if o, err := parseObject(g.table.Name); err == nil {
					statements = append(statements, orderTrigger(o)...)
				}
			}
		}
		warned = warnings(s.caps, schema)
		return nil
	}})
	return statements, warned, err
}

// Remove implements database.Source.
func (s *Source) Remove(ctx context.Context, discard bool) error {
	err := s.run(ctx, unit{what: "remove capture", do: func(ctx context.Context, tx session) error {
		if err := s.lockInstall(ctx, tx); err != nil {
			return err
		}
		state, err := readState(ctx, tx)
		if err != nil {
			return err
		}
		// Triggers first: their tables are locked then, and no change comes after the count.
		for _, t := range state.triggers {
			if err := exec(ctx, tx, "DROP TRIGGER "+t.Name); err != nil {
				return err
			}
		}
		if pending, err := countPending(ctx, tx, state); err != nil {
			return err
		} else if pending > 0 && !discard {
			return fmt.Errorf("%d captured changes are not in the log yet: drain first, or discard them", pending)
		}
		return dropAll(ctx, tx, state)
	}})
	s.forgetKnown()
	return err
}

// dropAll drops what Install made. A restore's own records, which share the schema, stay.
func dropAll(ctx context.Context, q querier, state *captureState) error {
	type tableName struct{ Name string }
	tables, err := collect[tableName](ctx, q, "SELECT o.name AS Name FROM sys.tables AS o WHERE SCHEMA_NAME(o.schema_id) = '"+schemaName+"'")
	if err != nil {
		return err
	}
	kept := 0
	for _, t := range tables {
		if slices.Contains(restoreTables(), strings.ToLower(t.Name)) {
			kept++
			continue
		}
		if err := exec(ctx, q, "DROP TABLE "+schemaName+"."+quote(t.Name)); err != nil {
			return err
		}
	}
	if !state.installed {
		return nil
	}
	if err := exec(ctx, q, "DROP SEQUENCE "+schemaName+".change_id"); err != nil || kept > 0 {
		return err
	}
	return exec(ctx, q, "DROP SCHEMA "+schemaName)
}

func countPending(ctx context.Context, q querier, state *captureState) (int64, error) {
	tables := state.changeTables()
	if len(tables) == 0 {
		return 0, nil
	}
	var parts []string
	for _, t := range tables {
		parts = append(parts, "SELECT COUNT_BIG(*) AS n FROM "+t.sql())
	}
	return one[int64](ctx, q, "SELECT CAST(SUM(x.n) AS bigint) FROM ("+strings.Join(parts, " UNION ALL ")+") AS x")
}

// Pending implements database.Source.
func (s *Source) Pending(ctx context.Context) (n int64, err error) {
	err = s.run(ctx, unit{what: "count captured changes", do: func(ctx context.Context, tx session) error {
		state, err := readState(ctx, tx)
		if err != nil {
			return err
		}
		if !state.installed {
			return database.ErrNotInstalled
		}
		n, err = countPending(ctx, tx, state)
		return err
	}})
	return n, err
}

// Fence implements database.Source. It waits for transactions that have written already.
func (s *Source) Fence(ctx context.Context, reason string) error {
	return s.run(ctx, unit{what: "fence", do: func(ctx context.Context, tx session) error {
		state, err := readState(ctx, tx)
		if err != nil {
			return err
		}
		if !state.installed {
			return database.ErrNotInstalled
		}
		if r := []rune(reason); len(r) > 1000 {
			reason = string(r[:1000])
		}
		_, err = tx.ExecContext(ctx, "UPDATE "+schemaName+".state SET fenced = NULLIF(@p1, N'') WHERE id = 1", reason)
		return err
	}})
}
