package eventlog

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lifeboat/internal/blob"
)

func randomID() (id ID) {
	_, _ = rand.Read(id[:]) // never fails: see crypto/rand
	return id
}

// OpenWriter begins a new epoch and returns its writer. Before that it ends the previous
// epoch in the stores and makes both hold the same log, whichever of them is behind
// (a new, empty mirror as well). In blocking mode it keeps trying until both stores
// answer or ctx ends; with Degrade it goes on without the mirror when Patience is used
// up. ErrFenced: the log has moved to another store by Takeover, or another writer
// started at the same moment. ErrDiverged, ErrOtherStream: the two stores do not belong
// together. ctx bounds the start alone.
func OpenWriter(ctx context.Context, cfg WriterConfig) (*Writer, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	local := newRegion(cfg.Local, &retrier{role: "local", attempt: cfg.AttemptTimeout, log: cfg.Log})
	mirror := newRegion(cfg.Mirror, &retrier{role: "mirror", attempt: cfg.AttemptTimeout, log: cfg.Log})
	if cfg.OnMirrorLoss == Degrade {
		mirror.retry.patience, mirror.retry.stubborn = cfg.Patience, true
	}
	now := cfg.Clock().UTC().Round(0)
	id := cfg.newID()
	b := &beginner{
		first: mirror, second: local, home: local, newID: cfg.newID, log: cfg.Log, limits: cfg.limits,
		record: epochRecord{Writer: id, Begun: now, Reason: cfg.Reason},
		fences: fenceRecord{By: id, Time: now, Reason: cfg.Reason},
	}
	start, err := b.open(ctx)
	joined := true
	if errors.Is(err, errUnreachable) && cfg.OnMirrorLoss == Degrade {
		cfg.Log.Warn("starting without the mirror", "err", err)
		b.first, b.second, joined = local, nil, false
		start, err = b.open(ctx)
	}
	if err != nil {
		return nil, fmt.Errorf("open the log for writing: %w", err)
	}
	mirror.retry.patience = 0
	w, err := newWriter(ctx, cfg, start, local, mirror)
	if err != nil {
		return nil, fmt.Errorf("open the log for writing: %w", err)
	}
	if w.mirror.joined = joined; !joined {
		if err := w.assumeDurable(ctx, start.last); err != nil {
			return nil, fmt.Errorf("open the log for writing: %w", err)
		}
		w.mu.Lock()
		w.degrade("not reachable at the start")
		w.mu.Unlock()
		w.group.Go(func() { w.join(start.body) })
	}
	w.group.Go(w.run)
	cfg.Log.Info("began an epoch", "epoch", start.record.Epoch, "seq", start.record.End.Seq, "reason", cfg.Reason)
	return w, nil
}

// newWriter takes up the log where it ends.
func newWriter(ctx context.Context, cfg WriterConfig, start *begun, local, mirror *region) (*Writer, error) {
	enc, err := newEncoder()
	if err != nil {
		return nil, err
	}
	w := &Writer{
		cfg: cfg, record: start.record, enc: enc,
		kick:    make(chan struct{}, 1),
		tableAt: make(map[string]int), items: make(map[Slot]*item),
		local: newLane(local, true, start.record.End), mirror: newLane(mirror, true, start.record.End),
		sentEnd: start.record.End, durable: start.record.End, durableAt: cfg.Clock().UTC(),
		last: start.record.End.Seq,
	}
	w.ctx, w.cancel = context.WithCancelCause(context.Background())
	if start.last == nil {
		return w, nil
	}
	schemas := schemaReader{objects: local.objects}
	if w.schema, err = schemas.inForce(ctx, start.last); err != nil {
		return nil, err
	}
	f := start.last.footer
	w.lastTime = start.last.header.lastTime
	w.schemaCount, w.schemaPlace = start.last.header.schemaVersion, f.schema
	w.tables = f.tables
	for i, t := range w.tables {
		w.tableAt[t.name] = i
	}
	w.outstanding = *f.outstanding.Clone()
	return w, nil
}

// assumeDurable finds how much of the log the mirror is known to have while it cannot be
// asked: what the last segment says was in both stores when it was made.
func (w *Writer) assumeDurable(ctx context.Context, last *Segment) error {
	w.durable = Position{}
	if last == nil || last.header.floor == 0 {
		return nil
	}
	at, err := w.local.region.slot(ctx, last.info.Epoch, last.header.floor-1)
	if err != nil || at.segment == nil {
		return err
	}
	w.durable = at.segment.info.End()
	return nil
}

