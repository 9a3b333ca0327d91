package azure_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/azure/azuritetest"
)

// twoRegions are two Azurites. Their figures are of Azurite on this machine; what counts
// is the ratio to azblob alone, asked for the same, in the same run.
func twoRegions(b *testing.B) [2]*azuritetest.Server {
	return [2]*azuritetest.Server{azuritetest.Start(b, "uksouth"), azuritetest.Start(b, "ukwest")}
}

// BenchmarkLogOnAzurite: durable commits of 64 writers over two regions, beside bare
// create-only puts of as many bytes to both, with as many pairs under way at once as the
// log has segments. Log and puts take turns, after some puts that warm the servers up.
func BenchmarkLogOnAzurite(b *testing.B) {
	for _, c := range []struct {
		name   string
		width  int // segments, or pairs of puts, under way at once
		config eventlog.WriterConfig
	}{
		// As it comes: while a segment is under way, what is less than 256 KiB gathers.
		{"gathering", 1, eventlog.WriterConfig{}},
		{"pipelined", 4, eventlog.WriterConfig{Pipeline: 4, PipelineBytes: 1}},
	} {
		b.Run(c.name, func(b *testing.B) {
			regions := twoRegions(b)
			c.config.Local, c.config.Mirror = regions[0].Store(b), regions[1].Store(b)
			w := openLog(b, c.config)
			pairs := &barePairs{stores: [2]bare{openBare(b, regions[0].Config(b)), openBare(b, regions[1].Config(b))}}
			pairs.put(b, 300, c.width, 4<<10)
			var log, limit timings
			b.ResetTimer()
			for turn := range logTurns {
				began, err := w.Flush(b.Context())
				require.NoError(b, err)
				log.add(commits(b, w, (b.N+turn)/logTurns))
				at, err := w.Flush(b.Context())
				require.NoError(b, err)
				log.puts += int(at.Slot - began.Slot)
				b.StopTimer()
				limit.add(pairs.put(b, max(1, int(at.Slot-began.Slot)), c.width, averageSegment(b, c.config.Local, began)))
				b.StartTimer()
			}
			b.StopTimer()
			require.NoError(b, w.Close(context.Background()))
			limit.puts = len(limit.waits)
			b.ReportMetric(float64(len(log.waits))/log.seconds, "commits/s")
			b.ReportMetric(float64(len(log.waits))/float64(max(1, log.puts)), "commits/put")
			log.report(b, "")
			limit.report(b, "bare-")
			b.ReportMetric(float64(log.puts)/log.seconds/(float64(limit.puts)/limit.seconds), "puts/bare")
		})
	}
}

const logTurns = 2

// timings are how long each of many waited, and all together.
type timings struct {
	waits   []time.Duration
	seconds float64
	puts    int // to each store
}

func (t *timings) add(waits []time.Duration, seconds float64) {
	t.waits, t.seconds = append(t.waits, waits...), t.seconds+seconds
}

func (t *timings) report(b *testing.B, prefix string) {
	slices.Sort(t.waits)
	b.ReportMetric(float64(t.puts)/t.seconds, prefix+"puts/s")
	b.ReportMetric(t.waits[len(t.waits)/2].Seconds()*1e3, prefix+"p50-ms")
	b.ReportMetric(t.waits[len(t.waits)*99/100].Seconds()*1e3, prefix+"p99-ms")
}

// timed does something n times by so many workers.
func timed(b *testing.B, n, workers int, do func(i int) error) ([]time.Duration, float64) {
	waits := make([]time.Duration, n)
	var next atomic.Int64
	var group errgroup.Group
	start := time.Now()
	for range workers {
		group.Go(func() error {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				began := time.Now()
				if err := do(i); err != nil {
					return err
				}
				waits[i] = time.Since(began)
			}
			return nil
		})
	}
	require.NoError(b, group.Wait())
	return waits, time.Since(start).Seconds()
}

// commits appends n transactions by 64 writers, each durable before its writer's next.
func commits(b *testing.B, w *eventlog.Writer, n int) ([]time.Duration, float64) {
	value := strings.Repeat("x", 180)
	return timed(b, n, 64, func(i int) error {
		seq, err := w.Append(context.Background(), insertion(int64(i), value))
		if err != nil {
			return err
		}
		return w.WaitDurable(context.Background(), seq)
	})
}

// averageSegment is in bytes.
func averageSegment(b *testing.B, local blob.Store, after eventlog.Position) int {
	var n, size int64
	for info, err := range eventlog.OpenLog(local).Headers(b.Context(), after) {
		require.NoError(b, err)
		n, size = n+1, size+info.Size
	}
	return int(size / max(1, n))
}

// barePairs puts bodies to both regions by azblob alone.
type barePairs struct {
	stores [2]bare
	made   int
}

// put makes n pairs, so many at once: each is there when both regions have it.
func (p *barePairs) put(b *testing.B, n, width, size int) ([]time.Duration, float64) {
	body, first := make([]byte, size), p.made
	p.made += n
	return timed(b, n, width, func(i int) error {
		var g errgroup.Group
		for _, s := range p.stores {
			g.Go(func() error { return s.create(context.Background(), fmt.Sprintf("log/%016d", first+i), body) })
		}
		return g.Wait()
	})
}
