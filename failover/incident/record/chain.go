package record

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"lifeboat/failover/incident"
	"lifeboat/internal/blob"
	"lifeboat/internal/signers"
)

// readers is how many entries are fetched at once: enough to hide a store's latency.
const readers = 16

// Chain is a stream as both stores together tell it.
type Chain struct {
	Stream   string
	Entries  []incident.Signed // those that verify, in order
	Findings []incident.Finding
	N        int       // the last number in use, damaged or not
	Head     string    // digest of the object under it
	Last     time.Time // when the last good entry was recorded
}

// Damage are the findings that mean that something is wrong.
func (c *Chain) Damage() []incident.Finding {
	return slices.DeleteFunc(slices.Clone(c.Findings), func(f incident.Finding) bool { return !f.Damage() })
}

// compared reports whether the primary store was read and holds as much.
func (c *Chain) compared() bool {
	return !slices.ContainsFunc(c.Findings, func(f incident.Finding) bool { return !f.Damage() })
}

// DamagedError: the chain does not verify, and what was asked may not rest on it.
type DamagedError struct {
	Stream   string
	Findings []incident.Finding
}

// Unwrap makes every DamagedError an ErrCorrupt.
func (e *DamagedError) Unwrap() error { return ErrCorrupt }

func (e *DamagedError) Error() string {
	parts := make([]string, len(e.Findings))
	for i, f := range e.Findings {
		parts[i] = f.String()
	}
	return fmt.Sprintf("the record does not verify: %s; compare the two stores (lifeboat incident verify), or break the glass", strings.Join(parts, "; "))
}

// object is what one store holds under one number.
type object struct {
	body   []byte
	digest string
	signed incident.Signed
	err    error
}

func (o object) good(stream string, n int) bool {
	return o.err == nil && o.signed.Entry.N == n && o.signed.Entry.Stream == stream
}

// holding is what one store holds of one stream.
type holding struct {
	store   string
	entries map[int]object
	last    int
	foreign []string
	files   []string // digests of attachments
}

// Read returns the stream, with everything that is wrong with it as findings. The error is
// about the DR store alone: when it cannot be read there is no answer. An empty chain is no
// error.
func (b *Book) Read(ctx context.Context, stream string) (*Chain, error) {
	if err := incident.CheckStream(stream); err != nil {
		return nil, err
	}
	held, notes, err := b.hold(ctx, stream)
	if err != nil {
		return nil, err
	}
	c := merge(stream, held)
	c.Findings = append(c.Findings, notes...)
	return c, nil
}

// hold loads the stream from each store that can be reached.
func (b *Book) hold(ctx context.Context, stream string) ([]holding, []incident.Finding, error) {
	dr, err := b.load(ctx, store{b.cfg.DR, "dr"}, stream)
	if err != nil {
		return nil, nil, err
	}
	held := []holding{dr}
	if b.cfg.Primary == nil || b.skipPrimary() {
		return held, []incident.Finding{{Stream: stream, Store: "primary", Problem: incident.NotCompared, Detail: "the store is not reachable from here"}}, nil
	}
	waiting, cancel := context.WithTimeout(ctx, b.cfg.Patience)
	defer cancel()
	primary, err := b.load(waiting, store{b.cfg.Primary, "primary"}, stream)
	if err != nil {
		b.primaryFailed()
		return held, []incident.Finding{{Stream: stream, Store: "primary", Problem: incident.NotCompared, Detail: err.Error()}}, ctx.Err()
	}
	return append(held, primary), nil, nil
}

func (b *Book) skipPrimary() bool { return b.cfg.Clock().UnixNano() < b.down.Load() }

// primaryFailed leaves the primary alone for a minute.
func (b *Book) primaryFailed() { b.down.Store(b.cfg.Clock().Add(time.Minute).UnixNano()) }

