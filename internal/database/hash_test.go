package database_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
)

func anyHash(t *rapid.T, label string) (h database.RowHash) {
	copy(h[:], rapid.SliceOfN(rapid.OneOf(rapid.Just(byte(0)), rapid.Just(byte(0xff)), rapid.Byte()), len(h), len(h)).Draw(t, label))
	return h
}

func anyState(t *rapid.T, label string) database.State {
	var s database.State
	for range rapid.IntRange(0, 4).Draw(t, label) {
		if rapid.Bool().Draw(t, "add") {
			s.Add(anyHash(t, "hash"))
		} else {
			s.Sub(anyHash(t, "hash"))
		}
	}
	return s
}

func TestStatesAreAGroup(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := anyState(t, "a"), anyState(t, "b"), anyState(t, "c")
		h := anyHash(t, "h")
		require.Equal(t, a.Plus(b), b.Plus(a))
		require.Equal(t, a.Plus(b).Plus(c), a.Plus(b.Plus(c)))
		require.Equal(t, a, a.Plus(b).Minus(b))
		require.Equal(t, database.State{}, a.Minus(a))
		added := a
		added.Add(h)
		var one database.State
		one.Add(h)
		require.Equal(t, added, a.Plus(one))
		added.Sub(h)
		require.Equal(t, a, added)
	})
}

func TestStatesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := anyState(t, "s")
		b, err := s.AppendBinary([]byte("x"))
		require.NoError(t, err)
		var got database.State
		require.NoError(t, got.UnmarshalBinary(b[1:]))
		require.Equal(t, s, got)
		require.Len(t, b, 1+database.StateLen)
		require.Error(t, got.UnmarshalBinary(b))
		text, err := json.Marshal(database.States{"t": s})
		require.NoError(t, err)
		var states database.States
		require.NoError(t, json.Unmarshal(text, &states))
		require.Equal(t, s, states["t"])
	})
}

func TestOnlyCanonicalStatesParse(t *testing.T) {
	t.Parallel()
	good := database.State{}.String()
	for _, text := range []string{"", "0", ":", good + "0", good[:len(good)-1], "+" + good, "00" + good[1:], " " + good, "-" + good,
		"1:" + good[2:len(good)-1] + "G", "1:" + good[2:len(good)-1] + "F", "9223372036854775808" + good[1:]} {
		var s database.State
		require.Error(t, s.UnmarshalText([]byte(text)), "%q", text)
	}
	var s database.State
	require.NoError(t, s.UnmarshalText([]byte("-1"+good[1:])))
	require.Equal(t, int64(-1), s.Count)
}

func TestHashesDependOnTableAndRow(t *testing.T) {
	t.Parallel()
	row := database.AppendInt(nil, 1)
	base := func() *database.Table {
		return &database.Table{Name: "t", Columns: []database.Column{{Name: "a", Type: "int"}}, Key: []int{0}}
	}
	hashOf := func(table *database.Table) (database.RowHash, string) {
		s := &database.Schema{Tables: []database.Table{*table}}
		require.NoError(t, s.Seal())
		h, scratch := s.Tables[0].Hash(make([]byte, 3), row)
		again, _ := s.Tables[0].Hash(scratch, row)
		require.Equal(t, h, again)
		return h, s.Tables[0].Version()
	}
	was, version := hashOf(base())
	for name, change := range map[string]func(*database.Table){
		"name":        func(t *database.Table) { t.Name = "u" },
		"column name": func(t *database.Table) { t.Columns[0].Name = "b" },
		"type":        func(t *database.Table) { t.Columns[0].Type = "bigint" },
		"collation":   func(t *database.Table) { t.Columns[0].Collation = "NOCASE" },
		"more":        func(t *database.Table) { t.Columns = append(t.Columns, database.Column{Name: "b"}) },
		"shifted":     func(t *database.Table) { t.Name, t.Columns[0].Name = "ta", "" },
	} {
		table := base()
		change(table)
		h, v := hashOf(table)
		require.NotEqual(t, was, h, name)
		require.NotEqual(t, version, v, name)
	}
	for name, change := range map[string]func(*database.Table){
		"sql":      func(t *database.Table) { t.SQL = "CREATE TABLE t (a int)" },
		"nullable": func(t *database.Table) { t.Columns[0].Nullable = true },
		"details":  func(t *database.Table) { t.Columns[0].Details = map[string]string{"default": "1"} },
	} {
		table := base()
		change(table)
		h, v := hashOf(table)
		require.Equal(t, was, h, name)
		require.Equal(t, version, v, name)
	}
}
