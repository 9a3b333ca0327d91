package workload

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
)

// rowReader reads rows by key. It is for one goroutine.
type rowReader struct {
	d Dialect
	q Querier
}

// image reads the row as it is now.
func (r *rowReader) image(ctx context.Context, t *Table, key []any) (image, error) {
	head := "SELECT " + r.expressions(t, r.d.Image) + " FROM " + r.d.Table(t.Name) + " WHERE "
	cells := make([]string, len(t.Columns))
	found, err := r.one(ctx, head+r.match(t, t.Key, 1), key, cells)
	if err != nil || !found {
		return image{}, err
	}
	sum := sha256.New()
	for _, cell := range cells {
		var length [4]byte
		for i := range length {
			length[i] = byte(len(cell) >> (8 * i))
		}
		sum.Write(length[:])
		sum.Write([]byte(cell))
	}
	img := image{present: true}
	sum.Sum(img.hash[:0])
	return img, nil
}

// values reads the row's columns as arguments to be given back. nil if it is not there.
func (r *rowReader) values(ctx context.Context, t *Table, key []any) ([]any, error) {
	query := "SELECT " + r.expressions(t, r.d.Read) + " FROM " + r.d.Table(t.Name) + " WHERE " + r.match(t, t.Key, 1)
	row := make([]any, len(t.Columns))
	rows, err := r.q.QueryContext(ctx, query, key...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	if !rows.Next() {
		return nil, rows.Err()
	}
	return row, errors.Join(rows.Scan(pointers(row)...), rows.Err())
}

// keysWhere returns the keys of up to limit rows whose columns hold the values.
func (r *rowReader) keysWhere(ctx context.Context, t *Table, columns []int, values []any, limit int) ([][]any, error) {
	query := "SELECT " + r.keyExpressions(t) + " FROM " + r.d.Table(t.Name) + " WHERE " + r.match(t, columns, 1)
	return r.keys(ctx, query, values, len(t.Key), limit)
}

func (r *rowReader) keys(ctx context.Context, query string, args []any, width, limit int) ([][]any, error) {
	rows, err := r.q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list [][]any
	for len(list) < limit && rows.Next() {
		key := make([]any, width)
		if err := rows.Scan(pointers(key)...); err != nil {
			return nil, err
		}
		list = append(list, key)
	}
	return list, rows.Err()
}

func (r *rowReader) one(ctx context.Context, query string, args []any, cells []string) (bool, error) {
	rows, err := r.q.QueryContext(ctx, query, args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	if !rows.Next() {
		return false, rows.Err()
	}
	dest := make([]any, len(cells))
	for i := range cells {
		dest[i] = &cells[i]
	}
	if err := rows.Scan(dest...); err != nil {
		return false, err
	}
	return true, rows.Err()
}

func (r *rowReader) expressions(t *Table, of func(string) string) string {
	var b strings.Builder
	for i, c := range t.Columns {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(of(r.d.Column(c.Name)))
	}
	return b.String()
}

func (r *rowReader) keyExpressions(t *Table) string {
	names := make([]string, len(t.Key))
	for i, k := range t.Key {
		names[i] = r.d.Read(r.d.Column(t.Columns[k].Name))
	}
	return strings.Join(names, ", ")
}

// match is the condition that the columns equal arguments first, first+1, …
func (r *rowReader) match(t *Table, columns []int, first int) string {
	terms := make([]string, len(columns))
	for i, c := range columns {
		terms[i] = r.d.Column(t.Columns[c].Name) + " = " + r.d.Place(first+i)
	}
	return strings.Join(terms, " AND ")
}

func pointers(values []any) []any {
	list := make([]any, len(values))
	for i := range values {
		list[i] = &values[i]
	}
	return list
}
