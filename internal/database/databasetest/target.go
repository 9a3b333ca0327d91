package databasetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

func open(t *testing.T, open func() RestoreTarget) RestoreTarget {
	t.Helper()
	target := open()
	t.Cleanup(func() { _ = target.Close() })
	return target
}

func roundTrip(t *testing.T, e Engine) {
	db := e.Fresh(t)
	require.NoError(t, db.Exec(append(someRows(), e.Extremes...)...))
	v := openView(t, db.Source())
	target := open(t, e.Target(t))
	restored(t, v, target)
	check := func() {
		tv := openView(t, target)
		equalStates(t, statesOf(t, v, v.Schema()), statesOf(t, tv, v.Schema()))
		require.Equal(t, rowsOf(t, v, v.Schema().Table(e.Name("extreme"))), rowsOf(t, tv, v.Schema().Table(e.Name("extreme"))))
		want, err := v.Counters(t.Context())
		require.NoError(t, err)
		got, err := tv.Counters(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Empty(t, drained(t, tv), "a target has captured nothing")
		if e.SameSchema {
			requireSame(t, v.Schema(), tv.Schema())
		}
		require.NoError(t, tv.Close())
	}
	check()
	require.NoError(t, target.Finish(t.Context(), nil), "finishing twice is fine")
	check()
	require.NoError(t, target.ForgetProgress(t.Context()))
	require.NoError(t, target.ForgetProgress(t.Context()))
	check()
}

// part yields some rows and then the error, if there is one.
func part(rows [][]byte, err error) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, row := range rows {
			if !yield(row, nil) {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func resume(t *testing.T, e Engine) {
	db := e.Fresh(t)
	require.NoError(t, db.Exec(someRows()...))
	v := openView(t, db.Source())
	people := v.Schema().Table(e.Name("people"))
	rows := rowsOf(t, v, people)
	again := e.Target(t)

	target := open(t, again)
	loaded, err := target.Loaded(t.Context())
	require.NoError(t, err)
	require.Empty(t, loaded)
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()))
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()))
	n, err := target.Load(t.Context(), "unit 1", people, part(rows[:7], nil))
	require.NoError(t, err)
	require.Equal(t, int64(7), n)
	require.NoError(t, target.Close())

	target = open(t, again)
	require.ErrorIs(t, target.Begin(t.Context(), "other plan", v.Schema()), database.ErrNotEmpty)
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()))
	loaded, err = target.Loaded(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"unit 1": 7}, loaded)
	_, err = target.Load(t.Context(), "unit 1", people, part(rows[7:9], nil))
	require.Error(t, err, "a unit counts once")
	_, err = target.Load(t.Context(), "unit 2", people, part(rows[7:], nil))
	require.NoError(t, err)
	_, err = target.Load(t.Context(), "empty unit", people, part(nil, nil))
	require.NoError(t, err)
	require.NoError(t, target.Close())

	target = open(t, again)
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()))
	loaded, err = target.Loaded(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]int64{"unit 1": 7, "unit 2": int64(len(rows) - 7), "empty unit": 0}, loaded)
	require.NoError(t, target.Finish(t.Context(), nil))
	require.Equal(t, rows, rowsOf(t, openView(t, target), people))
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()), "a finished restore can be asked for again")
}

func notEmpty(t *testing.T, e Engine) {
	db := e.Fresh(t)
	v := openView(t, db.Source())
	target := e.Occupy(t)
	t.Cleanup(func() { _ = target.Close() })
	require.ErrorIs(t, target.Begin(t.Context(), "plan", v.Schema()), database.ErrNotEmpty)
	loaded, err := target.Loaded(t.Context())
	require.NoError(t, err)
	require.Empty(t, loaded)
	_, err = target.Load(t.Context(), "unit", &v.Schema().Tables[0], part(nil, nil))
	require.Error(t, err)
}

