package mssql

import (
	"bytes"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"lifeboat/internal/database"
)

// Following the log needs a database whose foreign keys and triggers stand aside: the
// changes of a transaction are applied net, in no order that a foreign key could follow,
// and the application's triggers have had their effect already. SetPosition takes them
// away, in the transaction that sets the position; Finish, which remembers each object
// it made, makes them again, foreign keys checked against every row. In between the
// database is for reading only.

// undo is the statement that takes away what Finish made; "" = it does not stand in the way.
func undo(o database.Object) (string, error) {
	table, err := parseObject(o.Table)
	if o.Table == "" || err != nil {
		return "", nil //nolint:nilerr // what belongs to no table stands in nobody's way
	}
	switch o.Kind {
	case "foreign key":
		name, err := lastPart(o.Name)
		return "ALTER TABLE " + table.SQL() + " DROP CONSTRAINT " + quote(name), err
	case "trigger":
		trigger, err := parseObject(o.Name)
		return "DROP TRIGGER " + trigger.SQL(), err
	case "system versioning":
		if !strings.HasSuffix(o.Name, " 1") { // one undoes all three
			return "SELECT 1", nil
		}
		return "ALTER TABLE " + table.SQL() + " SET (SYSTEM_VERSIONING = OFF); ALTER TABLE " + table.SQL() + " DROP PERIOD FOR SYSTEM_TIME", nil
	case "foreign key state", "trigger state":
		return "SELECT 1", nil // gone with what it belongs to
	}
	return "", nil
}

// lastPart is the last part of schema.table.part.
func lastPart(name string) (string, error) {
	rest := name
	for {
		part, more, ok := cutPart(rest)
		if !ok {
			return "", fmt.Errorf("%q is not a name", name)
		}
		if more == "" {
			return part, nil
		}
		rest = strings.TrimPrefix(more, ".")
	}
}

var errNotFollowing = errors.New("the position is not known: set it first")

// Position implements database.Replayer.
func (t *Target) Position(ctx context.Context) (seq uint64, ok bool, err error) {
	err = t.run(ctx, unit{what: "read the position", do: func(ctx context.Context, tx session) error {
		exists, err := one[int64](ctx, tx, "SELECT CAST(OBJECT_ID(N'"+schemaName+".restore_position') AS bigint)")
		if err != nil || exists == 0 {
			seq, ok = 0, false
			return err
		}
		seq, ok, err = readPosition(ctx, tx)
		return err
	}})
	return seq, ok, err
}

func readPosition(ctx context.Context, q querier) (uint64, bool, error) {
	text, err := one[string](ctx, q, "SELECT MAX(seq) FROM "+schemaName+".restore_position WITH (UPDLOCK, HOLDLOCK) WHERE id = 1")
	if err != nil || text == "" {
		return 0, false, err
	}
	seq, err := strconv.ParseUint(text, 10, 64)
	return seq, err == nil, err
}

func writePosition(ctx context.Context, q querier, seq uint64) error {
	_, err := q.ExecContext(ctx, "DELETE FROM "+schemaName+".restore_position; INSERT INTO "+schemaName+".restore_position (id, seq) VALUES (1, @p1)", strconv.FormatUint(seq, 10))
	return err
}

// SetPosition implements database.Replayer. It takes away foreign keys and triggers until
// Finish or ForgetProgress makes them again.
func (t *Target) SetPosition(ctx context.Context, seq uint64) error {
	schema := t.begun()
	if schema == nil {
		return t.failed("follow the log in", errNotBegun)
	}
	return t.run(ctx, unit{what: "set the position of", do: func(ctx context.Context, tx session) error {
		if err := t.lockInstall(ctx, tx); err != nil {
			return err
		}
		made, err := madeSteps(ctx, tx)
		if err != nil {
			return err
		}
		objects := afterLoad(schema)
		slices.Reverse(objects)
		for _, o := range objects {
			statement, err := undo(o)
			if err != nil {
				return err
			}
			if statement == "" || !made[stepID(o)] {
				continue
			}
			if err := exec(ctx, tx, statement, "DELETE FROM "+schemaName+".restore_steps WHERE step = '"+stepID(o)+"'"); err != nil {
				return err
			}
		}
		return writePosition(ctx, tx, seq)
	}})
}

func madeSteps(ctx context.Context, q querier) (map[string]bool, error) {
	type row struct{ Step string }
	rows, err := collect[row](ctx, q, "SELECT RTRIM(step) AS Step FROM "+schemaName+".restore_steps")
	made := map[string]bool{}
	for _, r := range rows {
		made[r.Step] = true
	}
	return made, err
}

// netted is what a transaction leaves of one table: images to remove and to add.
type netted struct {
	table       *database.Table
	minus, plus [][]byte
}

// net cancels each image removed against the same image added, whatever their order.
func (t *Target) net(changes []database.Change) ([]netted, error) {
	counts := map[string]map[string]int{}
	tables := map[string]*database.Table{}
	for _, c := range changes {
		table, err := t.table(c.Table)
		if err != nil {
			return nil, err
		}
		if err := table.CheckRow(c.Row); err != nil {
			return nil, err
		}
		if counts[c.Table] == nil {
			counts[c.Table], tables[c.Table] = map[string]int{}, table
		}
		switch c.Op {
		case database.Insert:
			counts[c.Table][string(c.Row)]++
		case database.Delete:
			counts[c.Table][string(c.Row)]--
		default:
			return nil, fmt.Errorf("change of table %s has operation %q", c.Table, c.Op)
		}
	}
	var list []netted
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		n := netted{table: tables[name]}
		for _, image := range slices.Sorted(maps.Keys(counts[name])) {
			for range -counts[name][image] {
				n.minus = append(n.minus, []byte(image))
			}
			for range counts[name][image] {
				n.plus = append(n.plus, []byte(image))
			}
		}
		if len(n.minus)+len(n.plus) > 0 {
			list = append(list, n)
		}
	}
	return list, nil
}

