package mssql

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"lifeboat/internal/database"
)

// Check implements database.Target: Finish has had the server check what it made.
func (t *Target) Check(context.Context) error { return nil }

// Finish implements database.Target. Each object is made in a transaction of its own,
// together with the record that it was, so that a Finish that was broken off goes on
// where it stopped.
func (t *Target) Finish(ctx context.Context, counters map[string]int64) error {
	schema := t.begun()
	if schema == nil {
		return t.failed("finish", errNotBegun)
	}
	exists, err := retried(ctx, t.log, "look for the restore", func() (int64, error) {
		return one[int64](ctx, t.db, "SELECT CAST(OBJECT_ID(N'"+schemaName+".restore_steps') AS bigint)")
	})
	if err != nil {
		return t.failed("finish", err)
	}
	if exists == 0 { // verified and forgotten: all was made
		return nil
	}
	for _, o := range afterLoad(schema) {
		if err := t.step(ctx, o); err != nil {
			return err
		}
	}
	if err := t.reseed(ctx, schema, counters); err != nil {
		return err
	}
	for i := range schema.Tables {
		if err := t.step(ctx, updateStatistics(t.caps, &schema.Tables[i])); err != nil {
			return err
		}
	}
	return nil
}

// step makes one object unless it was made before.
func (t *Target) step(ctx context.Context, o database.Object) error {
	begun := t.config.Clock()
	made := false
	err := t.run(ctx, unit{what: "make " + o.Kind + " " + o.Name, do: func(ctx context.Context, tx session) error {
		done, err := one[int64](ctx, tx, "SELECT COUNT_BIG(*) FROM "+schemaName+".restore_steps WHERE step = @p1", stepID(o))
		if err != nil || done > 0 {
			return err
		}
		if err := exec(ctx, tx, o.SQL); err != nil {
			return err
		}
		made = true
		_, err = tx.ExecContext(ctx, "INSERT INTO "+schemaName+".restore_steps (step) VALUES (@p1)", stepID(o))
		return err
	}})
	if err == nil && made {
		t.log.DebugContext(ctx, "made "+o.Kind, "name", o.Name, "elapsed", t.config.Clock().Sub(begun))
	}
	return err
}

// reseed sets every identity and sequence to the last number handed out: the counter, or
// what the rows hold if that is further.
func (t *Target) reseed(ctx context.Context, schema *database.Schema, counters map[string]int64) error {
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		last := counters[name]
		o, err := parseObject(name)
		if err != nil {
			return err
		}
		table := schema.Table(name)
		err = t.run(ctx, unit{what: "set the counter of " + name, do: func(ctx context.Context, tx session) error {
			if table == nil {
				return exec(ctx, tx, restartSequence(o, last))
			}
			return t.reseedIdentity(ctx, tx, table, last)
		}})
		if err != nil {
			return err
		}
	}
	return nil
}

// restartSequence sets the next number of a sequence, within its limits.
func restartSequence(o object, last int64) string {
	return fmt.Sprintf(`DECLARE @next decimal(38, 0), @text nvarchar(400);
SELECT @next = %d + CAST(increment AS decimal(38, 0)) FROM sys.sequences WHERE object_id = OBJECT_ID(%s);
SELECT @next = CASE WHEN is_cycling = 1 AND @next > CAST(maximum_value AS decimal(38, 0)) THEN CAST(minimum_value AS decimal(38, 0))
 WHEN is_cycling = 1 AND @next < CAST(minimum_value AS decimal(38, 0)) THEN CAST(maximum_value AS decimal(38, 0)) ELSE @next END
FROM sys.sequences WHERE object_id = OBJECT_ID(%s);
SET @text = N'ALTER SEQUENCE %s RESTART WITH ' + CAST(@next AS nvarchar(50));
EXEC sys.sp_executesql @text`, last, literal(o.SQL()), literal(o.SQL()), strings.ReplaceAll(o.SQL(), "'", "''"))
}

func (t *Target) reseedIdentity(ctx context.Context, tx querier, table *database.Table, last int64) error {
	at := slices.IndexFunc(table.Columns, func(c database.Column) bool { return c.Identity })
	if at < 0 {
		return fmt.Errorf("table %s has no identity column", table.Name)
	}
	o, err := parseObject(table.Name)
	if err != nil {
		return err
	}
	var increment int64 = 1
	if text := table.Columns[at].Details[detailIncrement]; text != "" {
		if _, err := fmt.Sscan(text, &increment); err != nil {
			return fmt.Errorf("increment %q of table %s: %w", text, table.Name, err)
		}
	}
	furthest := "MAX"
	if increment < 0 {
		furthest = "MIN"
	}
	held, err := one[sql.NullInt64](ctx, tx, "SELECT CAST("+furthest+"("+quote(table.Columns[at].Name)+") AS bigint) FROM "+o.SQL())
	if err != nil {
		return err
	}
	if held.Valid && (increment > 0) == (held.Int64 > last) {
		last = held.Int64
	}
	seed := last
	if !held.Valid && t.caps.reseedVirgin {
		seed += increment // a table that never had a row begins with the number it is given
	}
	return exec(ctx, tx, fmt.Sprintf("DBCC CHECKIDENT (%s, RESEED, %d) WITH NO_INFOMSGS", plainLiteral(o.SQL()), seed))
}

// plainLiteral is a literal without N where none is needed: not every DBCC takes it.
func plainLiteral(s string) string {
	if isASCII([]byte(s)) {
		return strings.TrimPrefix(literal(s), "N")
	}
	return literal(s)
}

// updateStatistics refreshes those of a table that were made before it had rows.
func updateStatistics(caps capabilities, t *database.Table) database.Object {
	o := database.Object{Kind: "statistics", Name: t.Name, SQL: "SELECT 1"}
	if name, err := parseObject(t.Name); err == nil && caps.updateStatistics {
		o.SQL = "UPDATE STATISTICS " + name.SQL()
	}
	return o
}

// throttleInterval is how often the governor is asked about.
const throttleInterval = 10 * time.Second

// governorSQL sums the waits for the log-rate governor, in milliseconds since the
// database started.
const governorSQL = `SELECT CAST(COALESCE(SUM(w.wait_time_ms), 0) AS bigint) FROM sys.dm_db_wait_stats AS w WHERE w.wait_type LIKE '%LOG_RATE%'`

// watchThrottle reports when Azure SQL holds the load back: then a larger service tier,
// not a faster client, makes a restore shorter.
func (t *Target) watchThrottle(ctx context.Context) {
	now := t.config.Clock()
	t.mu.Lock()
	due := t.caps.azure && now.Sub(t.throttle.asked) >= throttleInterval
	before := t.throttle
	if due {
		t.throttle.asked = now
	}
	t.mu.Unlock()
	if !due {
		return
	}
	ms, err := one[int64](ctx, t.db, governorSQL)
	if err != nil {
		t.log.DebugContext(ctx, "cannot see the waits for the log-rate governor", "err", err)
		return
	}
	waits := time.Duration(ms) * time.Millisecond
	t.mu.Lock()
	t.throttle.waits = waits
	t.mu.Unlock()
	if more := waits - before.waits; more > 0 && !before.asked.IsZero() {
		t.log.InfoContext(ctx, "the log-rate governor held the restore back; a larger service tier loads faster",
			"wait", more, "elapsed", now.Sub(before.asked), "workers", t.config.Workers)
	}
}

// Throttled is how long all sessions together have waited for the log-rate governor since
// the database started, as of the last few seconds of loading; zero where there is none.
func (t *Target) Throttled() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.throttle.waits
}
