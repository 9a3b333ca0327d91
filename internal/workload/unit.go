package workload

import (
	"context"
	"errors"
	"slices"
)

const (
	// maxClosure is how many rows a deletion may take with it; a larger one is left alone,
	// so that the database keeps its character under long runs.
	maxClosure = 60
	// bigEvery makes one transaction in so many a big one.
	bigEvery = 40
)

// errLeave: the operation is not to be done on this row; another one will be.
var errLeave = errors.New("leave this row alone")

// unit is one transaction under way.
type unit struct {
	*writer
	tx     Tx
	reader rowReader
	rows   []touched
	at     map[rowID]int // position in rows
}

// fill does a few operations on several tables.
func (u *unit) fill(ctx context.Context) error {
	m := u.cfg.Model
	want := 2 + u.rng.IntN(4)
	if u.rng.IntN(bigEvery) == 0 {
		want = 40 + u.rng.IntN(60)
	}
	order := u.rng.Perm(len(m.Tables))
	// Twice as many tries as operations: some rows will not be to the database's taste.
	for done, try := 0, 0; done < want && try < 2*want+len(order); try++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		t := &m.Tables[order[try%len(order)]]
		err := u.operate(ctx, t)
		switch {
		case err == nil:
			done++
			u.cfg.Between(u.n)
		case errors.Is(err, errLeave), u.cfg.Dialect.Sort(err) == Constraint:
		default:
			return err
		}
	}
	return nil
}

func (u *unit) operate(ctx context.Context, t *Table) error {
	known := u.pool.size(t.Name)
	choice := u.rng.IntN(100)
	switch {
	case known < 4 || choice < 40:
		return u.insert(ctx, t)
	case choice < 80:
		return u.update(ctx, t)
	default:
		return u.delete(ctx, t)
	}
}

// touch notes a row that is about to change, with what it was before this transaction.
func (u *unit) touch(ctx context.Context, t *Table, key []any) error {
	id := rowID{t.Name, keyText(key)}
	if _, known := u.at[id]; known {
		return nil
	}
	before, err := u.reader.image(ctx, t, key)
	if err != nil {
		return err
	}
	u.note(touched{id: id, key: key, before: before})
	return nil
}

func (u *unit) note(row touched) {
	u.at[row.id] = len(u.rows)
	u.rows = append(u.rows, row)
}

// readAfter asks the database what the transaction has made of the rows, and drops those
// that it left as they were.
func (u *unit) readAfter(ctx context.Context) error {
	kept := u.rows[:0]
	for _, row := range u.rows {
		after, err := u.reader.image(ctx, u.cfg.Model.Table(row.id.table), row.key)
		if err != nil {
			return err
		}
		if row.after = after; after != row.before {
			kept = append(kept, row)
		}
	}
	u.rows = kept
	return nil
}

func (u *unit) insert(ctx context.Context, t *Table) error {
	var template []any
	if key := u.pool.pick(t.Name, u.rng); key != nil {
		var err error
		if template, err = u.reader.values(ctx, t, key); err != nil {
			return err
		}
	}
	row, err := u.newRow(ctx, t, template)
	if err != nil {
		return err
	}
	var columns []int
	var values []any
	for i, c := range t.Columns {
		if c.ReadOnly || t.AutoKey && i == t.Key[0] {
			continue
		}
		columns, values = append(columns, i), append(values, row[i])
	}
	key, err := u.tx.Insert(ctx, t, columns, values)
	if err != nil {
		return err
	}
	if id := (rowID{t.Name, keyText(key)}); !hasNull(key) {
		if _, known := u.at[id]; !known {
			u.note(touched{id: id, key: key}) // it was absent, or the insert would have failed
		}
	}
	return nil
}

func (u *unit) update(ctx context.Context, t *Table) error {
	key := u.pool.pick(t.Name, u.rng)
	if key == nil {
		return errLeave
	}
	old, err := u.reader.values(ctx, t, key)
	if err != nil {
		return err
	}
	if old == nil {
		u.pool.forget(rowID{t.Name, keyText(key)})
		return errLeave
	}
	columns := u.updatable(t)
	if len(columns) == 0 || u.rng.IntN(12) == 0 {
		return u.rekey(ctx, t, key, old)
	}
	u.rng.Shuffle(len(columns), func(i, j int) { columns[i], columns[j] = columns[j], columns[i] })
	columns = columns[:1+u.rng.IntN(min(3, len(columns)))]
	if columns, err = u.withForeign(t, columns); err != nil {
		return err
	}
	row := slices.Clone(old)
	if err := u.mutate(ctx, t, row, columns); err != nil {
		return err
	}
	return u.write(ctx, t, key, key, row, columns)
}

