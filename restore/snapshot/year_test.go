package snapshot_test

import (
	"context"
	"fmt"
	"io"
	"iter"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/memory"
	"lifeboat/internal/database"
	"lifeboat/restore"
	"lifeboat/restore/internal/memdb"
	"lifeboat/restore/snapshot"
)

// counted counts the requests that a reader makes.
type counted struct {
	blob.Store
	gets, others atomic.Int64
}

func (c *counted) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	c.gets.Add(1)
	return c.Store.Get(ctx, name, off, n)
}

func (c *counted) Stat(ctx context.Context, name string) (blob.Info, error) {
	c.others.Add(1)
	return c.Store.Stat(ctx, name)
}

func (c *counted) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	c.others.Add(1)
	return c.Store.List(ctx, prefix, after)
}

// A log with a segment a second, compacted. A year of it is 31 million segments, in some
// hundred packs by TestObjectsAfterAYear of package eventlog; here 8 real packs and what is
// behind them show what a restore asks of the store for each.
func TestRestoreOfACompactedLogReadsFewObjects(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	const packs, perPack, tail = 8, 1024, 100
	local, mirror, schema := memory.New(), memory.New(), worldSchema()
	now := atomic.Int64{}
	clock := func() time.Time { return time.Unix(1_700_000_000+now.Load(), 0).UTC() }
	w, err := eventlog.OpenWriter(ctx, eventlog.WriterConfig{Local: local, Mirror: mirror, Reason: "test", Clock: clock})
	require.NoError(t, err)
	_, err = w.Append(ctx, eventlog.Batch{Schema: schema})
	require.NoError(t, err)
	at, err := w.Flush(ctx)
	require.NoError(t, err)
	db := memdb.New(schema)
	view, err := db.View(ctx)
	require.NoError(t, err)
	_, err = snapshot.Take(ctx, snapshot.Config{Stores: []blob.Store{local, mirror}, Clock: clock}, view, at)
	require.NoError(t, err)
	for i := range packs*perPack + tail - 1 {
		now.Add(1)
		c := database.Change{Op: database.Insert, Table: "plain", Row: database.AppendText(database.AppendInt(nil, int64(i)), fmt.Sprint("value ", i))}
		require.NoError(t, db.Change(c))
		_, err := w.Append(ctx, eventlog.Batch{Transactions: []eventlog.Pending{{TxID: "t", Time: clock(), Changes: []database.Change{c}}}})
		require.NoError(t, err)
		_, err = w.Flush(ctx)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close(ctx))
	reads := func(store blob.Store) int64 {
		s := &counted{Store: store}
		plan, _, err := restore.Prepare(ctx, s, restore.Latest())
		require.NoError(t, err)
		target := memdb.New(nil)
		_, err = restore.Run(ctx, restore.Config{Store: s, Unpinned: true}, plan, target)
		require.NoError(t, err)
		require.Equal(t, db.Contents(), target.Contents())
		t.Logf("%d reads of objects, %d other requests", s.gets.Load(), s.others.Load())
		return s.gets.Load()
	}
	before := reads(mirror)
	r, err := eventlog.Compact(ctx, eventlog.CompactConfig{Store: mirror, Delete: true, KeepSmall: -time.Hour, Clock: time.Now})
	require.NoError(t, err)
	require.Len(t, r.Packs, packs)
	require.Equal(t, packs*perPack, r.Deleted)
	after := reads(mirror)
	require.Less(t, after, int64(packs*6+tail*2+50))
	require.Less(t, after, before/20)

	// A new mirror is filled with packs from single segments, and restores as fast.
	fresh := memory.New()
	w, err = eventlog.OpenWriter(ctx, eventlog.WriterConfig{Local: local, Mirror: fresh, Reason: "test", Clock: clock})
	require.NoError(t, err)
	require.NoError(t, w.Close(ctx))
	for info, err := range mirror.List(ctx, "", "") {
		require.NoError(t, err)
		if _, _, _, ofLog := eventlog.Holds(info.Name); ofLog || info.Name == "store" {
			continue
		}
		body, err := blob.ReadAll(ctx, mirror, info.Name, 1<<30)
		require.NoError(t, err)
		require.NoError(t, fresh.Create(ctx, info.Name, body))
	}
	require.Less(t, reads(fresh), int64((packs+1)*6+50))
}
