package azure_test

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"lifeboat/internal/agent"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/azure/azuritetest"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database/sqlite"
	"lifeboat/internal/drill/embedded"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

// BenchmarkSnapshotOnAzurite: a base of a hospital's database into both regions and back
// from the mirror, beside azblob moving the same chunks, as many at once, and beside the
// same work with stores in memory: the two costs that one run has to bear together. Run it
// with -benchtime 1x.
func BenchmarkSnapshotOnAzurite(b *testing.B) {
	const rows = 400_000
	regions := twoRegions(b)
	path := filepath.Join(b.TempDir(), "app.sqlite")
	require.NoError(b, embedded.Hospital(context.Background(), path, rows, 1))
	source, err := sqlite.Open(context.Background(), path, sqlite.Options{})
	require.NoError(b, err)
	defer source.Close()
	_, err = source.Install(context.Background())
	require.NoError(b, err)
	take := func(primary, mirror blob.Store) float64 {
		return seconds(b, func() error {
			_, err := agent.TakeBase(context.Background(), agent.Config{Source: source, Primary: primary, Mirror: mirror})
			return err
		})
	}
	verify := func(s blob.Store) float64 {
		return seconds(b, func() error { _, err := snapshot.Verify(context.Background(), s, nil); return err })
	}
	b.ResetTimer()
	for i := range b.N {
		alone := memory.New()
		without := take(memory.New(), alone)
		bodies, total := chunks(b, alone)
		mb := total / 1e6
		bareUpload(b, regions, bodies) // warms the servers up
		there := regions[1].Config(b)
		b.ReportMetric(mb, "stored-MB")
		b.ReportMetric(mb/bareUpload(b, regions, bodies), "bare-up-MB/s")
		b.ReportMetric(mb/take(regions[0].Store(b), openStore(b, there)), "take-MB/s")
		b.ReportMetric(mb/without, "take-memory-MB/s")
		bodies, _ = chunks(b, openStore(b, there))
		b.ReportMetric(mb/bareDownload(b, openBare(b, there), bodies), "bare-down-MB/s")
		b.ReportMetric(mb/verify(openStore(b, there)), "verify-MB/s")
		b.ReportMetric(mb/verify(alone), "verify-memory-MB/s")
		b.ReportMetric(seconds(b, func() error {
			target, err := sqlite.OpenTarget(context.Background(), fmt.Sprintf("%s.restored%d", path, i), sqlite.Options{})
			require.NoError(b, err)
			plan, _, err := restore.Prepare(context.Background(), openStore(b, there), restore.Latest())
			require.NoError(b, err)
			_, err = restore.Run(context.Background(), restore.Config{Store: openStore(b, there)}, plan, target)
			return err
		}), "restore-s")
	}
}

func seconds(b *testing.B, do func() error) float64 {
	start := time.Now()
	require.NoError(b, do())
	return time.Since(start).Seconds()
}

func chunks(b *testing.B, s blob.Store) (map[string][]byte, float64) {
	bodies, total := map[string][]byte{}, 0.0
	for info, err := range s.List(context.Background(), restore.ChunkPrefix, "") {
		require.NoError(b, err)
		body, err := blob.ReadAll(context.Background(), s, info.Name, 1<<30)
		require.NoError(b, err)
		bodies[info.Name], total = body, total+float64(len(body))
	}
	return bodies, total
}

func bareUpload(b *testing.B, regions [2]*azuritetest.Server, bodies map[string][]byte) float64 {
	var g errgroup.Group
	g.SetLimit(16) // 8 for each store, as a snapshot has
	stores := [2]bare{openBare(b, regions[0].Config(b)), openBare(b, regions[1].Config(b))}
	return seconds(b, func() error {
		for name, body := range bodies {
			for _, s := range stores {
				g.Go(func() error { return s.create(context.Background(), name, body) })
			}
		}
		return g.Wait()
	})
}

func bareDownload(b *testing.B, s bare, bodies map[string][]byte) float64 {
	var g errgroup.Group
	g.SetLimit(8)
	return seconds(b, func() error {
		for name := range bodies {
			g.Go(func() error { return s.read(context.Background(), name) })
		}
		return g.Wait()
	})
}
