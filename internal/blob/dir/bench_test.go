package dir_test

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lifeboat/internal/blob/dir"
)

// BenchmarkCreate sets creates beside the same bytes written to a file and fsynced, with
// nothing else done for them: the disk's own limit. Each worker does the two in turn, so
// that both see the same load. A create needs two fsyncs, of the file and of its folder,
// the second shared with others.
func BenchmarkCreate(b *testing.B) {
	for _, workers := range []int{1, 16, 64} {
		for _, size := range []int{4 << 10, 1 << 20} {
			b.Run(fmt.Sprintf("%dx%dKiB", workers, size>>10), func(b *testing.B) {
				s, err := dir.Init(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				folder, body := b.TempDir(), make([]byte, size)
				compare(b, workers, size,
					func(i int64) error { return writeSync(filepath.Join(folder, fmt.Sprint(i)), body) },
					func(i int64) error { return s.Create(b.Context(), fmt.Sprintf("log/00000001/%016d", i), body) })
			})
		}
	}
}

// compare reports operations a second of each, as if it had all workers to itself, and
// their ratio.
func compare(b *testing.B, workers, size int, bare, store func(i int64) error) {
	b.SetBytes(2 * int64(size))
	var next, bareTime, storeTime atomic.Int64
	timed := func(total *atomic.Int64, f func(i int64) error, i int64) bool {
		start := time.Now()
		if err := f(i); err != nil {
			b.Error(err)
			return false
		}
		total.Add(int64(time.Since(start)))
		return true
	}
	b.ResetTimer()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				if !timed(&bareTime, bare, i) || !timed(&storeTime, store, i) {
					return
				}
			}
		})
	}
	wg.Wait()
	rate := func(total *atomic.Int64) float64 {
		return float64(b.N) * float64(workers) / time.Duration(total.Load()).Seconds()
	}
	b.ReportMetric(rate(&bareTime), "fsync/s")
	b.ReportMetric(rate(&storeTime), "create/s")
	b.ReportMetric(rate(&storeTime)/rate(&bareTime), "create/fsync")
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
