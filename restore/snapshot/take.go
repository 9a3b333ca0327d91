package snapshot

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/database"
	"lifeboat/restore"
)

// Report is what Take, Delta and RollForward made.
type Report struct {
	restore.Snapshot
	Stored  Stored
	Elapsed time.Duration
	// Audit compares a base with what the snapshot before it and the log between them
	// say; nil when there was nothing to compare with. A mismatch does not make the base
	// worthless, it shows that earlier restore points miss a change.
	Audit *AuditReport
}

// Take scans the view, which must be exactly the transactions up to at, into a base in
// every store. When it returns nil the base is durable in all of them. It leaves the view
// open. It holds about 64 MiB beside the largest rows. One table at a time is read, on
// the caller's goroutine; hashing, compression and uploads run beside it.
func Take(ctx context.Context, cfg Config, view database.View, at eventlog.Position) (*Report, error) {
	if err := cfg.applyDefaultsAndValidate(); err != nil {
		return nil, err
	}
	s, err := newSession(cfg, restore.Base, at)
	if err == nil {
		err = s.takeOver(ctx)
	}
	if err == nil {
		err = s.setSchema(ctx, view.Schema())
	}
	if err == nil {
		err = s.scan(ctx, view)
	}
	if err == nil {
		s.report.Audit, err = s.compare(ctx)
	}
	if err == nil {
		err = s.publish(ctx)
	}
	s.end()
	if err != nil {
		return nil, fmt.Errorf("take a base at seq %d: %w", uint64(at.Seq), err)
	}
	return s.report, nil
}

// session is the making of one snapshot.
type session struct {
	cfg     Config
	codec   *restore.Codec
	schema  *database.Schema
	m       *restore.Manifest
	ledger  database.States // of the log at the manifest's position
	known   []map[eventlog.Digest]bool
	unpin   []func()
	report  *Report
	started time.Time
}

func newSession(cfg Config, kind restore.SnapshotKind, at eventlog.Position) (*session, error) {
	s := &session{cfg: cfg, started: cfg.Clock(), report: &Report{}}
	s.m = &restore.Manifest{Kind: kind, Position: at, Created: s.started.UTC()}
	for range cfg.Stores {
		s.known = append(s.known, make(map[eventlog.Digest]bool))
	}
	var err error
	s.codec, err = restore.NewCodec(encoders())
	return s, err
}

// pin keeps retention away from snapshots that are read or taken over, in one store.
func (s *session) pin(ctx context.Context, store blob.Store, snapshots ...restore.Snapshot) error {
	pin, err := restore.CreatePin(ctx, store, string(s.m.Kind)+" at seq "+s.m.Position.Seq.String(), s.cfg.Clock(), snapshots)
	if err != nil {
		return err
	}
	s.unpin = append(s.unpin, func() {
		if err := pin.Unpin(context.WithoutCancel(ctx), store); err != nil {
			s.cfg.Log.Warn("left a pin behind; it expires", "expires", pin.Expires, "err", err)
		}
	})
	return nil
}

// takeOver learns, for each store, which chunks of its newest whole snapshot are there.
// That snapshot is pinned: it must not be removed while its chunks are taken over.
func (s *session) takeOver(ctx context.Context) error {
	for i, store := range s.cfg.Stores {
		snapshots, _, err := restore.ReadSnapshots(ctx, store, s.codec)
		if err != nil {
			return err
		}
		snapshots = slices.DeleteFunc(snapshots, func(s restore.Snapshot) bool { return !s.Kind.Whole() })
		if len(snapshots) == 0 {
			continue
		}
		newest := snapshots[len(snapshots)-1]
		if err := s.pin(ctx, store, newest); err != nil {
			return err
		}
		if err := s.present(ctx, store, newest, s.known[i]); err != nil {
			return err
		}
	}
	return nil
}

// present adds the objects of a snapshot that its store lists with the right size. It
// checks that the manifest is still there now that it is pinned.
func (s *session) present(ctx context.Context, store blob.Store, of restore.Snapshot, known map[eventlog.Digest]bool) error {
	if _, err := store.Stat(ctx, of.Name()); err != nil {
		if errors.Is(err, blob.ErrNotExist) {
			return nil
		}
		return err
	}
	refs, err := s.codec.Objects(ctx, store, of.Manifest)
	var damage *restore.DamageError
	if errors.As(err, &damage) {
		s.cfg.Log.Warn("stores every chunk again: the snapshot before is damaged", "object", damage.Object, "err", err)
		return nil
	}
	if err != nil {
		return err
	}
	sizes := make(map[eventlog.Digest]int64, len(refs))
	for _, r := range refs {
		sizes[r.Digest] = r.Size
	}
	for info, err := range store.List(ctx, restore.ChunkPrefix, "") {
		if err != nil {
			return fmt.Errorf("list chunks: %w", err)
		}
		if d, ok := restore.ParseChunkName(info.Name); ok {
			if size, wanted := sizes[d]; wanted && size == info.Size {
				known[d] = true
			}
		}
	}
	return nil
}

