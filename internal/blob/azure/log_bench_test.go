package azure_test

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"lifeboat/eventlog"
	"lifeboat/internal/agent"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/azure/azuritetest"
	"lifeboat/internal/database/sqlite"
	"lifeboat/internal/drill/embedded"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

// twoRegions are two Azurites. Their figures are of Azurite on this machine; what counts
// is the ratio to azblob alone, asked for the same, in the same run.
func twoRegions(b *testing.B) [2]*azuritetest.Server {
	return [2]*azuritetest.Server{azuritetest.Start(b, "uksouth"), azuritetest.Start(b, "ukwest")}
}

// BenchmarkLogOnAzurite: durable commits a second of 64 writers over two regions, beside
// bare create-only puts of as many bytes to both, one pair at a time as the log does.
func BenchmarkLogOnAzurite(b *testing.B) {
	regions := twoRegions(b)
	local := regions[0].Store(b)
	w := openLog(b, eventlog.WriterConfig{Local: local, Mirror: regions[1].Store(b)})
	value := strings.Repeat("x", 180)
	began, _ := w.Flush(b.Context())
	var next atomic.Int64
	waits := make([]time.Duration, b.N)
	var group sync.WaitGroup
	b.ResetTimer()
	for range 64 {
		group.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				start := time.Now()
				seq, err := w.Append(context.Background(), insertion(i, value))
				if err == nil {
					err = w.WaitDurable(context.Background(), seq)
				}
				if err != nil {
					b.Error(err)
					return
				}
				waits[i-1] = time.Since(start)
			}
		})
	}
	group.Wait()
	b.StopTimer()
	took := b.Elapsed().Seconds()
	at, err := w.Flush(b.Context())
	require.NoError(b, err)
	slices.Sort(waits)
	segments := int(at.Slot - began.Slot)
	b.ReportMetric(float64(b.N)/took, "commits/s")
	b.ReportMetric(float64(segments)/took, "puts/s")
	b.ReportMetric(float64(b.N)/float64(max(1, segments)), "commits/put")
	b.ReportMetric(waits[len(waits)/2].Seconds()*1e3, "p50-ms")
	b.ReportMetric(waits[len(waits)*99/100].Seconds()*1e3, "p99-ms")
	bare := barePairs(b, regions, max(1, min(segments, 2000)), int(averageSegment(b, local, began)))
	b.ReportMetric(bare, "bare-puts/s")
	b.ReportMetric(float64(segments)/took/bare, "puts/bare")
	require.NoError(b, w.Close(context.Background()))
}

// averageSegment is in bytes.
func averageSegment(b *testing.B, local blob.Store, after eventlog.Position) int64 {
	var n, size int64
	for info, err := range eventlog.OpenLog(local).Headers(b.Context(), after) {
		require.NoError(b, err)
		n, size = n+1, size+info.Size
	}
	return size / max(1, n)
}

// barePairs puts n bodies to both regions, each pair when the one before is there.
func barePairs(b *testing.B, regions [2]*azuritetest.Server, n, size int) float64 {
	stores := [2]bare{openBare(b, regions[0].Config(b)), openBare(b, regions[1].Config(b))}
	body := make([]byte, size)
	start := time.Now()
	for i := range n {
		var g errgroup.Group
		for _, s := range stores {
			g.Go(func() error { return s.create(context.Background(), fmt.Sprintf("log/%016d", i), body) })
		}
		require.NoError(b, g.Wait())
	}
	return float64(n) / time.Since(start).Seconds()
}

// BenchmarkSnapshotOnAzurite: a base of a hospital's database into both regions and back
// from the mirror, beside azblob moving the same chunks. Run it with -benchtime 1x.
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
	b.ResetTimer()
	for i := range b.N {
		there := regions[1].Config(b)
		start := time.Now()
		_, err := agent.TakeBase(context.Background(), agent.Config{Source: source, Primary: regions[0].Store(b), Mirror: openStore(b, there)})
		require.NoError(b, err)
		up := time.Since(start).Seconds()
		b.StopTimer()
		bodies, total := chunks(b, openStore(b, there))
		mb := total / 1e6
		b.ReportMetric(mb, "stored-MB")
		b.ReportMetric(mb/up, "take-MB/s")
		b.ReportMetric(mb/bareUpload(b, regions, bodies), "bare-up-MB/s")
		b.ReportMetric(mb/seconds(b, func() error {
			_, err := snapshot.Verify(context.Background(), openStore(b, there), nil)
			return err
		}), "verify-MB/s")
		b.ReportMetric(mb/bareDownload(b, openBare(b, there), bodies), "bare-down-MB/s")
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
