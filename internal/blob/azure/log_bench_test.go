package azure_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"lifeboat/eventlog"
	"lifeboat/internal/agent"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/azure"
	"lifeboat/internal/blob/azure/azuritetest"
	"lifeboat/internal/blob/memory"
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

// BenchmarkMirrorOnAzurite: a log of so many segments is brought into a new mirror, as
// they are and after compaction, beside rclone with 16 transfers for the same objects.
// Run it with -benchtime 1x.
func BenchmarkMirrorOnAzurite(b *testing.B) {
	for _, c := range []struct{ count, size int }{{2_000, 4 << 10}, {10_000, 4 << 10}, {100, 1 << 20}, {1_000, 1 << 20}} {
		b.Run(fmt.Sprintf("%dx%dKiB", c.count, c.size>>10), func(b *testing.B) {
			regions := twoRegions(b)
			from := regions[0].Config(b)
			local := openStore(b, from)
			segments(b, local, c.count, c.size)
			b.ResetTimer()
			for range b.N {
				ours := mirrorLog(b, local, regions[1].Store(b))
				b.ReportMetric(ours.Seconds(), "lifeboat-s")
				b.StopTimer()
				if theirs, ok := rclone(b, regions, from, regions[1].Config(b)); ok {
					b.ReportMetric(theirs.Seconds(), "rclone-s")
					b.ReportMetric(theirs.Seconds()/ours.Seconds(), "rclone/lifeboat")
				}
				start := time.Now()
				_, err := eventlog.Compact(context.Background(), eventlog.CompactConfig{Store: local})
				require.NoError(b, err)
				b.ReportMetric(time.Since(start).Seconds(), "compact-s")
				b.ReportMetric(mirrorLog(b, local, regions[1].Store(b)).Seconds(), "packed-s")
			}
		})
	}
}

// segments fills a store with a log of segments of about that size: text of 64 letters.
func segments(b *testing.B, local blob.Store, count, size int) {
	made := memory.New()
	w := openLog(b, eventlog.WriterConfig{Local: made, Mirror: memory.New()})
	rng := rand.NewChaCha8([32]byte{1})
	value := make([]byte, size*4/3-500) // packs to three quarters
	for i := range count {
		_, _ = rng.Read(value)
		for at := range value {
			value[at] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_"[value[at]&63]
		}
		_, err := w.Append(context.Background(), insertion(int64(i), string(value)))
		require.NoError(b, err)
		_, err = w.Flush(context.Background())
		require.NoError(b, err)
	}
	require.NoError(b, w.Close(context.Background()))
	var g errgroup.Group
	g.SetLimit(16)
	for _, name := range made.Names() {
		body, _ := made.Bytes(name)
		g.Go(func() error { return local.Create(context.Background(), name, body) })
	}
	require.NoError(b, g.Wait())
}

func mirrorLog(b *testing.B, local, mirror blob.Store) time.Duration {
	start := time.Now()
	w, err := eventlog.OpenWriter(context.Background(), eventlog.WriterConfig{Local: local, Mirror: mirror, Reason: "a new mirror"})
	require.NoError(b, err)
	_, err = w.Flush(context.Background())
	require.NoError(b, err)
	took := time.Since(start)
	require.NoError(b, w.Close(context.Background()))
	return took
}

// rclone copies one container to another; false if it is not installed.
func rclone(b *testing.B, regions [2]*azuritetest.Server, from, to azure.Config) (time.Duration, bool) {
	program, err := exec.LookPath("rclone")
	if err != nil {
		b.Log("rclone is not installed: nothing to compare with")
		return 0, false
	}
	cmd := exec.Command(program, "copy", "--config", filepath.Join(b.TempDir(), "none"), "--transfers", "16", "--checkers", "16", "--disable", "copy",
		"a:"+from.Container, "b:"+to.Container)
	all := sas.AccountPermissions{Read: true, Write: true, Create: true, List: true, Add: true, Delete: true}
	cmd.Env = os.Environ()
	for i, name := range []string{"A", "B"} {
		signature := regions[i].SAS(b, all, time.Now().Add(time.Hour))
		cmd.Env = append(cmd.Env, "RCLONE_CONFIG_"+name+"_TYPE=azureblob", "RCLONE_CONFIG_"+name+"_SAS_URL="+regions[i].URL+"?"+string(signature))
	}
	start := time.Now()
	out, err := cmd.CombinedOutput()
	require.NoError(b, err, "%s", out)
	return time.Since(start), true
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
