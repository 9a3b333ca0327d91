package affected_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/affected"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database"
)

// logOf makes a log of 20 transactions, a segment each: transaction n changes visit n and
// patient n%3, and from the 11th on the tables have one column more.
func logOf(t *testing.T) *memory.Store {
	t.Helper()
	ctx := t.Context()
	local, mirror := memory.New(), memory.New()
	w, err := eventlog.OpenWriter(ctx, eventlog.WriterConfig{Local: local, Mirror: mirror, Reason: "test"})
	require.NoError(t, err)
	for n := 1; n <= 20; n++ {
		wide := n > 10
		if n == 1 || n == 11 {
			_, err := w.Append(ctx, eventlog.Batch{Schema: schema(t, wide)})
			require.NoError(t, err)
		}
		seq, err := w.Append(ctx, eventlog.Batch{Transactions: []eventlog.Pending{{TxID: fmt.Sprint(n), Changes: []database.Change{
			{Op: database.Insert, Table: "visit", Row: row(int64(n), "x", wide)},
			{Op: database.Delete, Table: "patient", Row: row(int64(n%3), "old", wide)},
			{Op: database.Insert, Table: "patient", Row: row(int64(n%3), "new", wide)},
		}}}})
		require.NoError(t, err)
		require.NoError(t, w.WaitDurable(ctx, seq))
	}
	require.NoError(t, w.Close(ctx))
	return mirror
}

func schema(t *testing.T, wide bool) *database.Schema {
	t.Helper()
	s := &database.Schema{Engine: "test"}
	for _, name := range []string{"patient", "visit"} {
		table := database.Table{Name: name, Key: []int{0}, Columns: []database.Column{{Name: "id", Type: "INTEGER"}, {Name: "v", Type: "TEXT"}}}
		if wide {
			table.Columns = append(table.Columns, database.Column{Name: "w", Type: "INTEGER"})
		}
		s.Tables = append(s.Tables, table)
	}
	require.NoError(t, s.Seal())
	return s
}

func row(id int64, v string, wide bool) []byte {
	r := database.AppendText(database.AppendInt(nil, id), v)
	if wide {
		r = database.AppendInt(r, 7)
	}
	return r
}

func TestAffected(t *testing.T) {
	t.Parallel()
	store := logOf(t)
	l := &affected.Log{Log: eventlog.OpenLog(store), PeopleTable: "patient"}
	tests := []struct {
		after, last uint64
		most        int
		visits      []string
		visitRows   int
		people      int
	}{
		{0, 20, 3, []string{"1", "2", "3"}, 20, 3},
		{4, 6, 10, []string{"5", "6"}, 2, 2},
		{9, 12, 10, []string{"10", "11", "12"}, 3, 3}, // over the change of schema
		{10, 11, 10, []string{"11"}, 1, 1},
		{19, 20, 0, nil, 1, 1},
	}
	for _, tt := range tests {
		got, err := l.Affected(t.Context(), tt.after, tt.last, tt.most)
		require.NoError(t, err)
		require.Equal(t, tt.last-tt.after, got.Transactions)
		require.Equal(t, tt.people, got.People)
		require.Equal(t, "visit", got.Tables[1].Table)
		require.Equal(t, tt.visitRows, got.Tables[1].Rows)
		require.Equal(t, tt.visits, got.Tables[1].Keys)
	}
}

func TestWhatCannotBeReadIsNotCounted(t *testing.T) {
	t.Parallel()
	store := logOf(t)
	l := &affected.Log{Log: eventlog.OpenLog(store)}
	_, err := l.Affected(t.Context(), 18, 21, 1)
	require.ErrorIs(t, err, eventlog.ErrGap)
	_, err = l.Affected(t.Context(), 5, 5, 1)
	require.ErrorContains(t, err, "is empty")
	var segments []string
	for _, name := range store.Names() {
		if len(name) > 4 && name[:4] == "log/" {
			segments = append(segments, name)
		}
	}
	require.True(t, store.Tamper(segments[8], func(b []byte) []byte { return memory.Flip(8 * (len(b) / 2))(b) }))
	_, err = l.Affected(t.Context(), 0, 20, 1)
	require.Error(t, err)
}
