package sqlite_test

import (
	"fmt"
	"iter"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
)

// TestLoadKeepsIDs: ids with runs and gaps, below zero and at the ends, in several units,
// come out as they went in, whoever numbers them.
func TestLoadKeepsIDs(t *testing.T) {
	t.Parallel()
	db := freshApp(t, `CREATE TABLE plain (id INTEGER PRIMARY KEY, v TEXT);
		CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT);
		CREATE TABLE behind (v TEXT, id INTEGER PRIMARY KEY NOT NULL CHECK (id <> 3));
		CREATE TABLE strict (id INTEGER PRIMARY KEY, v TEXT) STRICT;
		CREATE TABLE other (id INT PRIMARY KEY NOT NULL, v TEXT);
		CREATE TABLE keyed (id INTEGER PRIMARY KEY, v TEXT) WITHOUT ROWID`, "")
	view, err := db.source.View(t.Context())
	require.NoError(t, err)
	defer view.Close()
	schema := view.Schema()
	folder, n := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		table := &schema.Tables[rapid.IntRange(0, len(schema.Tables)-1).Draw(rt, "table")]
		ids := drawIDs(rt)
		n++
		target, err := sqlite.OpenTarget(t.Context(), filepath.Join(folder, fmt.Sprint(n, ".sqlite")), sqlite.Options{})
		require.NoError(rt, err)
		defer target.Close()
		require.NoError(rt, target.Begin(t.Context(), "plan", schema))
		shuffled := rapid.Bool().Draw(rt, "units shuffled")
		units := slices.Collect(slices.Chunk(ids, rapid.IntRange(1, 250).Draw(rt, "rows of a unit")))
		if shuffled {
			seed := rapid.Uint64().Draw(rt, "seed")
			rand.New(rand.NewPCG(seed, 0)).Shuffle(len(units), func(i, j int) { units[i], units[j] = units[j], units[i] })
		}
		for i, unit := range units {
			_, err := target.Load(t.Context(), fmt.Sprint(i), table, rowsOf(table, unit))
			require.NoError(rt, err)
		}
		restored, err := target.View(t.Context())
		require.NoError(rt, err)
		defer restored.Close()
		var got [][]byte
		for row, err := range restored.Rows(t.Context(), table) {
			require.NoError(rt, err)
			got = append(got, slices.Clone(row))
		}
		var want [][]byte
		for row := range rowsOf(table, ids) {
			want = append(want, row)
		}
		require.Equal(rt, want, got)
	})
}

// drawIDs is up to some hundred ids in order.
func drawIDs(rt *rapid.T) []int64 {
	var ids []int64
	at := rapid.SampledFrom([]int64{1, 2, 0, -5, -300, math.MinInt64, math.MinInt64 + 1, math.MaxInt64 - 150, 1 << 40}).Draw(rt, "first id")
	for range rapid.IntRange(1, 8).Draw(rt, "runs") {
		for range rapid.OneOf(rapid.IntRange(1, 6), rapid.IntRange(90, 120)).Draw(rt, "run") {
			ids = append(ids, at)
			if at == math.MaxInt64 {
				return ids
			}
			at++
		}
		if gap := rapid.Int64Range(0, 9).Draw(rt, "gap"); at < math.MaxInt64-gap {
			at += gap
		}
	}
	return ids
}

func rowsOf(table *database.Table, ids []int64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, id := range ids {
			var row []byte
			for _, c := range table.Columns {
				if c.Name == "id" {
					row = database.AppendInt(row, id)
				} else {
					row = database.AppendText(row, fmt.Sprint("row ", id))
				}
			}
			if !yield(row, nil) {
				return
			}
		}
	}
}
