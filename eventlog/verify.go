package eventlog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// VerifyReport is what Verify found.
type VerifyReport struct {
	Stream       ID            `json:"stream"`
	Epochs       int           `json:"epochs"`
	Segments     int           `json:"segments"` // whole, without orphans
	Transactions uint64        `json:"transactions"`
	Bytes        int64         `json:"bytes"`
	End          Position      `json:"end"`    // of what is whole from the beginning
	Damage       []Damage      `json:"damage"` // empty: the log is whole
	Orphans      []SegmentInfo `json:"orphans"`
	// Strays are fences under the names of slots whose segments are in packs. They were
	// made by somebody who had not seen the pack, end nothing, and are no damage.
	Strays []string `json:"strays,omitempty"`
	// Intact are the maximal runs of transactions that the store proves: from a snapshot
	// in a run (or just before it) every later point of the run can be restored.
	Intact []SeqRange `json:"intact"`
}

// SeqRange is inclusive on both sides; empty when First > Last.
type SeqRange struct {
	First Seq `json:"first"`
	Last  Seq `json:"last"`
}

// LastSeq stands for an end that cannot be known: the last segment of a log is damaged.
const LastSeq Seq = 9_999_999_999_999_999

// Damage is one object that is wrong or missing.
type Damage struct {
	Object string `json:"object"`
	// Through is the last of a run of segments that are missing, of which Object is the
	// first; empty if it is alone.
	Through string `json:"through,omitempty"`
	// Lost are the transactions that the object held; where several in a row are damaged
	// beyond reading, those that they held together. Empty: none.
	Lost   SeqRange `json:"lost"`
	Detail string   `json:"detail"`
	// Err wraps ErrCorrupt, ErrTruncated, ErrNewerVersion, ErrGap or ErrDiverged.
	Err error `json:"-"`
}

// Verify reads every object of the log and names everything that is wrong. It repairs
// nothing. The error is for a store that cannot be read; damage is in the report. That
// the newest segments of an open epoch are missing cannot be seen from one store alone:
// compare End with the other store's, or with a position that a snapshot has.
func (l *Log) Verify(ctx context.Context) (*VerifyReport, error) {
	return l.VerifyFrom(ctx, VerifyState{}, nil)
}

// VerifyState is how far a verification got that has found nothing wrong. The zero value
// is the beginning. It can be kept as JSON.
type VerifyState struct {
	Stream       ID            `json:"stream"`
	At           Position      `json:"at"` // of the last segment that was read and is whole
	Segments     int           `json:"segments"`
	Transactions uint64        `json:"transactions"`
	Bytes        int64         `json:"bytes"`
	Orphans      []SegmentInfo `json:"orphans"`
	Strays       []string      `json:"strays,omitempty"`
}

// VerifyFrom is Verify that goes on where an earlier one stopped, without reading again
// what that one found whole. progress, which may be nil, is told after every segment how
// far it got; from the first damage on it is told nothing more, so that going on from
// there finds the damage again.
func (l *Log) VerifyFrom(ctx context.Context, from VerifyState, progress func(VerifyState)) (*VerifyReport, error) {
	v := &verifier{objects: l.objects, report: &VerifyReport{}, resumed: from.At, progress: progress}
	if !from.At.IsZero() {
		v.at, v.open = from.At, true
		*v.report = VerifyReport{
			Stream: from.Stream, Segments: from.Segments, Transactions: from.Transactions, Bytes: from.Bytes, End: from.At,
			Orphans: slices.Clone(from.Orphans), Strays: slices.Clone(from.Strays), Intact: []SeqRange{{First: 1, Last: from.At.Seq}},
		}
	}
	if err := v.run(ctx); err != nil {
		return nil, fmt.Errorf("verify the log: %w", err)
	}
	return v.report, nil
}

type verifier struct {
	objects objects
	report  *VerifyReport

	at      Position // of the last whole segment, or what an epoch's record says
	chained bool     // what follows must follow at
	open    bool     // the last of report.Intact goes on
	whole   bool     // nothing was wrong so far
	from    Seq      // the first transaction that the pending damage may have held
	pending []int    // damage of segments whose transactions are not known yet

	resumed  Position // everything up to here was verified before
	progress func(VerifyState)
	ahead    int64 // bytes of the next epoch's record
}

func (v *verifier) run(ctx context.Context) error {
	v.chained, v.whole, v.from = true, true, v.resumed.Seq+1
	if err := v.names(ctx); err != nil {
		return err
	}
	last, err := v.lastEpoch(ctx)
	if err != nil || last == 0 {
		return err
	}
	first, before := max(v.resumed.Epoch, 1), v.report.Bytes
	this, err := v.record(ctx, first)
	if !v.resumed.IsZero() {
		v.report.Bytes = before // its record was counted then
	}
	for e := first; err == nil && e <= last; e++ {
		var next *epochRecord
		before = v.report.Bytes
		if e < last {
			next, err = v.record(ctx, e+1)
		}
		v.ahead = v.report.Bytes - before
		if err == nil {
			err = v.epoch(ctx, e, this, next, e == last)
		}
		this = next
	}
	v.settle(LastSeq)
	v.report.Intact = slices.DeleteFunc(v.report.Intact, func(r SeqRange) bool { return r.First > r.Last })
	return err
}

// names finds objects that do not belong here, and the store's identity.
func (v *verifier) names(ctx context.Context) error {
	any := false
	for _, prefix := range []string{epochPrefix, logPrefix, packPrefix} {
		for info, err := range v.objects.store.List(ctx, prefix, "") {
			if err != nil {
				return err
			}
			if any = true; !belongs(info.Name) {
				v.damage(info.Name, fmt.Errorf("%w: not an object of the log", ErrCorrupt))
			}
		}
	}
	b, err := v.objects.get(ctx, storeName)
	if err != nil || b == nil && !any {
		return err
	}
	err = ErrGap
	if b != nil {
		err = decodeControl(b, magicStore, &storeRecord{})
	}
	if err != nil {
		v.damage(storeName, err)
	}
	return nil
}