// Apply implements database.Replayer.
func (t *Target) Apply(ctx context.Context, seq uint64, changes []database.Change) error {
	list, err := t.net(changes)
	if err != nil {
		return t.failed(fmt.Sprintf("apply transaction %d to", seq), err)
	}
	return t.run(ctx, unit{what: fmt.Sprintf("apply transaction %d", seq), do: func(ctx context.Context, tx session) error {
		position, known, err := readPosition(ctx, tx)
		switch {
		case err != nil:
			return err
		case !known:
			return errNotFollowing
		case seq <= position:
			return nil
		case seq != position+1:
			return fmt.Errorf("transaction %d is missing: the database holds 1 to %d", position+1, position)
		}
		for _, n := range list {
			if err := t.remove(ctx, tx, n); err != nil {
				return err
			}
			if err := t.insert(ctx, tx, n); err != nil {
				return err
			}
		}
		return writePosition(ctx, tx, seq)
	}})
}

const keysName = "#lifeboat_keys"

// remove takes away the minus images, each of which must be there byte for byte.
func (t *Target) remove(ctx context.Context, tx session, n netted) error {
	if len(n.minus) == 0 {
		return nil
	}
	o, err := parseObject(n.table.Name)
	if err != nil {
		return err
	}
	keys, join, err := keysOf(n)
	if err != nil {
		return err
	}
	kc, err := t.codecs.table(keys.table)
	if err != nil {
		return err
	}
	if kc.staged() {
		return fmt.Errorf("%w: a key of type sql_variant cannot follow the log: table %s", database.ErrUnsupported, n.table.Name)
	}
	if err := exec(ctx, tx, "DROP TABLE IF EXISTS "+keysName, kc.createStage(keysName)); err != nil {
		return err
	}
	if _, err := copyIn(ctx, tx.conn, bulk{keysName, newEncoder(kc)}, each(keys.minus)); err != nil {
		return err
	}
	if err := t.mustHold(ctx, tx, n, " FROM "+o.SQL()+" AS t JOIN "+keysName+" AS s ON "+join); err != nil {
		return err
	}
	return exec(ctx, tx, "DELETE t FROM "+o.SQL()+" AS t JOIN "+keysName+" AS s ON "+join, "DROP TABLE "+keysName)
}

// keysOf is the key columns of the minus images as a table of their own, and how it
// joins the table.
func keysOf(n netted) (netted, string, error) {
	keys := netted{table: &database.Table{Name: n.table.Name}}
	var join []string
	for i, k := range n.table.Key {
		c := n.table.Columns[k]
		if c.Nullable {
			return keys, "", fmt.Errorf("%w: table %s has no key of not-null columns, so its rows cannot be removed one by one", database.ErrUnsupported, n.table.Name)
		}
		keys.table.Columns = append(keys.table.Columns, c)
		keys.table.Key = append(keys.table.Key, i)
		join = append(join, "t."+quote(c.Name)+" = s."+quote(c.Name))
	}
	seen := map[string]bool{}
	for _, image := range n.minus {
		values := make([]database.Value, len(n.table.Columns))
		for i := range values {
			var err error
			if values[i], image, err = database.Next(image); err != nil {
				return keys, "", err
			}
		}
		var row []byte
		for _, k := range n.table.Key {
			row = database.AppendValue(row, values[k])
		}
		if seen[string(row)] {
			return keys, "", fmt.Errorf("the log removes two rows with one key of table %s at once", n.table.Name)
		}
		seen[string(row)] = true
		keys.minus = append(keys.minus, row)
	}
	return keys, strings.Join(join, " AND "), nil
}

// each gives rows one by one, nil at the end.
func each(rows [][]byte) func() ([]byte, error) {
	return func() ([]byte, error) {
		if len(rows) == 0 {
			return nil, nil
		}
		row := rows[0]
		rows = rows[1:]
		return row, nil
	}
}

// mustHold compares the rows of the keys with the images that the log says are there.
func (t *Target) mustHold(ctx context.Context, tx session, n netted, from string) error {
	tc, err := t.codecs.table(n.table)
	if err != nil {
		return err
	}
	var there [][]byte
	err = rawQuery(ctx, tx.conn, statement{sql: "SELECT " + tc.selects() + from}, func(_ int, values []driver.Value) error {
		row, err := tc.decode(nil, values)
		there = append(there, row)
		return err
	})
	if err != nil {
		return err
	}
	slices.SortFunc(there, bytes.Compare) // as n.minus is
	if !slices.EqualFunc(there, n.minus, bytes.Equal) {
		return fmt.Errorf("table %s does not hold the %d rows that the log removes: this database is not the one that the log continues", n.table.Name, len(n.minus))
	}
	return nil
}

// insert adds the plus images, through a staging table: a bulk load into the table
// itself would leave its constraints unchecked and untrusted.
func (t *Target) insert(ctx context.Context, tx session, n netted) error {
	if len(n.plus) == 0 {
		return nil
	}
	o, err := parseObject(n.table.Name)
	if err != nil {
		return err
	}
	tc, err := t.codecs.table(n.table)
	if err != nil {
		return err
	}
	if err := exec(ctx, tx, "DROP TABLE IF EXISTS "+stageName, tc.createStage(stageName)); err != nil {
		return err
	}
	e := newEncoder(tc)
	if _, err := copyIn(ctx, tx.conn, bulk{stageName, e}, each(n.plus)); err != nil {
		return err
	}
	return exec(ctx, tx, e.insertFromStage(o, stageName), "DROP TABLE "+stageName)
}
