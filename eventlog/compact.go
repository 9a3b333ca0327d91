package eventlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"lifeboat/internal/blob"
)

// CompactConfig is what Compact needs.
type CompactConfig struct {
	Store blob.Store
	// Delete removes objects that a larger pack holds, once that pack has been read back
	// whole and the object is at least KeepSmall old by the store's clock.
	Delete    bool
	KeepSmall time.Duration
	// DryRun changes nothing and reports the same, taking for granted that packs yet to be
	// made would read back whole.
	DryRun bool
	Clock  func() time.Time // nil: time.Now
	Log    *slog.Logger     // nil: discard

	limits packLimits // zero: the usual ones
}

// CompactReport tells what Compact did.
type CompactReport struct {
	DryRun   bool     `json:"dry_run"`
	Packs    []string `json:"packs"`    // created
	Segments int      `json:"segments"` // in them, counted once for each pack
	Deleted  int      `json:"deleted"`  // objects
	Freed    int64    `json:"freed"`    // bytes
	Kept     int      `json:"kept"`     // could be deleted later: too young
	KeptWhy  string   `json:"kept_why"` // the store's reason if it refused a deletion
}

// packLimits say when a pack is full. Small packs keep what has to be read after the
// newest snapshot to a few objects; large ones, made of small ones, keep a year to
// hundreds.
type packLimits struct {
	segments, bigSegments int
	bytes, bigBytes       int64
	least                 int // segments that are worth a pack at the end of an epoch
}

func (l packLimits) orUsual() packLimits {
	if l == (packLimits{}) {
		return packLimits{segments: 1024, bigSegments: maxPackSegments, bytes: maxPackBytes / 4, bigBytes: maxPackBytes, least: 16}
	}
	return l
}