// join brings a mirror that was away at the start to where this epoch begins.
func (w *Writer) join(record []byte) {
	b := &beginner{
		first: w.local.region, second: w.mirror.region, home: w.local.region,
		newID: w.cfg.newID, log: w.cfg.Log, limits: w.cfg.limits,
		fences: fenceRecord{Stream: w.record.Stream, By: w.record.Writer, Time: w.record.Begun, Reason: w.record.Reason},
	}
	if err := b.join(w.ctx, w.record, record); err != nil {
		if !errors.Is(err, ErrFenced) && w.ctx.Err() == nil {
			err = fmt.Errorf("%w: the mirror cannot follow this epoch: %w", ErrFenced, err)
		}
		w.fail(err)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mirror.joined = true
	w.durable, w.durableAt = w.mirror.end, w.cfg.Clock().UTC()
	w.pump(w.mirror)
	w.progress.all()
}

// TakeoverConfig is what Takeover needs.
type TakeoverConfig struct {
	DR     blob.Store // the log's home from now on
	Old    blob.Store // nil: lost
	Reason string     // kept in the log
	Log    *slog.Logger
	Clock  func() time.Time // nil: time.Now
	// Patience is how long Old may fail before the takeover ends with an error. Lost
	// for good is said by a nil Old, not guessed. 0: 1 minute.
	Patience time.Duration
	// AttemptTimeout is that of WriterConfig.
	AttemptTimeout time.Duration

	newID  func() ID
	limits packLimits // zero: the usual ones
}

// TakeoverReport tells what a takeover found and did.
type TakeoverReport struct {
	Epoch Epoch    `json:"epoch"` // the new one
	End   Position `json:"end"`   // where the log goes on
	// Copied are the segments that one of the two stores lacked and now has.
	Copied []SegmentInfo `json:"copied"`
	// Orphans were never acknowledged and are not in the log; their stores keep them.
	Orphans []SegmentInfo `json:"orphans"`
	// OldFailed tells why the old store could be read and not be fenced; empty if it was.
	OldFailed string `json:"old_failed,omitempty"`
}

// Takeover ends the epoch of the previous writer, so that it can never again be
// acknowledged, saves what only the old store has, and makes DR the home of the log in a
// new epoch. OpenWriter with DR as the local store goes on from there. It is safe to
// repeat after an error. An Old that cannot be read is an error; one that cannot be
// written to is reported.
func Takeover(ctx context.Context, cfg TakeoverConfig) (*TakeoverReport, error) {
	w := WriterConfig{Local: cfg.DR, Mirror: cfg.DR, Reason: cfg.Reason, Log: cfg.Log, Clock: cfg.Clock,
		AttemptTimeout: cfg.AttemptTimeout, Patience: cfg.Patience, newID: cfg.newID}
	if cfg.Patience == 0 {
		w.Patience = time.Minute
	}
	if err := w.complete(); err != nil {
		return nil, err
	}
	dr := newRegion(cfg.DR, &retrier{role: "dr", attempt: w.AttemptTimeout, log: w.Log})
	now := w.Clock().UTC().Round(0)
	id := w.newID()
	b := &beginner{
		first: dr, home: dr, newID: w.newID, log: w.Log, limits: cfg.limits, lenient: true,
		record: epochRecord{Writer: id, Begun: now, Reason: w.Reason, Takeover: true},
		fences: fenceRecord{By: id, Time: now, Reason: w.Reason},
	}
	if cfg.Old != nil {
		b.second = newRegion(cfg.Old, &retrier{role: "old", attempt: w.AttemptTimeout, patience: w.Patience, log: w.Log})
	}
	start, err := b.open(ctx)
	if errors.Is(err, errUnreachable) {
		return nil, fmt.Errorf("takeover: %w; if that store is lost for good, take over without it", err)
	}
	if err != nil {
		return nil, fmt.Errorf("takeover: %w", err)
	}
	r := &TakeoverReport{Epoch: start.record.Epoch, End: start.record.End, Copied: b.copied, Orphans: b.orphans}
	if b.lost != nil {
		r.OldFailed = b.lost.Error()
	}
	return r, nil
}