// rekey gives a row another key, where nothing refers to it.
func (u *unit) rekey(ctx context.Context, t *Table, key, old []any) error {
	if t.AutoKey || len(u.cfg.Model.references(t.Name)) > 0 {
		return errLeave
	}
	row := slices.Clone(old)
	columns := []int{t.Key[u.rng.IntN(len(t.Key))]}
	if t.Columns[columns[0]].ReadOnly {
		return errLeave
	}
	columns, err := u.withForeign(t, columns)
	if err != nil {
		return err
	}
	if err := u.mutate(ctx, t, row, columns); err != nil {
		return err
	}
	fresh := make([]any, len(t.Key))
	for i, k := range t.Key {
		fresh[i] = row[k]
	}
	if hasNull(fresh) || keyText(fresh) == keyText(key) {
		return errLeave
	}
	return u.write(ctx, t, key, fresh, row, columns)
}

func (u *unit) write(ctx context.Context, t *Table, key, newKey []any, row []any, columns []int) error {
	if err := u.touch(ctx, t, key); err != nil {
		return err
	}
	if err := u.touch(ctx, t, newKey); err != nil {
		return err
	}
	d := u.cfg.Dialect
	query := "UPDATE " + d.Table(t.Name) + " SET "
	var args []any
	for i, c := range columns {
		if i > 0 {
			query += ", "
		}
		args = append(args, row[c])
		query += d.Column(t.Columns[c].Name) + " = " + d.Place(len(args))
	}
	query += " WHERE " + u.reader.match(t, t.Key, len(args)+1)
	_, err := u.tx.ExecContext(ctx, query, append(args, key...)...)
	return err
}

func (u *unit) delete(ctx context.Context, t *Table) error {
	key := u.pool.pick(t.Name, u.rng)
	if key == nil {
		return errLeave
	}
	var doomed []touched
	if err := u.closure(ctx, t, key, &doomed); err != nil {
		return err
	}
	for _, row := range doomed {
		if err := u.touch(ctx, u.cfg.Model.Table(row.id.table), row.key); err != nil {
			return err
		}
	}
	d := u.cfg.Dialect
	_, err := u.tx.ExecContext(ctx, "DELETE FROM "+d.Table(t.Name)+" WHERE "+u.reader.match(t, t.Key, 1), key...)
	return err
}

// closure lists the rows that deleting one will delete or change by foreign keys.
func (u *unit) closure(ctx context.Context, t *Table, key []any, list *[]touched) error {
	id := rowID{t.Name, keyText(key)}
	if slices.ContainsFunc(*list, func(row touched) bool { return row.id == id }) {
		return nil
	}
	row, err := u.reader.values(ctx, t, key)
	if err != nil {
		return err
	}
	if row == nil {
		u.pool.forget(id)
		return errLeave
	}
	if *list = append(*list, touched{id: id, key: key}); len(*list) > maxClosure {
		return errLeave
	}
	for _, ref := range u.cfg.Model.references(t.Name) {
		if err := u.closeOver(ctx, ref, row, list); err != nil {
			return err
		}
	}
	return nil
}

func (u *unit) closeOver(ctx context.Context, ref reference, parent []any, list *[]touched) error {
	values := make([]any, len(ref.key.ParentColumns))
	for i, c := range ref.key.ParentColumns {
		values[i] = parent[c]
	}
	if hasNull(values) {
		return nil // nothing refers to a NULL
	}
	children, err := u.reader.keysWhere(ctx, ref.child, ref.key.Columns, values, maxClosure+1)
	if err != nil || len(children) == 0 {
		return err
	}
	if len(children) > maxClosure || slices.ContainsFunc(children, hasNull) {
		return errLeave
	}
	for _, child := range children {
		switch ref.key.OnDelete {
		case Cascade:
			err = u.closure(ctx, ref.child, child, list)
		case SetNull, SetDefault:
			if slices.ContainsFunc(ref.key.Columns, func(c int) bool { return slices.Contains(ref.child.Key, c) }) {
				return errLeave // the row would get a key that nobody knows
			}
			*list = append(*list, touched{id: rowID{ref.child.Name, keyText(child)}, key: child})
		default:
			return errLeave
		}
		if err != nil {
			return err
		}
	}
	return nil
}
