package azure_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/azure"
	"lifeboat/internal/blob/azure/azuritetest"
	"lifeboat/internal/blob/memory"
)

// BenchmarkMirrorOnAzurite: a log of so many segments is brought into a new mirror,
// beside rclone with 16 transfers and azblob alone for the same objects, in turns. The first turn of each
// warms the servers up and does not count; of the others the median does. Then the same
// for the log after compaction, which the agent does every day. Run it with -benchtime 1x.
func BenchmarkMirrorOnAzurite(b *testing.B) {
	for _, c := range []struct{ count, size int }{{2_000, 4 << 10}, {10_000, 4 << 10}, {100, 1 << 20}, {1_000, 1 << 20}} {
		b.Run(fmt.Sprintf("%dx%dKiB", c.count, c.size>>10), func(b *testing.B) {
			regions := twoRegions(b)
			from := regions[0].Config(b)
			segments(b, openStore(b, from), c.count, c.size)
			b.ResetTimer()
			for range b.N {
				mirrorBeside(b, regions, from)
				b.StopTimer()
				_, err := eventlog.Compact(context.Background(), eventlog.CompactConfig{Store: openStore(b, from)})
				require.NoError(b, err)
				packed, _ := mirrorLog(b, from, regions[1].Config(b))
				b.ReportMetric(packed, "packed-s")
			}
		})
	}
}

// mirrorTurns is odd, for the median.
const mirrorTurns = 3

func mirrorBeside(b *testing.B, regions [2]*azuritetest.Server, from azure.Config) {
	var ours, theirs, plain []float64
	var requests int64
	for turn := range 1 + mirrorTurns {
		them, ok := rclone(b, regions, from, regions[1].Config(b))
		us, n := mirrorLog(b, from, regions[1].Config(b))
		loop := bareCopy(b, from, regions[1].Config(b))
		if turn > 0 {
			ours, plain, requests = append(ours, us), append(plain, loop), n
		}
		if turn > 0 && ok {
			theirs = append(theirs, them)
		}
	}
	b.ReportMetric(median(ours), "lifeboat-s")
	b.ReportMetric(float64(requests), "requests")
	b.ReportMetric(median(plain), "azblob-s")
	b.ReportMetric(median(plain)/median(ours), "azblob/lifeboat")
	if len(theirs) > 0 {
		b.ReportMetric(median(theirs), "rclone-s")
		b.ReportMetric(median(theirs)/median(ours), "rclone/lifeboat")
	}
}

func median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
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

// counted counts requests.
type counted struct {
	http.RoundTripper
	n *atomic.Int64
}

func (c counted) RoundTrip(r *http.Request) (*http.Response, error) {
	c.n.Add(1)
	return c.RoundTripper.RoundTrip(r)
}

// mirrorLog brings a log into an empty container, in how many seconds and requests.
func mirrorLog(b *testing.B, from, to azure.Config) (seconds float64, requests int64) {
	var n atomic.Int64
	from.Transport = counted{&http.Transport{MaxIdleConnsPerHost: 128}, &n}
	to.Transport = from.Transport
	start := time.Now()
	w, err := eventlog.OpenWriter(context.Background(), eventlog.WriterConfig{Local: openStore(b, from), Mirror: openStore(b, to), Reason: "a new mirror"})
	require.NoError(b, err)
	_, err = w.Flush(context.Background())
	require.NoError(b, err)
	seconds = time.Since(start).Seconds()
	require.NoError(b, w.Close(context.Background()))
	return seconds, n.Load()
}

// bareCopy reads every object and creates it in another container, 16 at once, in how many
// seconds. It checks nothing.
func bareCopy(b *testing.B, from, to azure.Config) float64 {
	source, target := openBare(b, from), openBare(b, to)
	start := time.Now()
	var g errgroup.Group
	g.SetLimit(16)
	for info, err := range openStore(b, from).List(context.Background(), "", "") {
		require.NoError(b, err)
		g.Go(func() error {
			body, err := source.body(context.Background(), info.Name)
			if err != nil {
				return err
			}
			return target.create(context.Background(), info.Name, body)
		})
	}
	require.NoError(b, g.Wait())
	return time.Since(start).Seconds()
}

// rclone copies one container to another, in how many seconds; false if it is not
// installed.
func rclone(b *testing.B, regions [2]*azuritetest.Server, from, to azure.Config) (float64, bool) {
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
	return time.Since(start).Seconds(), true
}
