package snapshot

import (
	"context"
	"errors"
	"fmt"

	"lifeboat/internal/blob"
	"lifeboat/internal/database"
	"lifeboat/restore"
	"lifeboat/restore/internal/pipeline"
)

// ReadConfig is what Read needs.
type ReadConfig struct {
	Store    blob.Store
	Snapshot restore.Snapshot
	Memory   int64  // bytes that changes may take before they go to TempDir: 512 MiB if 0
	TempDir  string // the system's if empty
	// Table is called with each table in turn and says who gets its rows; a nil function
	// skips the table. done is called when all of them were given and proven.
	Table func(t *database.Table) (row func(row []byte) error, done func() error, err error)
}

// Read gives every row of a snapshot, deltas merged into their base, without a database.
// Rows come in the order of the base, new ones at their place where the table is ordered;
// they are valid during the call. A table whose rows do not add up to the state in the
// manifest is an error (restore.ErrInconsistent) after its last row: then nothing of it
// may be used.
func Read(ctx context.Context, cfg ReadConfig) error {
	if err := read(ctx, cfg); err != nil {
		return fmt.Errorf("read the snapshot at seq %d: %w", uint64(cfg.Snapshot.Position.Seq), err)
	}
	return nil
}

func read(ctx context.Context, cfg ReadConfig) error {
	if cfg.Memory == 0 {
		cfg.Memory = restore.DefaultMemory
	}
	codec, err := restore.NewCodec(encoders())
	if err != nil {
		return err
	}
	snapshots, _, err := restore.ReadSnapshots(ctx, cfg.Store, codec)
	if err != nil {
		return err
	}
	chain, err := restore.Lineage(snapshots, cfg.Snapshot)
	if err != nil {
		return err
	}
	schema, err := codec.ReadSchema(ctx, cfg.Store, cfg.Snapshot.Manifest)
	if err != nil {
		return err
	}
	hashed := make([]bool, len(schema.Tables))
	for i := range hashed {
		hashed[i] = !chain[0].Tables[i].Ordered
	}
	net, err := restore.NewNet(restore.NetConfig{Schema: schema, Hashed: hashed, Memory: cfg.Memory / 2, TempDir: cfg.TempDir})
	if err != nil {
		return err
	}
	for _, delta := range chain[1:] {
		if err == nil {
			err = net.AddDelta(ctx, codec, cfg.Store, delta)
		}
	}
	if err == nil {
		err = net.Seal()
	}
	for i := range schema.Tables {
		if err == nil {
			r := reader{ReadConfig: cfg, codec: codec, net: net, table: &schema.Tables[i], base: &chain[0].Tables[i]}
			err = r.read(ctx, cfg.Snapshot.Tables[i].State)
		}
	}
	return errors.Join(err, net.Close())
}

// reader reads one table.
type reader struct {
	ReadConfig
	codec *restore.Codec
	net   *restore.Net
	table *database.Table
	base  *restore.TableEntry
}

func (r *reader) read(ctx context.Context, want database.State) error {
	take, done, err := r.Table(r.table)
	if err != nil || take == nil {
		return err
	}
	var got database.State
	var scratch []byte
	row := func(row []byte) error {
		var h database.RowHash
		h, scratch = r.table.Hash(scratch, row)
		got.Add(h)
		return take(row)
	}
	if err := r.merge(ctx, row); err != nil {
		return err
	}
	if got != want {
		return fmt.Errorf("%w: the rows of table %s add up to %s, the manifest says %s", restore.ErrInconsistent, r.table.Name, got, want)
	}
	return done()
}

func (r *reader) merge(ctx context.Context, row func([]byte) error) (err error) {
	chunks, err := r.codec.ReadChunks(ctx, r.Store, r.base)
	if err != nil {
		return err
	}
	number, _ := r.net.Table(r.table.Name)
	m, err := r.net.Merger(number, restore.Rows{Keep: row, Add: row})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	ahead := pipeline.Pipeline[[]byte]{
		Memory: pipeline.NewBudget(r.Memory / 8), Requests: uploads,
		Weigh: func(i int) int64 { return chunks[i].Weight() },
		Fetch: func(ctx context.Context, i int) ([]byte, error) {
			return r.codec.Fetch(ctx, r.Store, restore.KindRows, chunks[i].Ref)
		},
	}
	for item, err := range ahead.Run(ctx, len(chunks)) {
		if err != nil {
			return err
		}
		var next []byte
		if item.Index+1 < len(chunks) {
			next = chunks[item.Index+1].Start
		}
		if err := m.Chunk(chunks[item.Index], item.Value, next); err != nil {
			return err
		}
		item.Release()
	}
	return m.Finish()
}