func loadFails(t *testing.T, e Engine) {
	db := e.Fresh(t)
	require.NoError(t, db.Exec(someRows()...))
	v := openView(t, db.Source())
	people := v.Schema().Table(e.Name("people"))
	rows := rowsOf(t, v, people)
	target := open(t, e.Target(t))
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()))
	broken := errors.New("the store went away")
	for name, bad := range map[string]iter.Seq2[[]byte, error]{
		"an error of the rows": part(rows[:5], broken),
		"a malformed row":      part([][]byte{rows[0], {0xff}}, nil),
		"a row too short":      part([][]byte{rows[0], rows[1][:len(rows[1])-1]}, nil),
		"a row too long":       part([][]byte{rows[0], append(slices.Clone(rows[1]), 0)}, nil),
		"a row twice":          part([][]byte{rows[0], rows[0]}, nil),
	} {
		_, err := target.Load(t.Context(), "unit", people, bad)
		require.Error(t, err, name)
	}
	_, err := target.Load(t.Context(), "unit", people, part(rows[:5], broken))
	require.ErrorIs(t, err, broken)
	loaded, err := target.Loaded(t.Context())
	require.NoError(t, err)
	require.Empty(t, loaded)
	_, err = target.Load(t.Context(), "unit", people, part(rows, nil))
	require.NoError(t, err)
	require.NoError(t, target.Finish(t.Context(), nil))
	require.Equal(t, rows, rowsOf(t, openView(t, target), people))
}

func cancelled(t *testing.T, e Engine) {
	db := e.Fresh(t)
	require.NoError(t, db.Exec(someRows()...))
	v := openView(t, db.Source())
	people := v.Schema().Table(e.Name("people"))
	rows := rowsOf(t, v, people)
	target := open(t, e.Target(t))
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()))
	ctx, cancel := context.WithCancel(t.Context())
	_, err := target.Load(ctx, "unit", people, func(yield func([]byte, error) bool) {
		for i, row := range rows {
			if i == 10 {
				cancel()
			}
			if !yield(row, nil) {
				return
			}
		}
	})
	require.ErrorIs(t, err, context.Canceled)
	for what, do := range map[string]func() error{
		"load":    func() error { _, err := target.Load(ctx, "u", people, part(rows, nil)); return err },
		"finish":  func() error { return target.Finish(ctx, nil) },
		"install": func() error { _, err := db.Source().Install(ctx); return err },
		"fence":   func() error { return db.Source().Fence(ctx, "x") },
		"view":    func() error { _, err := db.Source().View(ctx); return err },
	} {
		require.ErrorIs(t, do(), context.Canceled, what)
	}
	loaded, err := target.Loaded(t.Context())
	require.NoError(t, err)
	require.Empty(t, loaded)
	_, err = db.Source().Pending(t.Context())
	require.ErrorIs(t, err, database.ErrNotInstalled)
	_, err = target.Load(t.Context(), "unit", people, part(rows, nil))
	require.NoError(t, err, "and everything goes on")
}

func unitsAlike(t *testing.T, e Engine) {
	db := e.Fresh(t)
	require.NoError(t, db.Exec(someRows()...))
	v := openView(t, db.Source())
	target := open(t, e.Target(t))
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()))
	for i := range v.Schema().Tables {
		table := &v.Schema().Tables[i]
		rows := rowsOf(t, v, table)
		slices.Reverse(rows) // order is a matter of speed only
		for n := 0; n < len(rows); n += 3 {
			_, err := target.Load(t.Context(), fmt.Sprint(table.Name, n), table, part(rows[n:min(n+3, len(rows))], nil))
			require.NoError(t, err)
		}
	}
	require.NoError(t, target.Finish(t.Context(), nil))
	equalStates(t, statesOf(t, v, v.Schema()), statesOf(t, openView(t, target), v.Schema()))
}

func numbersGoOn(t *testing.T, e Engine) {
	db := e.Fresh(t)
	require.NoError(t, db.Exec(someRows()...)) // the 20th of counted was deleted
	v := openView(t, db.Source())
	target := open(t, e.Target(t))
	restored(t, v, target)
	counters, err := openView(t, target).Counters(t.Context())
	require.NoError(t, err)
	var had bool
	for _, last := range counters {
		had = had || last == 20
	}
	require.True(t, had, "20 was handed out and must not be again: %v", counters)
}
