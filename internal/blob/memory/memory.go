package memory

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"lifeboat/internal/blob"
)

// Store is a blob.Store in memory. It is safe for concurrent use.
type Store struct {
	mu         sync.Mutex
	objects    map[string]object
	names      []string // of objects, sorted
	deleted    map[string]bool
	plan       Plan
	late       []request
	calls      int64
	counts     Counts
	open       map[*reader]string
	violations []string
}

type object struct {
	body    []byte // never changed; Tamper replaces it
	created time.Time
}

var _ blob.Store = (*Store)(nil)

// New returns an empty store without faults.
func New() *Store {
	return &Store{
		objects: map[string]object{},
		deleted: map[string]bool{},
		open:    map[*reader]string{},
	}
}

// Counts is what was asked of a store since it was made or last reset. A call counts
// when it is made, whatever becomes of it.
type Counts struct {
	Create, Get, Stat, List, Delete int64
	BytesIn                         int64 // bodies given to Create
	BytesOut                        int64 // bytes handed out by readers
}

// Counts returns the calls so far.
func (s *Store) Counts() Counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.counts
}

// ResetCounts sets all counts to zero.
func (s *Store) ResetCounts() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.counts = Counts{}
}

// Create implements blob.Store.
func (s *Store) Create(ctx context.Context, name string, body []byte) error {
	return s.mutate(ctx, request{op: Create, name: name, body: body})
}

// Delete implements blob.Store.
func (s *Store) Delete(ctx context.Context, name string) error {
	return s.mutate(ctx, request{op: Delete, name: name})
}

// Stat implements blob.Store.
func (s *Store) Stat(ctx context.Context, name string) (blob.Info, error) {
	f, err := s.begin(ctx, request{op: Stat, name: name})
	if err == nil {
		err = f.refusal()
	}
	if err != nil {
		return blob.Info{}, fmt.Errorf("stat %s: %w", name, err)
	}
	s.mu.Lock()
	o, ok := s.objects[name]
	s.mu.Unlock()
	if err := f.wait(ctx, f.After); err != nil {
		return blob.Info{}, fmt.Errorf("stat %s: %w", name, err)
	}
	if !ok {
		return blob.Info{}, fmt.Errorf("stat %s: %w", name, blob.ErrNotExist)
	}
	return o.info(name), nil
}

func (o object) info(name string) blob.Info {
	return blob.Info{Name: name, Size: int64(len(o.body)), Created: o.created}
}

