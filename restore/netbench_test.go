package restore

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"lifeboat/internal/database"
)

func BenchmarkNetUpdates(b *testing.B) {
	const keys, rounds = 500_000, 10
	schema := &database.Schema{Engine: "test", Tables: []database.Table{
		{Name: "a", Columns: []database.Column{{Name: "id", Type: "int"}, {Name: "v", Type: "text"}}, Key: []int{0}}}}
	schema.Seal()
	pad := "some text of a row that is about a hundred bytes long altogether, with a"
	mk := func(k, r int) []byte {
		return database.AppendText(database.AppendInt(nil, int64(k)), fmt.Sprint(pad, k*31, r*77))
	}
	var ops [][2][]byte
	rng := rand.New(rand.NewPCG(1, 2))
	var ver [keys]int
	for range keys * rounds {
		k := rng.IntN(keys)
		ops = append(ops, [2][]byte{mk(k, ver[k]), mk(k, ver[k]+1)})
		ver[k]++
	}
	for _, mem := range []int64{1 << 30, 64 << 20} {
		b.Run(fmt.Sprint(mem>>20), func(b *testing.B) {
			for range b.N {
				n, _ := NewNet(NetConfig{Schema: schema, Memory: mem})
				var wg sync.WaitGroup
				var next = make(chan int, 1000)
				for range 2 {
					wg.Go(func() {
						bt := n.Batch()
						for s := range next {
							for i := s; i < s+20000; i++ {
								bt.Add(0, database.Delete, ops[i][0])
								bt.Add(0, database.Insert, ops[i][1])
							}
							bt.Flush()
						}
					})
				}
				for s := 0; s < len(ops); s += 20000 {
					next <- s
				}
				close(next)
				wg.Wait()
				b.ReportMetric(float64(n.used.Load())/(1<<20), "MiB")
				b.ReportMetric(float64(len(n.runs)), "runs")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*len(ops))/float64(b.N), "ns/change-net")
				n.Seal()
				g, _ := n.Groups(0)
				c := 0
				for {
					x, _ := g.Next()
					if x == nil {
						break
					}
					c++
				}
				b.ReportMetric(float64(c), "groups")
				n.Close()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(2*len(ops))/float64(b.N), "ns/change")
		})
	}
}