// Compact joins small segments of one store into packs, and small packs into large ones.
// A pack follows from the segments alone, so the other store gets the same ones; readers
// take segments from wherever they are. Only segments that are in both stores are
// joined. It is safe to run beside a writer, readers and another Compact, and to repeat.
func Compact(ctx context.Context, cfg CompactConfig) (*CompactReport, error) {
	if cfg.Store == nil {
		return nil, errors.New("compact the log: a store is needed")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	c := &compactor{objects: newObjects(cfg.Store, nil), cfg: cfg, limits: cfg.limits.orUsual(), report: &CompactReport{DryRun: cfg.DryRun, Packs: []string{}}}
	if err := c.run(ctx); err != nil {
		return c.report, fmt.Errorf("compact the log: %w", err)
	}
	return c.report, nil
}

type compactor struct {
	objects objects
	cfg     CompactConfig
	limits  packLimits
	report  *CompactReport
}

func (c *compactor) run(ctx context.Context) error {
	l := &Log{c.objects}
	for r, err := range l.reigns(ctx, Position{}) {
		if err == nil {
			err = r.nextErr
		}
		if err != nil {
			return err
		}
		closed := r.next != nil
		if !closed {
			if r.to, err = c.objects.settledOpen(ctx, r.record.Epoch); err != nil {
				return err
			}
		}
		if err := c.epoch(ctx, r, closed); err != nil {
			return err
		}
	}
	return nil
}

func (c *compactor) epoch(ctx context.Context, r reign, closed bool) error {
	e := r.record.Epoch
	packs, err := c.objects.packs(ctx, e)
	if err != nil {
		return err
	}
	singles, err := c.singles(ctx, e, r.to)
	if err != nil {
		return err
	}
	for _, p := range planSmall(e, uncovered(singles, packs), c.limits, closed) {
		if err := c.make(ctx, r.record, p); err != nil {
			return err
		}
		packs = append(packs, p)
	}
	outer, _ := nested(sortedPacks(packs))
	for _, p := range planBig(outer, c.limits, closed) {
		if err := c.make(ctx, r.record, p); err != nil {
			return err
		}
		packs = append(packs, p)
	}
	if !c.cfg.Delete {
		return nil
	}
	return c.clear(ctx, r.record, packs, singles)
}

// single is a segment in an object of its own, as a listing tells.
type single struct {
	slot    Slot
	size    int64
	created time.Time
}

// singles lists an epoch's objects below a slot.
func (c *compactor) singles(ctx context.Context, e Epoch, end Slot) ([]single, error) {
	prefix := logPrefix + e.String() + "/"
	var out []single
	for info, err := range c.objects.store.List(ctx, prefix, "") {
		if err != nil {
			return nil, fmt.Errorf("list %s: %w", prefix, err)
		}
		s, err := ParseSlot(strings.TrimPrefix(info.Name, prefix))
		if err != nil {
			continue // Verify names it
		}
		if s >= end {
			break
		}
		out = append(out, single{s, info.Size, info.Created})
	}
	return out, nil
}

// make builds a pack and stores it.
func (c *compactor) make(ctx context.Context, r *epochRecord, p pack) error {
	if c.cfg.DryRun {
		c.made(p)
		return nil
	}
	g := region{objects: c.objects}
	_, before, err := g.position(ctx, r, p.first)
	if err != nil {
		return err
	}
	body, err := c.objects.join(ctx, r, p, before)
	if err != nil {
		return err
	}
	if err := c.objects.store.Create(ctx, p.name(), body); err != nil {
		return fmt.Errorf("create %s: %w", p.name(), err)
	}
	c.made(p)
	c.cfg.Log.Info("packed segments of the log", "object", p.name(), "segments", p.count())
	return nil
}

func (c *compactor) made(p pack) {
	c.report.Packs = append(c.report.Packs, p.name())
	c.report.Segments += p.count()
}

// clear deletes what larger packs hold, after reading those back whole.
func (c *compactor) clear(ctx context.Context, r *epochRecord, packs []pack, singles []single) error {
	outer, inner := nested(sortedPacks(packs))
	for _, p := range outer {
		var names []blob.Info
		for len(singles) > 0 && singles[0].slot <= p.last {
			if s := singles[0]; s.slot >= p.first {
				names = append(names, blob.Info{Name: SegmentName(p.epoch, s.slot), Size: s.size, Created: s.created})
			}
			singles = singles[1:]
		}
		for _, q := range inner {
			if q.first >= p.first && q.last <= p.last {
				info, err := c.objects.store.Stat(ctx, q.name())
				if c.cfg.DryRun && errors.Is(err, blob.ErrNotExist) {
					continue // would have been made in this run, so it would be too young
				}
				if err != nil {
					return fmt.Errorf("look at %s: %w", q.name(), err)
				}
				names = append(names, info)
			}
		}
		names = c.ripe(names)
		if len(names) == 0 {
			continue
		}
		if err := c.verify(ctx, r, p); err != nil {
			return err
		}
		if err := c.delete(ctx, names); err != nil {
			return err
		}
	}
	return nil
}

// ripe are those old enough to go.
func (c *compactor) ripe(names []blob.Info) (out []blob.Info) {
	before := c.cfg.Clock().Add(-c.cfg.KeepSmall)
	for _, n := range names {
		if n.Created.After(before) {
			c.report.Kept++
			continue
		}
		out = append(out, n)
	}
	return out
}

// verify reads a pack back: every byte, and that it follows the log before it. Then it
// holds what the log has at these slots, since digests chain.
func (c *compactor) verify(ctx context.Context, r *epochRecord, p pack) error {
	if c.cfg.DryRun && slices.Contains(c.report.Packs, p.name()) {
		return nil
	}
	_, x, err := c.objects.wholePack(ctx, p)
	if err != nil {
		return err
	}
	g := region{objects: c.objects}
	_, before, err := g.position(ctx, r, p.first)
	if err != nil {
		return err
	}
	chain := chain{at: before}
	for i := range x.entries {
		if err := chain.step(x.segmentHeader(i), r); err != nil {
			return err
		}
		chain.at = x.entries[i].info.End()
	}
	return nil
}

func (c *compactor) delete(ctx context.Context, names []blob.Info) error {
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(copyWidth)
	for _, n := range names {
		if c.cfg.DryRun {
			break
		}
		if gctx.Err() != nil {
			break
		}
		group.Go(func() error { return c.objects.store.Delete(gctx, n.Name) })
	}
	err := group.Wait()
	if err == nil {
		err = ctx.Err()
	}
	if errors.Is(err, blob.ErrPermanent) { // immutable: the store's own retention decides
		c.report.KeptWhy = err.Error()
		return nil
	}
	if err != nil {
		return fmt.Errorf("delete what is packed: %w", err)
	}
	for _, n := range names {
		c.report.Deleted++
		c.report.Freed += n.Size
	}
	return nil
}
