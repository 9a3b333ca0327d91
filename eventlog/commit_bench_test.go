package eventlog_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob/dir"
)

// BenchmarkCommit: durable commits a second of 64 writers over two folders, beside bare
// fsyncs a second of the same folder in the same run. Group commit should give at least
// ten times as many.
func BenchmarkCommit(b *testing.B) {
	root := b.TempDir()
	b.Run("limit/fsync", func(b *testing.B) {
		f, err := os.Create(filepath.Join(root, "bare"))
		require.NoError(b, err)
		defer f.Close()
		row := make([]byte, 200)
		for b.Loop() {
			_, err := f.Write(row)
			require.NoError(b, err)
			require.NoError(b, f.Sync())
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "fsyncs/s")
	})
	for _, writers := range []int{1, 64} {
		b.Run(fmt.Sprint("writers-", writers), func(b *testing.B) {
			local, err := dir.Init(filepath.Join(b.TempDir(), "local"))
			require.NoError(b, err)
			mirror, err := dir.Init(filepath.Join(b.TempDir(), "mirror"))
			require.NoError(b, err)
			w := openWithSchema(b, local, mirror)
			value := string(make([]byte, 180))
			var next atomic.Int64
			var group sync.WaitGroup
			b.ResetTimer()
			for range writers {
				group.Go(func() {
					for {
						i := next.Add(1)
						if i > int64(b.N) {
							return
						}
						seq, err := w.Append(background, one("tx", insert("t0", i, value)))
						if err == nil {
							err = w.WaitDurable(background, seq)
						}
						if err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			group.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "commits/s")
			at, err := w.Flush(background)
			require.NoError(b, err)
			b.ReportMetric(float64(b.N)/float64(max(1, at.Slot)), "commits/segment")
			require.NoError(b, w.Close(background))
		})
	}
}
