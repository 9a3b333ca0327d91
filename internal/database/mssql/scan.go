package mssql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"strings"
)

// collect reads all rows of a query into structs, matching result columns to fields by
// name. NULL is the zero value. A column without a field, or a field without a column,
// is an error: a query and its struct belong together.
func collect[T any](ctx context.Context, q querier, query string, args ...any) (list []T, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%w (in: %s)", err, abridged(query))
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	names, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	var sample T
	fields, err := fieldsOf(reflect.TypeOf(sample), names)
	if err != nil {
		return nil, fmt.Errorf("%w (in: %s)", err, abridged(query))
	}
	values, pointers := make([]any, len(names)), make([]any, len(names))
	for i := range values {
		pointers[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(pointers...); err != nil {
			return nil, err
		}
		var row T
		for i, v := range values {
			if err := assign(reflect.ValueOf(&row).Elem().Field(fields[i]), v); err != nil {
				return nil, fmt.Errorf("column %s: %w (in: %s)", names[i], err, abridged(query))
			}
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

func fieldsOf(t reflect.Type, names []string) ([]int, error) {
	if t.NumField() != len(names) {
		return nil, fmt.Errorf("query gives %d columns for the %d fields of %s", len(names), t.NumField(), t)
	}
	fields := make([]int, len(names))
	for i, name := range names {
		f, ok := t.FieldByNameFunc(func(field string) bool { return strings.EqualFold(field, name) })
		if !ok {
			return nil, fmt.Errorf("%s has no field for column %q", t, name)
		}
		fields[i] = f.Index[0]
	}
	return fields, nil
}

var errScan = errors.New("value of an unexpected type")

func assign(field reflect.Value, v any) error {
	if v == nil {
		return nil
	}
	switch field.Kind() {
	case reflect.Int:
		n, ok := v.(int64)
		if b, isBit := v.(bool); isBit {
			ok = true
			if b {
				n = 1
			}
		}
		field.SetInt(n)
		return unless(ok, v)
	case reflect.Bool:
		b, ok := v.(bool)
		if n, isInt := v.(int64); isInt {
			b, ok = n != 0, true
		}
		field.SetBool(b)
		return unless(ok, v)
	case reflect.String:
		s, ok := v.(string)
		field.SetString(s)
		return unless(ok, v)
	case reflect.Slice:
		b, ok := v.([]byte)
		field.SetBytes(b)
		return unless(ok, v)
	}
	return unless(false, v)
}

func unless(ok bool, v any) error {
	if !ok {
		return fmt.Errorf("%w: %T", errScan, v)
	}
	return nil
}

// one reads the single value of a query.
func one[T any](ctx context.Context, q querier, query string, args ...any) (v T, err error) {
	var null sql.Null[T]
	err = q.QueryRowContext(ctx, query, args...).Scan(&null)
	if err != nil {
		err = fmt.Errorf("%w (in: %s)", err, abridged(query))
	}
	return null.V, err
}
