package snapshot_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/internal/database"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

// What Read gives of any snapshot is what the database was there.
func TestReadGivesTheRows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		defer w.close()
		w.live()
		tip := rapid.SampledFrom(w.snapshots).Draw(t, "snapshot")
		got := map[string][][]byte{}
		err := snapshot.Read(w.ctx, snapshot.ReadConfig{Store: w.mirror, Snapshot: tip, Table: func(table *database.Table) (func([]byte) error, func() error, error) {
			if table.Name == "pair" {
				return nil, nil, nil
			}
			return func(row []byte) error {
				got[table.Name] = append(got[table.Name], bytes.Clone(row))
				return nil
			}, func() error { return nil }, nil
		}})
		require.NoError(t, err)
		require.NotContains(t, got, "pair")
		for name, rows := range w.states[tip.Position.Seq].Contents() {
			if name == "pair" {
				continue
			}
			slices.SortFunc(rows, bytes.Compare)
			slices.SortFunc(got[name], bytes.Compare)
			require.Len(t, got[name], len(rows), name)
			for i := range rows {
				require.Equal(t, rows[i], got[name][i])
			}
		}
		bad := *tip.Manifest
		bad.Tables = slices.Clone(bad.Tables)
		bad.Tables[0].State = bad.Tables[0].State.Plus(database.State{Count: 1})
		tip.Manifest = &bad
		err = snapshot.Read(w.ctx, snapshot.ReadConfig{Store: w.mirror, Snapshot: tip, Table: func(*database.Table) (func([]byte) error, func() error, error) {
			return func([]byte) error { return nil }, func() error { return nil }, nil
		}})
		require.ErrorIs(t, err, restore.ErrInconsistent)
	})
}
