package dir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"lifeboat/internal/blob/dir"
)

// BenchmarkCreate reports creates per second beside the same files written and fsynced
// with nothing else done for them: the disk's own limit in this run.
func BenchmarkCreate(b *testing.B) {
	for _, workers := range []int{1, 16, 64} {
		for _, size := range []int{4 << 10, 1 << 20} {
			body := make([]byte, size)
			b.Run(fmt.Sprintf("store/%dx%dKiB", workers, size>>10), func(b *testing.B) {
				s, err := dir.Init(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close() //nolint:errcheck // a benchmark
				spread(b, workers, size, func(i int64) error {
					return s.Create(b.Context(), fmt.Sprintf("log/00000001/%016d", i), body)
				})
			})
			b.Run(fmt.Sprintf("fsync/%dx%dKiB", workers, size>>10), func(b *testing.B) {
				folder := b.TempDir()
				spread(b, workers, size, func(i int64) error {
					return writeSync(filepath.Join(folder, fmt.Sprint(i)), body)
				})
			})
		}
	}
}

func spread(b *testing.B, workers, size int, f func(i int64) error) {
	b.SetBytes(int64(size))
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if err := f(i); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
}

func writeSync(path string, body []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := f.Write(body); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}
