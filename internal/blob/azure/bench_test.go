package azure_test

import (
	"bytes"
	"context"
	"crypto/md5" // the service's transfer check
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob/azure"
	"lifeboat/internal/blob/azure/azuritetest"
)

// bare is azblob without anything of ours, asked for the same guarantees: the limit that
// the store is measured against in the same run.
type bare struct{ c *container.Client }

func openBare(b testing.TB, c azure.Config) bare {
	key, err := container.NewSharedKeyCredential(c.Account, string(c.Key))
	require.NoError(b, err)
	client, err := container.NewClientWithSharedKeyCredential(c.Endpoint+"/"+c.Container, key, nil)
	require.NoError(b, err)
	return bare{client}
}

func (s bare) create(ctx context.Context, name string, body []byte) error {
	sum, anything := md5.Sum(body), azcore.ETagAny // see the import
	_, err := s.c.NewBlockBlobClient(name).Upload(ctx, streaming.NopCloser(bytes.NewReader(body)), &blockblob.UploadOptions{
		TransactionalValidation: azblob.TransferValidationTypeMD5(sum[:]),
		AccessConditions:        &azblob.AccessConditions{ModifiedAccessConditions: &azblob.ModifiedAccessConditions{IfNoneMatch: &anything}},
	})
	return err
}

func (s bare) read(ctx context.Context, name string) error {
	r, err := s.c.NewBlobClient(name).DownloadStream(ctx, nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r.Body)
	_ = r.Body.Close()
	return err
}

func (s bare) body(ctx context.Context, name string) ([]byte, error) {
	r, err := s.c.NewBlobClient(name).DownloadStream(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer r.Body.Close()
	return io.ReadAll(r.Body)
}

// BenchmarkAzurite: its figures are of Azurite on this machine, not of Azure; the ratio
// of store to bare is what they are for. Each worker does the two in turn, so that both
// see the same load.
func BenchmarkAzurite(b *testing.B) {
	server := azuritetest.Start(b, "uksouth")
	for _, workers := range []int{1, 16} {
		for _, size := range []int{4 << 10, 1 << 20} {
			body := make([]byte, size)
			b.Run(fmt.Sprintf("create/%dx%dKiB", workers, size>>10), func(b *testing.B) {
				c := server.Config(b)
				store, plain := openStore(b, c), openBare(b, c)
				compare(b, workers, size,
					func(i int64) error { return plain.create(b.Context(), fmt.Sprintf("bare/%016d", i), body) },
					func(i int64) error { return store.Create(b.Context(), fmt.Sprintf("log/%016d", i), body) })
			})
		}
	}
	for _, workers := range []int{1, 8} {
		c := server.Config(b)
		store, plain, body := openStore(b, c), openBare(b, c), make([]byte, 4<<20)
		require.NoError(b, store.Create(b.Context(), "chunk", body))
		b.Run(fmt.Sprintf("read/%dx4MiB", workers), func(b *testing.B) {
			compare(b, workers, len(body),
				func(int64) error { return plain.read(b.Context(), "chunk") },
				func(int64) error { return drain(b.Context(), store, "chunk") })
		})
	}
}

func drain(ctx context.Context, s *azure.Store, name string) error {
	r, err := s.Get(ctx, name, 0, -1)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, r)
	_ = r.Close()
	return err
}

// compare reports operations a second of each, as if it had all workers to itself, and
// their ratio: 1 is no cost of ours.
func compare(b *testing.B, workers, size int, plain, store func(i int64) error) {
	b.SetBytes(2 * int64(size))
	var next, plainTime, storeTime atomic.Int64
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
				if !timed(&plainTime, plain, i) || !timed(&storeTime, store, i) {
					return
				}
			}
		})
	}
	wg.Wait()
	rate := func(total *atomic.Int64) float64 {
		return float64(b.N) * float64(workers) / time.Duration(total.Load()).Seconds()
	}
	b.ReportMetric(rate(&plainTime), "bare/s")
	b.ReportMetric(rate(&storeTime), "store/s")
	b.ReportMetric(rate(&storeTime)/rate(&plainTime), "store/bare")
}
