package workload

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// phrases go into texts: plain ones, and ones that break careless software.
var phrases = []string{
	"observed overnight", "reviewed by the team", "no change", "awaiting results", "discussed at handover",
	"O'Brien \"quoted\"", "naïve café", "日本語のメモ", "🚑 urgent", "a\u0301 combining", "tab\tand\nnewline",
	"back\\slash", "%_like_%", "", " leading and trailing ", "ﬀ ligature", "--; DROP TABLE x",
}

// newRow makes a row to insert: a variation of template, or, without one, from nothing.
func (u *unit) newRow(ctx context.Context, t *Table, template []any) ([]any, error) {
	row := slices.Clone(template)
	if row == nil {
		row = make([]any, len(t.Columns))
		for i, c := range t.Columns {
			row[i] = invent(c, u.rng)
		}
	}
	// What must be new or must refer to something, and of the rest a little: the more a
	// row looks like one that is there, the more likely are the CHECKs true for it.
	var columns []int
	for i, c := range t.Columns {
		if c.ReadOnly || t.AutoKey && i == t.Key[0] {
			continue
		}
		if t.unique(i) || t.foreign(i) != nil || u.rng.IntN(4) == 0 {
			columns = append(columns, i)
		}
	}
	columns, err := u.withForeign(t, columns)
	if err != nil {
		return nil, err
	}
	return row, u.mutate(ctx, t, row, columns)
}

// updatable lists the columns that an update may change without moving the row or what
// refers to it.
func (u *unit) updatable(t *Table) (list []int) {
	referenced := map[int]bool{}
	for _, ref := range u.cfg.Model.references(t.Name) {
		for _, c := range ref.key.ParentColumns {
			referenced[c] = true
		}
	}
	for i, c := range t.Columns {
		if !c.ReadOnly && !slices.Contains(t.Key, i) && !referenced[i] {
			list = append(list, i)
		}
	}
	return list
}

// withForeign adds the other columns of every foreign key that is touched: they change
// together or not at all.
func (u *unit) withForeign(t *Table, columns []int) ([]int, error) {
	for _, c := range slices.Clone(columns) {
		if f := t.foreign(c); f != nil {
			for _, other := range f.Columns {
				if !slices.Contains(columns, other) {
					columns = append(columns, other)
				}
			}
		}
	}
	if slices.ContainsFunc(columns, func(c int) bool { return t.Columns[c].ReadOnly }) {
		return nil, errLeave
	}
	return columns, nil
}

// mutate gives the columns of row new values.
func (u *unit) mutate(ctx context.Context, t *Table, row []any, columns []int) error {
	done := map[int]bool{}
	for _, c := range columns {
		if done[c] {
			continue
		}
		if f := t.foreign(c); f != nil {
			if err := u.refer(ctx, t, f, row); err != nil {
				return err
			}
			for _, other := range f.Columns {
				done[other] = true
			}
			continue
		}
		done[c] = true
		if t.unique(c) {
			row[c] = u.unlike(t, c, row[c])
			continue
		}
		value, err := u.variation(ctx, t, c, row[c])
		if err != nil {
			return err
		}
		row[c] = value
	}
	return nil
}

// refer points a foreign key at another row of its parent, or at nothing.
func (u *unit) refer(ctx context.Context, t *Table, f *ForeignKey, row []any) error {
	optional := !slices.ContainsFunc(f.Columns, func(c int) bool { return !t.Columns[c].Nullable })
	parent := u.cfg.Model.Table(f.Parent)
	var target []any
	if parent != nil && (!optional || u.rng.IntN(10) > 0) {
		if key := u.pool.pick(f.Parent, u.rng); key != nil {
			var err error
			if target, err = u.reader.values(ctx, parent, key); err != nil {
				return err
			}
		}
	}
	if target == nil && !optional {
		return errLeave
	}
	for i, c := range f.Columns {
		row[c] = nil
		if target != nil {
			row[c] = target[f.ParentColumns[i]]
		}
	}
	return nil
}

// unlike returns a value that the column very likely does not hold.
func (u *unit) unlike(t *Table, c int, old any) any {
	if n, ok := u.pool.fresh(t, c); ok {
		return n
	}
	serial := strconv.FormatUint(u.pool.unusual(), 36)
	switch v := old.(type) {
	case []byte:
		return fit([]byte(string(v)+serial), t.Columns[c].MaxLen)
	case int64:
		return v + int64(u.rng.Int32()) + 1
	case float64:
		return v + u.rng.Float64() + 1
	case string:
		base, _, _ := strings.Cut(v, "~")
		if most := t.Columns[c].MaxLen; most > 0 {
			base = clip(base, max(0, most-len(serial)-1))
			return clip(base+"~"+serial, most)
		}
		return base + "~" + serial
	}
	return serial
}

// variation returns another value that looks like one of the column's.
func (u *unit) variation(ctx context.Context, t *Table, c int, old any) (any, error) {
	col := t.Columns[c]
	if col.Nullable && u.rng.IntN(8) == 0 {
		return nil, nil
	}
	// What another row has there is always plausible, and passes most CHECKs.
	if u.rng.IntN(2) == 0 || old == nil || col.Kind == Moment || col.Kind == Other {
		if key := u.pool.pick(t.Name, u.rng); key != nil {
			row, err := u.reader.values(ctx, t, key)
			if err != nil {
				return nil, err
			}
			if row != nil && (row[c] != nil || col.Nullable) {
				return row[c], nil
			}
		}
		if old == nil {
			return invent(col, u.rng), nil
		}
		return old, nil
	}
	return vary(col, old, u.rng), nil
}

func vary(col Column, old any, rng *rand.Rand) any {
	switch v := old.(type) {
	case int64:
		return v + rng.Int64N(7) - 3
	case float64:
		return v * (0.5 + rng.Float64())
	case bool:
		return !v
	case string:
		if col.Kind == Integer || col.Kind == Number {
			return old
		}
		base, _, _ := strings.Cut(v, " · ")
		return clip(base+" · "+phrases[rng.IntN(len(phrases))], col.MaxLen)
	case []byte:
		b := slices.Clone(v)
		return fit(append(b, randomBytes(rng, rng.IntN(48))...), col.MaxLen)
	}
	return old
}

// invent makes a value for a column of which no row is known.
func invent(col Column, rng *rand.Rand) any {
	switch col.Kind {
	case Integer:
		return rng.Int64N(100)
	case Number:
		return float64(rng.IntN(10_000)) / 100
	case Bytes:
		return fit(randomBytes(rng, 1+rng.IntN(64)), col.MaxLen)
	case Moment:
		return fmt.Sprintf("2026-%02d-%02d %02d:%02d:%02d", 1+rng.IntN(12), 1+rng.IntN(28), rng.IntN(24), rng.IntN(60), rng.IntN(60))
	default:
		return clip(phrases[rng.IntN(len(phrases))], col.MaxLen)
	}
}

func randomBytes(rng *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rng.Uint32())
	}
	return b
}

// clip cuts a text to most characters; 0: no limit.
func clip(s string, most int) string {
	if most <= 0 || utf8.RuneCountInString(s) <= most {
		return s
	}
	return string([]rune(s)[:most])
}

// fit keeps the last bytes, where what makes it new stands.
func fit(b []byte, most int) []byte {
	if most <= 0 || len(b) <= most {
		return b
	}
	return b[len(b)-most:]
}