// Get implements blob.Store.
func (s *Store) Get(ctx context.Context, name string, off, n int64) (io.ReadCloser, error) {
	f, err := s.begin(ctx, request{op: Get, name: name})
	if err == nil && off < 0 {
		err = fmt.Errorf("negative offset %d", off)
	}
	if err == nil && f.Cut == 0 {
		err = f.refusal()
	}
	if err == nil {
		err = f.wait(ctx, f.After)
	}
	if err != nil {
		return nil, fmt.Errorf("get %s: %w", name, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.objects[name]
	if !ok {
		return nil, fmt.Errorf("get %s: %w", name, blob.ErrNotExist)
	}
	part := o.body[min(off, int64(len(o.body))):]
	if n >= 0 {
		part = part[:min(n, int64(len(part)))]
	}
	r := &reader{ctx: ctx, store: s, rest: part, end: io.EOF}
	if f.Err != nil && f.Cut > 0 && f.Cut <= len(part) {
		r.rest, r.end = part[:f.Cut], fmt.Errorf("get %s: broke off: %w", name, f.Err)
	}
	s.open[r] = name
	return r, nil
}

type reader struct {
	ctx   context.Context //nolint:containedctx // an io.Reader has no other way to learn of it
	store *Store
	rest  []byte
	end   error // after rest
}

func (r *reader) Read(p []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	if len(r.rest) == 0 {
		return 0, r.end
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	r.store.mu.Lock()
	r.store.counts.BytesOut += int64(n)
	r.store.mu.Unlock()
	return n, nil
}

func (r *reader) Close() error {
	r.store.mu.Lock()
	defer r.store.mu.Unlock()
	delete(r.store.open, r)
	return nil
}

// List implements blob.Store. Objects made or deleted while it runs may be seen or not.
func (s *Store) List(ctx context.Context, prefix, after string) iter.Seq2[blob.Info, error] {
	return func(yield func(blob.Info, error) bool) {
		f, err := s.begin(ctx, request{op: List, name: prefix})
		if err == nil && f.Cut == 0 {
			err = f.refusal()
		}
		if err == nil {
			err = f.wait(ctx, f.After)
		}
		last := after
		for n := 0; err == nil; n++ {
			if f.Err != nil && f.Cut > 0 && n == f.Cut {
				err = f.Err
				break
			}
			info, ok := s.next(prefix, last)
			if !ok {
				return
			}
			if err = ctx.Err(); err == nil && !yield(info, nil) {
				return
			}
			last = info.Name
		}
		yield(blob.Info{}, fmt.Errorf("list %q: %w", prefix, err))
	}
}

// next finds the first object with the prefix and after last.
func (s *Store) next(prefix, last string) (blob.Info, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, _ := slices.BinarySearch(s.names, prefix)
	if last >= prefix {
		var found bool
		if i, found = slices.BinarySearch(s.names, last); found {
			i++
		}
	}
	if i == len(s.names) || !strings.HasPrefix(s.names[i], prefix) {
		return blob.Info{}, false
	}
	return s.objects[s.names[i]].info(s.names[i]), true
}

// request is one asked-for change.
type request struct {
	op   Op
	name string
	body []byte
	due  int64 // the call before which it arrives, if it is late
}

// begin counts a call, has the plan decide, and waits as the fault says.
func (s *Store) begin(ctx context.Context, r request) (Fault, error) {
	s.mu.Lock()
	s.calls++
	s.count(r)
	s.deliver(s.calls)
	var f Fault
	if s.plan != nil {
		f = s.plan.Decide(Call{Op: r.op, Name: r.name, Number: s.calls})
	}
	s.mu.Unlock()
	if r.op == Create {
		if err := blob.CheckObject(r.name, r.body); err != nil {
			s.violate("%v", err)
			return f, err
		}
	} else if r.op != List {
		if err := blob.CheckName(r.name); err != nil {
			s.violate("%v", err)
			return f, err
		}
	}
	if err := ctx.Err(); err != nil {
		return f, err
	}
	if f.Hang {
		<-ctx.Done()
		return f, ctx.Err()
	}
	return f, f.wait(ctx, f.Before)
}

func (s *Store) count(r request) {
	switch r.op {
	case Create:
		s.counts.Create++
		s.counts.BytesIn += int64(len(r.body))
	case Get:
		s.counts.Get++
	case Stat:
		s.counts.Stat++
	case List:
		s.counts.List++
	case Delete:
		s.counts.Delete++
	}
}

// mutate carries out a Create or a Delete as the plan says.
func (s *Store) mutate(ctx context.Context, r request) error {
	f, err := s.begin(ctx, r)
	if err == nil {
		err = s.carryOut(r, f)
		if werr := f.wait(ctx, f.After); werr != nil {
			err = werr
		}
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", r.op, r.name, err)
	}
	return nil
}

func (s *Store) carryOut(r request, f Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var err error
	switch f.Effect {
	case Never:
		return f.refusal()
	case Late:
		s.park(r, f)
		return f.refusal()
	case Twice:
		s.park(r, f)
		err = s.apply(r, true)
	default:
		err = s.apply(r, true)
	}
	if f.Err != nil {
		return f.Err
	}
	return err
}

// park keeps a request that arrives later, with its own copy of the bytes.
func (s *Store) park(r request, f Fault) {
	r.body = bytes.Clone(r.body)
	r.due = s.calls + int64(max(1, f.Calls))
	s.late = append(s.late, r)
}

// deliver carries out the parked requests that are due.
func (s *Store) deliver(now int64) {
	if len(s.late) == 0 {
		return
	}
	kept := s.late[:0]
	for _, r := range s.late {
		if r.due > now {
			kept = append(kept, r)
			continue
		}
		_ = s.apply(r, false) // nobody waits for the answer
	}
	clear(s.late[len(kept):])
	s.late = kept
}

// Deliver lets every late request arrive now.
func (s *Store) Deliver() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.late {
		_ = s.apply(r, false)
	}
	s.late = nil
}

// apply changes the objects. Late arrivals are no deed of the caller's, so they are not
// held against it.
func (s *Store) apply(r request, police bool) error {
	if r.op == Delete {
		if _, ok := s.objects[r.name]; ok {
			s.remove(r.name)
			s.deleted[r.name] = true
		}
		return nil
	}
	if o, ok := s.objects[r.name]; ok {
		if bytes.Equal(o.body, r.body) {
			return nil
		}
		if police {
			s.note("other bytes under the taken name %s", r.name)
		}
		return blob.ErrExists
	}
	if other := s.folderConflict(r.name); other != "" {
		if police {
			s.note("%s beside %s: one cannot be both an object and a folder", r.name, other)
		}
		return fmt.Errorf("%w: beside the object %s", blob.ErrName, other)
	}
	if police && s.deleted[r.name] {
		s.note("%s created again after its deletion", r.name)
	}
	s.insert(r.name, bytes.Clone(r.body))
	return nil
}

// folderConflict returns the object that makes name impossible in a store of folders.
func (s *Store) folderConflict(name string) string {
	for i, c := range []byte(name) {
		if c != '/' {
			continue
		}
		if _, ok := s.objects[name[:i]]; ok {
			return name[:i]
		}
	}
	if i, _ := slices.BinarySearch(s.names, name+"/"); i < len(s.names) && strings.HasPrefix(s.names[i], name+"/") {
		return s.names[i]
	}
	return ""
}

func (s *Store) insert(name string, body []byte) {
	created := time.Now().UTC()
	if o, ok := s.objects[name]; ok {
		created = o.created
	} else {
		i, _ := slices.BinarySearch(s.names, name)
		s.names = slices.Insert(s.names, i, name)
	}
	s.objects[name] = object{body: body, created: created}
}

func (s *Store) remove(name string) {
	delete(s.objects, name)
	if i, ok := slices.BinarySearch(s.names, name); ok {
		s.names = slices.Delete(s.names, i, i+1)
	}
}

// Clone returns a store with the same objects and no faults, counts or violations: what
// another process would find if this one stopped now. Late requests are not in it.
func (s *Store) Clone() *Store {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := New()
	c.objects = maps.Clone(s.objects)
	c.names = slices.Clone(s.names)
	c.deleted = maps.Clone(s.deleted)
	return c
}

// Violations lists what callers did that is legal for nobody, or only for racers: other
// bytes under a taken name, a name created again after its deletion, an object beside
// a folder of its name, empty bodies, bad names, and readers not closed yet.
func (s *Store) Violations() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.Clone(s.violations)
	for _, name := range s.open {
		all = append(all, "reader of "+name+" is not closed")
	}
	return all
}

func (s *Store) violate(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.note(format, args...)
}

func (s *Store) note(format string, args ...any) {
	s.violations = append(s.violations, fmt.Sprintf(format, args...))
}