// setSchema notes what the log says at the manifest's position.
func (s *session) setSchema(ctx context.Context, schema *database.Schema) (err error) {
	s.schema, s.m.NotCarried = schema, schema.NotCarried
	if s.m.Fingerprint, err = schema.Fingerprint(); err != nil {
		return err
	}
	at := s.m.Position
	if at.IsZero() {
		return nil
	}
	segment, err := eventlog.OpenLog(s.cfg.Stores[0]).Segment(ctx, at.Epoch, at.Slot)
	if err != nil {
		return fmt.Errorf("read the log at %s: %w", at, err)
	}
	if segment.Info().Digest != at.Digest {
		return fmt.Errorf("%w: the log holds another segment at %s", eventlog.ErrDiverged, at)
	}
	s.ledger, s.m.SchemaVersion = segment.Ledger(), segment.Info().SchemaVersion
	if logged := segment.Schema(); logged != nil {
		if f, err := logged.Fingerprint(); err != nil || f != s.m.Fingerprint {
			return errors.Join(fmt.Errorf("%w: the database has another schema than the log at %s: drain first", database.ErrSchemaChanged, at), err)
		}
	}
	return nil
}

// scan makes the chunks of every table from the view.
func (s *session) scan(ctx context.Context, view database.View) (err error) {
	if s.m.Counters, err = view.Counters(ctx); err != nil {
		return fmt.Errorf("read identities and sequences: %w", err)
	}
	w := newWriter(ctx, s.cfg, s.codec, s.known)
	progress := restore.Progress{Step: stepScan}
	builders := make([]*tableBuilder, len(s.schema.Tables))
	for i := range s.schema.Tables {
		progress.Total += max(view.RowCount(ctx, &s.schema.Tables[i]), 0)
		builders[i] = w.table(&s.schema.Tables[i], restore.KindRows, true)
	}
	for i := 0; err == nil && i < len(builders); i++ {
		for row, rerr := range view.Rows(w.ctx, builders[i].table) {
			if err = rerr; err == nil {
				err = builders[i].add(row)
			}
			if err != nil {
				err = fmt.Errorf("table %s: %w", builders[i].table.Name, err)
				break
			}
			if progress.Done++; progress.Done%10_000 == 0 {
				s.cfg.Progress(progress)
			}
		}
		if err == nil {
			err = builders[i].flush()
		}
	}
	s.cfg.Progress(progress)
	return s.finish(w, builders, err)
}

// stepScan is the step that Take reports progress of.
const stepScan = "scan"

// finish ends the writer and enters the tables in the manifest. The first error counts.
func (s *session) finish(w *writer, builders []*tableBuilder, err error) error {
	encodeErr := w.encoded()
	if err == nil {
		err = encodeErr
	}
	for _, b := range builders {
		if err != nil {
			break
		}
		var e restore.TableEntry
		if e, err = b.entry(); err == nil {
			e.State, e.Ledger = b.state, s.ledger[e.Name]
			s.m.Tables = append(s.m.Tables, e)
		}
	}
	if err == nil {
		err = s.putSchema(w)
	}
	closeErr := w.close()
	s.report.Stored = w.stored
	if cause := context.Cause(w.ctx); closeErr != nil && (err == nil || errors.Is(err, cause)) {
		err = closeErr
	}
	return err
}

func (s *session) putSchema(w *writer) error {
	encoded, err := s.schema.Encode()
	if err != nil {
		return err
	}
	body, ref, err := s.codec.Encode(nil, restore.KindSchema, len(s.schema.Tables), encoded)
	if err != nil {
		return err
	}
	s.m.Schema = ref
	return w.put(object{ref, body})
}

// publish writes the manifest to every store: now the snapshot exists.
func (s *session) publish(ctx context.Context) error {
	body, snapshot, err := s.m.Encode(s.codec)
	if err != nil {
		return err
	}
	if err := create(ctx, s.cfg.Stores, nil, snapshot.Name(), body); err != nil {
		return err
	}
	s.report.Snapshot = snapshot
	s.report.Elapsed = s.cfg.Clock().Sub(s.started)
	s.cfg.Log.Info("snapshot taken", "kind", s.m.Kind, "seq", s.m.Position.Seq, "new_bytes", s.report.Stored.NewBytes,
		"bytes", s.report.Stored.Bytes, "elapsed", s.report.Elapsed)
	return nil
}

// end lets retention have its way again.
func (s *session) end() {
	for _, unpin := range s.unpin {
		unpin()
	}
}