func belongs(name string) bool {
	if rest, ok := strings.CutPrefix(name, epochPrefix); ok {
		e, err := ParseEpoch(rest)
		return err == nil && e > 0
	}
	rest, packed := strings.CutPrefix(name, packPrefix)
	epoch, slot, ok := strings.Cut(strings.TrimPrefix(rest, logPrefix), "/")
	e, err := ParseEpoch(epoch)
	if !ok || err != nil || e == 0 {
		return false
	}
	if packed {
		_, ok = parsePackName(e, slot)
		return ok
	}
	_, err = ParseSlot(slot)
	return err == nil
}

// lastEpoch is the last that has a record or a segment.
func (v *verifier) lastEpoch(ctx context.Context) (last Epoch, err error) {
	epochs, err := v.objects.epochs(ctx)
	if err != nil {
		return 0, err
	}
	if v.report.Epochs = len(epochs); len(epochs) > 0 {
		last = epochs[len(epochs)-1]
	}
	for {
		stray, err := v.objects.list(ctx, logPrefix, SegmentName(last, maxSlot), 1)
		if err != nil || len(stray) == 0 {
			return last, err
		}
		name, _, _ := strings.Cut(stray[0], "/")
		if !belongs(epochPrefix + name) {
			return last, nil // named already
		}
		if last, err = ParseEpoch(name); err != nil {
			return 0, err
		}
	}
}

// record reads an epoch's record; nil if it is damaged or missing.
func (v *verifier) record(ctx context.Context, e Epoch) (*epochRecord, error) {
	r, b, err := v.objects.epoch(ctx, e)
	var damage *ObjectError
	if errors.As(err, &damage) {
		err, r = nil, nil
		v.damage(EpochName(e), damage.Err)
	} else if err == nil && r == nil {
		v.damage(EpochName(e), ErrGap)
	}
	if r == nil || err != nil {
		return nil, err
	}
	v.report.Bytes += int64(len(b))
	if v.report.Stream == (ID{}) {
		v.report.Stream = r.Stream
	}
	if r.Stream != v.report.Stream {
		v.damage(EpochName(e), fmt.Errorf("%w: stream %s within stream %s", ErrOtherStream, r.Stream, v.report.Stream))
		return nil, nil
	}
	return r, nil
}

// damage names an object that is wrong and held no transactions.
func (v *verifier) damage(object string, err error) {
	v.report.Damage = append(v.report.Damage, Damage{
		Object: object, Lost: SeqRange{First: 1}, Detail: err.Error(), Err: &ObjectError{object, err},
	})
}

// lose names a segment that is wrong: what it held is known from its header, or will be
// known by the next segment that is whole.
func (v *verifier) lose(object string, h *header, err error) {
	v.damage(object, err)
	if h != nil {
		v.settle(h.first - 1)
		v.report.Damage[len(v.report.Damage)-1].Lost = SeqRange{h.first, h.last}
		v.from = h.last + 1
	} else {
		v.pending = append(v.pending, len(v.report.Damage)-1)
	}
	v.broken()
}

// broken ends a run: what comes next has nothing to follow.
func (v *verifier) broken() { v.open, v.chained, v.whole = false, false, false }

// settle tells the pending damage what it has lost.
func (v *verifier) settle(last Seq) {
	for _, i := range v.pending {
		v.report.Damage[i].Lost = SeqRange{v.from, last}
	}
	v.pending = nil
}

// keep takes a whole segment into the log.
func (v *verifier) keep(s *Segment) {
	i := s.info
	v.settle(i.First - 1)
	if !v.open {
		v.open = true
		v.report.Intact = append(v.report.Intact, SeqRange{i.First, i.Last})
	}
	v.report.Intact[len(v.report.Intact)-1].Last = i.Last
	v.report.Segments++
	v.report.Transactions += i.Transactions()
	v.at, v.chained, v.from = i.End(), true, i.Last+1
	if v.whole {
		v.report.End = v.at
	}
	if v.progress != nil && v.whole && len(v.report.Damage) == 0 {
		v.progress(VerifyState{
			Stream: v.report.Stream, At: v.at, Segments: v.report.Segments, Transactions: v.report.Transactions,
			Bytes: v.report.Bytes - v.ahead, Orphans: v.report.Orphans, Strays: v.report.Strays,
		})
	}
}

// epoch verifies the objects of one epoch. this and next are nil if their records are
// damaged, next also for the last epoch.
func (v *verifier) epoch(ctx context.Context, e Epoch, this, next *epochRecord, last bool) error {
	switch {
	case this == nil:
		v.open, v.whole = false, false
	case v.resumed.Epoch == e: // the log before it was compared with its record then
	case v.chained && !v.at.same(this.End):
		v.damage(EpochName(e), fmt.Errorf("%w: says the log before it ends at %v, it ends at %v", ErrDiverged, this.End, v.at))
		v.broken()
	case !v.chained:
		v.settle(this.End.Seq)
		v.at, v.chained, v.from = this.End, true, this.End.Seq+1
	}
	w := &epochVerifier{verifier: v, epoch: e, this: this, last: last, end: maxSlot}
	if v.resumed.Epoch == e {
		w.want = v.resumed.Slot + 1
	}
	if next != nil {
		w.end = (&epochRecord{Epoch: e}).slots(next)
	} else if !last {
		var err error
		if w.digest, err = (&Log{v.objects}).endBefore(ctx, e+1); err != nil {
			return err
		}
	}
	return w.run(ctx)
}
