package mssql_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/agent"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database/mssql"
	"lifeboat/restore"
)

// BenchmarkTableWhole takes a whole base and restores it, verified, beside a bare SELECT
// and a bare CopyIn of the same rows. The stores are in memory.
func BenchmarkTableWhole(b *testing.B) {
	u, target, table := filled(b)
	load(b, target, table, 0)
	require.NoError(b, target.Finish(b.Context(), nil))
	require.NoError(b, target.ForgetProgress(b.Context()))
	source, err := mssql.Open(b.Context(), mssql.Config{URL: u})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, source.Close()) })
	_, err = source.Install(b.Context())
	require.NoError(b, err)
	primary, mirror := memory.New(), memory.New()
	db := application(b, u)
	b.Run("bare select", func(b *testing.B) {
		for b.Loop() {
			require.Equal(b, *benchRows, bareSelect(b, db))
		}
		rate(b)
	})
	b.Run("base", func(b *testing.B) {
		for b.Loop() {
			_, err := agent.TakeBase(b.Context(), agent.Config{Source: source, Primary: primary, Mirror: mirror})
			require.NoError(b, err)
		}
		rate(b)
	})
	b.Run("bare copy", func(b *testing.B) {
		db := application(b, u)
		for b.Loop() {
			b.StopTimer()
			execAll(b, db, "DROP TABLE IF EXISTS dbo.wide", wide)
			b.StartTimer()
			for from := 0; from < *benchRows; from += unitRows {
				bareCopy(b, db, from, min(unitRows, *benchRows-from))
			}
		}
		rate(b)
	})
	b.Run("restore", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			into := openTarget(b, scratch(b))
			plan, _, err := restore.Prepare(b.Context(), mirror, restore.Latest())
			require.NoError(b, err)
			b.StartTimer()
			_, err = restore.Run(b.Context(), restore.Config{Store: mirror}, plan, into)
			require.NoError(b, err)
			b.StopTimer()
			require.NoError(b, into.Close())
			b.StartTimer()
		}
		rate(b)
	})
}
