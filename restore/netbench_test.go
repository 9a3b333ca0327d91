package restore

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"lifeboat/internal/database"
)

// processor is the processor time of this process so far, in seconds.
func processor() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// BenchmarkNet adds up ten random updates of each of 300,000 rows of about a hundred
// bytes on two goroutines, in memory and with spills.
func BenchmarkNet(b *testing.B) {
	const keys, rounds, part = 300_000, 10, 20_000
	schema := &database.Schema{Engine: "test", Tables: []database.Table{
		{Name: "a", Columns: []database.Column{{Name: "id", Type: "int"}, {Name: "v", Type: "text"}}, Key: []int{0}}}}
	require.NoError(b, schema.Seal())
	rng := rand.New(rand.NewPCG(1, 2))
	var versions [keys]int
	var payloads [][]byte // each as a decoded block would be
	for range keys * rounds / part {
		var p []byte
		for range part {
			k := rng.IntN(keys)
			for i, op := range []database.Op{database.Delete, database.Insert} {
				p = AppendChange(p, op, database.AppendText(database.AppendInt(nil, int64(k)),
					fmt.Sprint("a row that is about a hundred bytes long altogether, of which the end changes ", k*31, (versions[k]+i)*77)))
			}
			versions[k]++
		}
		payloads = append(payloads, p)
	}
	for _, memory := range []int64{1 << 30, 32 << 20} {
		b.Run(fmt.Sprintf("%dMiB", memory>>20), func(b *testing.B) {
			for b.Loop() {
				start := processor()
				n, err := NewNet(NetConfig{Schema: schema, Memory: memory})
				require.NoError(b, err)
				var g errgroup.Group
				for half := range 2 {
					g.Go(func() error {
						for i := half; i < len(payloads); i += 2 {
							if err := n.addChunk(0, Chunk{Ref: Ref{Entries: 2 * part}}, payloads[i]); err != nil {
								return err
							}
						}
						return nil
					})
				}
				require.NoError(b, g.Wait())
				added, held := processor(), n.used.Load()
				require.NoError(b, n.Seal())
				groups, err := n.Groups(0)
				require.NoError(b, err)
				for g, err := groups.Next(); g != nil; g, err = groups.Next() {
					require.NoError(b, err)
				}
				b.ReportMetric((added-start)*1e9/(2*keys*rounds), "cpu-ns/change")
				b.ReportMetric((processor()-added)*1e9/keys, "cpu-ns/key-read")
				b.ReportMetric(float64(held)/keys, "B/key")
				b.ReportMetric(float64(n.Summary().Spills), "spills")
				require.NoError(b, n.Close())
			}
		})
	}
}
