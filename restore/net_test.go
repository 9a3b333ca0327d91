package restore

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
)

// netSchema has a table whose key leads the row, one whose key does not, and one whose
// key may be null, so that several rows share it.
func netSchema(t require.TestingT) *database.Schema {
	s := &database.Schema{Engine: "test", Tables: []database.Table{
		{Name: "a", Columns: []database.Column{{Name: "id", Type: "int", Identity: true}, {Name: "v", Type: "text"}}, Key: []int{0}},
		{Name: "b", Columns: []database.Column{{Name: "v", Type: "text"}, {Name: "k", Type: "text"}}, Key: []int{1}},
		{Name: "c", Columns: []database.Column{{Name: "k", Type: "text", Nullable: true}, {Name: "v", Type: "text"}}, Key: []int{0}},
	}}
	require.NoError(t, s.Seal())
	return s
}

func netRow(table, key int, value string) []byte {
	switch table {
	case 0:
		return database.AppendText(database.AppendInt(nil, int64(key)), value)
	case 1:
		return database.AppendText(database.AppendText(nil, value), fmt.Sprint("key ", key))
	default:
		return database.AppendText(database.AppendNull(nil), value)
	}
}

type testChange struct {
	Table int
	Op    database.Op
	Row   []byte
}

func drawChanges(t *rapid.T) []testChange {
	n := rapid.IntRange(0, 400).Draw(t, "changes")
	changes := make([]testChange, 0, n)
	for range n {
		value := rapid.SampledFrom([]string{"", "x", "yy", "a much longer value than the others, in another size class"}).Draw(t, "value")
		if rapid.IntRange(0, 50).Draw(t, "huge") == 0 {
			value += string(bytes.Repeat([]byte{'h'}, 40<<10))
		}
		table := rapid.IntRange(0, 2).Draw(t, "table")
		changes = append(changes, testChange{
			Table: table, Op: rapid.SampledFrom([]database.Op{database.Insert, database.Delete}).Draw(t, "op"),
			Row: netRow(table, rapid.IntRange(0, 12).Draw(t, "key"), value),
		})
	}
	return changes
}

// sumOf is the model: one factor per table and row.
func sumOf(changes []testChange) map[string]int {
	sum := make(map[string]int)
	for _, c := range changes {
		k := fmt.Sprintf("%d %x", c.Table, c.Row)
		if c.Op == database.Insert {
			sum[k]++
		} else {
			sum[k]--
		}
		if sum[k] == 0 {
			delete(sum, k)
		}
	}
	return sum
}

// collect reads all groups and checks their order.
func collect(t require.TestingT, n *Net) map[string]int {
	got := make(map[string]int)
	for table := range n.cfg.Schema.Tables {
		groups, err := n.Groups(table)
		require.NoError(t, err)
		var last []byte
		for first := true; ; first = false {
			g, err := groups.Next()
			require.NoError(t, err)
			if g == nil {
				break
			}
			require.True(t, first || bytes.Compare(last, g.Key) < 0, "keys must increase")
			last = slices.Clone(g.Key)
			for _, r := range g.Minus {
				got[fmt.Sprintf("%d %x", table, r.Row)]--
			}
			for _, r := range g.Plus {
				got[fmt.Sprintf("%d %x", table, r.Row)]++
			}
		}
	}
	return got
}

func TestNetIsTheSumOfItsChanges(t *testing.T) {
	t.Parallel()
	schema := netSchema(t)
	rapid.Check(t, func(t *rapid.T) {
		changes := drawChanges(t)
		n, err := NewNet(NetConfig{
			Schema: schema, Hashed: []bool{false, rapid.Bool().Draw(t, "hashed"), false}, KeepMinus: true,
			Memory: rapid.SampledFrom([]int64{0, 300 << 10, 1 << 30}).Draw(t, "memory"),
		})
		require.NoError(t, err)
		defer n.Close()
		// Three goroutines share the changes out in any order.
		var group errgroup.Group
		for part := range 3 {
			group.Go(func() error {
				b := n.Batch()
				for i := part; i < len(changes); i += 3 {
					if err := b.Add(changes[i].Table, changes[i].Op, changes[i].Row); err != nil {
						return err
					}
					if i%7 == 0 {
						if err := b.Flush(); err != nil {
							return err
						}
					}
				}
				return b.Flush()
			})
		}
		require.NoError(t, group.Wait())
		require.NoError(t, n.Seal())
		require.Equal(t, sumOf(changes), collect(t, n))
		require.Equal(t, int64(len(changes)), n.Summary().Changes)
	})
}

func TestNetRemembersIdentitiesOfRowsThatAreGone(t *testing.T) {
	t.Parallel()
	n, err := NewNet(NetConfig{Schema: netSchema(t), Memory: 1 << 20})
	require.NoError(t, err)
	defer n.Close()
	b := n.Batch()
	for _, id := range []int{7, 41, 12} {
		require.NoError(t, b.Add(0, database.Insert, netRow(0, id, "x")))
	}
	require.NoError(t, b.Add(0, database.Delete, netRow(0, 41, "x")))
	require.NoError(t, b.Flush())
	require.Equal(t, map[string]int64{"a": 41}, n.Counters(map[string]int64{"a": 7}))
	require.Equal(t, map[string]int64{"a": 50, "other": 1}, n.Counters(map[string]int64{"a": 50, "other": 1}))
}

func TestNetFreesWhatCancelsOut(t *testing.T) {
	t.Parallel()
	n, err := NewNet(NetConfig{Schema: netSchema(t), Memory: 1 << 30})
	require.NoError(t, err)
	defer n.Close()
	b := n.Batch()
	for round := range 200 {
		for key := range 500 {
			if round > 0 {
				require.NoError(t, b.Add(0, database.Delete, netRow(0, key, fmt.Sprint("value of round ", round-1))))
			}
			require.NoError(t, b.Add(0, database.Insert, netRow(0, key, fmt.Sprint("value of round ", round))))
		}
		require.NoError(t, b.Flush())
	}
	// 500 rows of 30 bytes in 64 shards: a page of rows and one of slots each.
	require.LessOrEqual(t, n.used.Load(), int64(64*(pageLen+slotPage*slotCost+64*8)))
}

// However much is added, no more than the limit is held, the rest is on disk, and nothing
// is lost on the way.
func TestNetHoldsNoMoreThanItsLimit(t *testing.T) {
	t.Parallel()
	const limit = 256 << 10
	value := string(bytes.Repeat([]byte{'v'}, 500))
	for _, times := range []int{2, 8, 32} { // the limit
		n, err := NewNet(NetConfig{Schema: netSchema(t), Memory: limit})
		require.NoError(t, err)
		defer n.Close()
		b, keys := n.Batch(), times*limit/len(value)
		for key := range keys {
			require.NoError(t, b.Add(0, database.Insert, netRow(0, key, value)))
			if key%1000 == 999 {
				require.NoError(t, b.Flush())
			}
			if n.used.Load() > limit {
				t.Fatalf("%d bytes held after %d keys, at most %d", n.used.Load(), key+1, limit)
			}
		}
		require.NoError(t, b.Flush())
		require.NoError(t, n.Seal())
		require.GreaterOrEqual(t, n.Summary().Spills, times-1)
		require.Len(t, collect(t, n), keys)
	}
}
