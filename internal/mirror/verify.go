package mirror

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/pace"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

// prefixes of what both regions hold alike.
func prefixes() []string {
	return []string{restore.ChunkPrefix, epochs, segments, packs, restore.SnapshotPrefix}
}

const (
	epochs   = "epochs/"
	segments = "log/"
	packs    = "packs/"
)

// Problem is what is wrong with an object.
type Problem string

// The problems.
const (
	Damaged Problem = "damaged"
	Missing Problem = "missing"
)

// Finding is one object that is not as it should be, and what that costs.
type Finding struct {
	Object string `json:"object"`
	// Through is the last of a run of segments that are missing, of which Object is the
	// first; empty if it is alone.
	Through string  `json:"through,omitempty"`
	Problem Problem `json:"problem"`
	Detail  string  `json:"detail"`
	// Transactions of the log that this region cannot prove for it; empty if First > Last.
	Transactions eventlog.SeqRange `json:"transactions"`
	// Snapshots that need it, by their Seq.
	Snapshots []eventlog.Seq `json:"snapshots"`
	// Elsewhere: the other region has it whole, in the objects From. The same segments of
	// the log may be in objects of other names there.
	Elsewhere bool     `json:"elsewhere"`
	From      []string `json:"from,omitempty"`
	Advice    string   `json:"advice"`
}

// Side is what was found in one region.
type Side struct {
	Objects   int                    `json:"objects"`
	Log       *eventlog.VerifyReport `json:"log"`
	Snapshots *snapshot.VerifyReport `json:"snapshots"`
	Findings  []Finding              `json:"findings"` // by object
	// Window is what can be restored from this region, Lost what could be besides if its
	// snapshots were whole; see snapshot.VerifyReport.
	Window []restore.Range `json:"window"`
	Lost   []restore.Range `json:"lost"`

	names  map[string]int64 // bytes
	packs  []packed
	newest string // epoch, in digits
}

func (s *Side) has(name string) bool {
	_, ok := s.names[name]
	return ok
}

// Report is what Verify found. A region that was not looked at is nil.
type Report struct {
	Primary *Side `json:"primary,omitempty"`
	Mirror  *Side `json:"mirror"`
}

// Findings are those of both regions.
func (r *Report) Findings() (all []Finding) {
	for _, s := range []*Side{r.Mirror, r.Primary} {
		if s != nil {
			all = append(all, s.Findings...)
		}
	}
	return all
}

// Stores are the two regions'. Primary is nil if it is lost, or not to be read.
type Stores struct{ Primary, Mirror blob.Store }

// Options of Verify. The zero value reads everything, as fast as it goes.
type Options struct {
	Rate int64 // bytes a second read from each store at most; 0: unbounded
	// Pass says what an interrupted verification of the same stores has found whole, which
	// is not read again, and remembers what this one does. May be nil.
	Pass *Pass
}

// Verify reads every object of the log and of the snapshots, checks all hashes and links,
// and compares what the two regions hold. It changes nothing. The error is for a store
// that cannot be read; damage is in the report. It holds the names of all objects in
// memory.
func Verify(ctx context.Context, s Stores, o Options) (*Report, error) {
	r := &Report{}
	var err error
	// Names are listed before anything is read: what is written meanwhile is not missing.
	if r.Mirror, err = list(ctx, s.Mirror); err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	if s.Primary != nil {
		if r.Primary, err = list(ctx, s.Primary); err != nil {
			return nil, fmt.Errorf("primary: %w", err)
		}
		if err := r.Primary.verify(ctx, pace.New(s.Primary, o.Rate), o.Pass.part("primary")); err != nil {
			return nil, fmt.Errorf("primary: %w", err)
		}
	}
	if err := r.Mirror.verify(ctx, pace.New(s.Mirror, o.Rate), o.Pass.part("mirror")); err != nil {
		return nil, fmt.Errorf("mirror: %w", err)
	}
	if r.Primary != nil {
		r.Mirror.compare(r.Primary)
		r.Primary.compare(r.Mirror)
	}
	r.advise()
	return r, nil
}