func (b *Book) load(ctx context.Context, s store, stream string) (holding, error) {
	h := holding{store: s.name, entries: map[int]object{}}
	var numbers []int
	for info, err := range s.List(ctx, stream+"/", "") {
		if err != nil {
			return h, fmt.Errorf("read %s in the %s store: %w", stream, s.name, err)
		}
		rest := strings.TrimPrefix(info.Name, stream+"/")
		if digest, ok := strings.CutPrefix(rest, "attachments/"); ok && len(digest) == 64 {
			h.files = append(h.files, digest)
			continue
		}
		n, err := strconv.Atoi(rest)
		if err != nil || n < 1 || n > maxEntries || entryName(stream, n) != info.Name {
			h.foreign = append(h.foreign, info.Name)
			continue
		}
		numbers = append(numbers, n)
		h.last = max(h.last, n)
	}
	objects := make([]object, len(numbers))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(readers)
	for i, n := range numbers {
		group.Go(func() (err error) {
			objects[i], err = fetch(ctx, b.cfg.Ring, s, entryName(stream, n))
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return h, fmt.Errorf("read %s in the %s store: %w", stream, s.name, err)
	}
	for i, n := range numbers {
		h.entries[n] = objects[i]
	}
	return h, nil
}

// fetch reads one object; what is wrong with its bytes is in the object, not in the error.
func fetch(ctx context.Context, ring *signers.Ring, s store, name string) (object, error) {
	body, err := blob.ReadAll(ctx, s.Store, name, maxEntry)
	if errors.Is(err, blob.ErrTooLarge) {
		return object{err: fmt.Errorf("%w: %w", ErrCorrupt, err)}, nil
	}
	if err != nil {
		return object{}, err
	}
	o := object{body: body, digest: incident.Digest(body)}
	o.signed, o.err = open(ring, body)
	return o, nil
}

// merge picks for each number the object that verifies, and names everything that is wrong.
func merge(stream string, held []holding) *Chain {
	c := &Chain{Stream: stream}
	for _, h := range held {
		c.N = max(c.N, h.last)
	}
	for _, h := range held {
		c.Findings = append(c.Findings, inspect(stream, h, c.N, held)...)
	}
	for n := 1; n <= c.N; n++ {
		o, ok := choose(stream, n, held)
		if n == c.N {
			c.Head = o.digest
		}
		if ok {
			c.Entries = append(c.Entries, o.signed)
			c.Last = o.signed.Entry.Recorded
		}
	}
	if len(held) == 2 {
		c.Findings = append(c.Findings, forks(stream, c.N, held)...)
	}
	return c
}

// choose takes the DR store's entry if it verifies, else the other's. When both do and
// differ, the one that the next entry names.
func choose(stream string, n int, held []holding) (object, bool) {
	var good []object
	for _, h := range held {
		if o, ok := h.entries[n]; ok && o.good(stream, n) {
			good = append(good, o)
		}
	}
	if len(good) == 0 {
		for _, h := range held {
			if o, ok := h.entries[n]; ok {
				return o, false
			}
		}
		return object{}, false
	}
	for _, h := range held {
		next, ok := h.entries[n+1]
		for _, o := range good {
			if ok && next.good(stream, n+1) && next.signed.Entry.Prev == o.digest {
				return o, true
			}
		}
	}
	return good[0], true
}

// inspect names what is wrong in one store, up to the last number that any store has.
func inspect(stream string, h holding, last int, held []holding) (found []incident.Finding) {
	bad := func(n int, p incident.Problem, detail string, args ...any) {
		found = append(found, incident.Finding{Stream: stream, N: n, Store: h.store, Problem: p, Detail: fmt.Sprintf(detail, args...)})
	}
	for _, name := range h.foreign {
		bad(0, incident.Foreign, "object %s does not belong here", name)
	}
	for n := 1; n <= last; n++ {
		o, ok := h.entries[n]
		switch {
		case !ok && n > h.last && h.store == "primary":
			bad(n, incident.Behind, "not copied yet")
			continue
		case !ok && n > h.last:
			bad(n, incident.Missing, "only the primary store has it, but an entry is written here first: it was removed")
			continue
		case !ok:
			bad(n, incident.Missing, "the numbers have a gap: it was removed")
			continue
		case errors.Is(o.err, ErrNewerFormat):
			bad(n, incident.Unreadable, "%v", o.err)
		case o.err != nil:
			bad(n, incident.Altered, "%v", o.err)
		case !o.good(stream, n):
			bad(n, incident.Moved, "the object holds entry %d of %s", o.signed.Entry.N, o.signed.Entry.Stream)
		}
		before, there := previous(n, h, held)
		if o.good(stream, n) && there && o.signed.Entry.Prev != before {
			bad(n, incident.Unlinked, "it follows an entry %.12s, but number %d is %.12s: one of the two was replaced", o.signed.Entry.Prev, n-1, before)
		}
	}
	return found
}

// previous is the digest of the object before n: in the same store, else in the other.
func previous(n int, h holding, held []holding) (string, bool) {
	if n == 1 {
		return "", true
	}
	if o, ok := h.entries[n-1]; ok {
		return o.digest, true
	}
	for _, other := range held {
		if o, ok := other.entries[n-1]; ok {
			return o.digest, true
		}
	}
	return "", false
}

// forks finds numbers under which the stores hold different entries that both verify.
func forks(stream string, last int, held []holding) (found []incident.Finding) {
	for n := 1; n <= last; n++ {
		a, aok := held[0].entries[n]
		b, bok := held[1].entries[n]
		if aok && bok && a.good(stream, n) && b.good(stream, n) && a.digest != b.digest {
			found = append(found, incident.Finding{Stream: stream, N: n, Problem: incident.Forked,
				Detail: fmt.Sprintf("%s by %s in the dr store, %s by %s in the primary", a.signed.Entry.Kind, a.signed.Entry.By,
					b.signed.Entry.Kind, b.signed.Entry.By)})
		}
	}
	return found
}

// Streams lists the streams that either store has, in order. An unreachable primary is no
// error.
func (b *Book) Streams(ctx context.Context) ([]string, error) {
	streams, err := b.streamsOf(ctx, store{b.cfg.DR, "dr"})
	if err != nil {
		return nil, err
	}
	if b.cfg.Primary != nil && !b.skipPrimary() {
		waiting, cancel := context.WithTimeout(ctx, b.cfg.Patience)
		defer cancel()
		more, err := b.streamsOf(waiting, store{b.cfg.Primary, "primary"})
		if err != nil {
			b.primaryFailed()
			b.cfg.Log.Warn("primary store not read", "err", err)
		}
		streams = append(streams, more...)
	}
	slices.Sort(streams)
	return slices.Compact(streams), ctx.Err()
}

// streamsOf skips from stream to stream, without listing what is in them.
func (b *Book) streamsOf(ctx context.Context, s store) ([]string, error) {
	var streams []string
	for _, prefix := range []string{incident.Committee + "/", "incidents/"} {
		after := ""
		for {
			name, err := first(ctx, s, prefix, after)
			if err != nil || name == "" {
				if err != nil {
					return nil, err
				}
				break
			}
			stream := path.Dir(name)
			if i := strings.Index(name, "/attachments/"); i >= 0 {
				stream = name[:i]
			}
			if incident.CheckStream(stream) == nil {
				streams = append(streams, stream)
			}
			after = stream + "/~" // sorts after all names in the stream
			if incident.CheckStream(stream) != nil {
				after = name
			}
		}
	}
	return slices.Compact(streams), nil
}

func first(ctx context.Context, s store, prefix, after string) (string, error) {
	for info, err := range s.List(ctx, prefix, after) {
		if err != nil {
			return "", fmt.Errorf("list %s in the %s store: %w", prefix, s.name, err)
		}
		return info.Name, nil
	}
	return "", nil
}