func list(ctx context.Context, store blob.Store) (*Side, error) {
	s := &Side{names: map[string]int64{}, Findings: []Finding{}}
	for _, prefix := range prefixes() {
		for info, err := range store.List(ctx, prefix, "") {
			if err != nil {
				return nil, err
			}
			s.names[info.Name] = info.Size
			if e, ok := strings.CutPrefix(info.Name, epochs); ok {
				s.newest = max(s.newest, e)
			}
		}
	}
	s.Objects, s.packs = len(s.names), s.packsOf()
	return s, nil
}

func (s *Side) verify(ctx context.Context, store blob.Store, p part) (err error) {
	if s.Log, err = eventlog.OpenLog(store).VerifyFrom(ctx, p.from(), p.progress); err != nil {
		return err
	}
	known := p.chunks(func(d eventlog.Digest) bool { return s.has(restore.ChunkName(d)) })
	if s.Snapshots, err = snapshot.VerifyFrom(ctx, store, snapshot.VerifyConfig{Known: known, Note: p.note}); err != nil {
		return err
	}
	for _, d := range s.Log.Damage {
		f := s.find(d.Object, d.Detail)
		f.Transactions, f.Through = d.Lost, d.Through
	}
	for _, d := range s.Snapshots.Damage {
		s.find(d.Object, d.Detail).Snapshots = d.Snapshots
	}
	s.Window, s.Lost = s.Snapshots.Window, s.Snapshots.Lost
	return nil
}

// find adds a finding, which stays valid until the next one is added.
func (s *Side) find(object, detail string) *Finding {
	f := Finding{Object: object, Problem: Damaged, Detail: detail, Transactions: eventlog.SeqRange{First: 1}, Snapshots: []eventlog.Seq{}}
	if !s.has(object) {
		f.Problem = Missing
	}
	s.Findings = append(s.Findings, f)
	return &s.Findings[len(s.Findings)-1]
}

func (s *Side) named(object string) bool {
	return slices.ContainsFunc(s.Findings, func(f Finding) bool { return f.Object == object })
}

// compare finds what the other region has and this one lacks: what no look at one store
// can tell, such as the newest segments of its log or a manifest.
func (s *Side) compare(other *Side) {
	known := map[string]bool{}
	for _, f := range s.Findings {
		for name := range f.names() {
			known[name] = true
		}
	}
	for name := range other.names {
		if s.has(name) || known[name] || other.named(name) || setAside(name, s, other) {
			continue
		}
		_, _, _, ofLog := eventlog.Holds(name)
		if ofLog && s.holders(name) != nil {
			continue // compacted here and not there, or the other way about
		}
		f := s.find(name, "the other region has it")
		if ofLog {
			f.Transactions = eventlog.SeqRange{First: s.Log.End.Seq + 1, Last: other.Log.End.Seq}
		}
		if seq, _, err := restore.ParseManifestName(name); err == nil {
			f.Snapshots = append(f.Snapshots, seq)
		}
	}
}

// setAside tells whether a segment may be one that a takeover left behind: only the newest
// epoch, if the regions agree which that is, goes on at its end. What is missing before
// the end of an older epoch is found by the verification of the log.
func setAside(name string, a, b *Side) bool {
	if !strings.HasPrefix(name, segments) {
		return false
	}
	epoch, _, _ := strings.Cut(strings.TrimPrefix(name, segments), "/")
	return a.newest != b.newest || a.newest != epoch
}

func (r *Report) advise() {
	sides := []*Side{r.Primary, r.Mirror}
	for i, s := range sides {
		if s == nil {
			continue
		}
		other := sides[1-i]
		all := []Finding{}
		for _, f := range s.Findings {
			if other == nil {
				all = append(all, f)
			} else {
				all = append(all, other.heals(f)...)
			}
		}
		slices.SortStableFunc(all, func(a, b Finding) int { return strings.Compare(a.Object, b.Object) })
		for j := range all {
			all[j].Advice = advice(&all[j], other != nil)
		}
		s.Findings = all
	}
}

func advice(f *Finding, compared bool) string {
	switch {
	case !compared:
		return "look whether the other region has it: verify both"
	case !f.Elsewhere:
		return "no region has it whole: keep what is there, and take a new base snapshot"
	case f.Problem == Missing:
		return "repair copies it from the other region"
	default:
		return "the other region has it whole: repair --replace-damaged deletes this one and copies it; an immutability policy must have run out first"
	}
}
