package run

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"lifeboat/failover"
	"lifeboat/internal/blob"
)

// Errors a caller may test for with errors.Is.
var (
	// ErrSuperseded: another runner has written what this one was about to write. This
	// one has had no effect since its last entry and must not have another.
	ErrSuperseded = errors.New("another runner has taken this run over")
	// ErrAlive: the run's last runner has not said that it stopped.
	ErrAlive = errors.New("the run may still be going on elsewhere")
	// ErrOver: the run has finished or was abandoned.
	ErrOver = errors.New("the run is over")
	// ErrNoRun: the store holds no run of this name.
	ErrNoRun = errors.New("no such run")
	// ErrRunExists: a run of this name has been opened before.
	ErrRunExists = errors.New("the run exists already")
	// ErrBusy: another failover or failback is under way; only one may move the log.
	ErrBusy = errors.New("another run has the turn")
)

// Root is where runs are kept: failovers/<id>/<n>.
const Root = "failovers/"

// turnsID holds whose turn it is. No run can be called so: see failover.CheckID.
const turnsID = "-turns"

func entryName(id string, n uint64) string { return fmt.Sprintf("%s%s/%08d", Root, id, n) }

// Who runs: the identity of one process.
type Who struct {
	Runner string // 32 hex digits: random, one for each process
	By     string // person and machine, for people
}

// NewWho makes the identity of this process.
func NewWho(by string) Who {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: see crypto/rand
	return Who{hex.EncodeToString(b[:]), by}
}

// Opening is the evidence of a journal's first entry: all that another machine needs to
// go on with the run.
type Opening struct {
	Kind failover.Kind `json:"kind"`
	Plan string        `json:"plan"` // its text as it was approved, byte for byte
	// Lost is when the outage began, as far as it is known; else when the run began.
	Lost time.Time `json:"lost"`
	// OldPrimary is the URL of the store of the region that was lost, which a failback looks
	// in for what it held alone; empty: nobody named one. It holds no secret.
	OldPrimary string `json:"old_primary,omitempty"`
}

// Journal is what one runner writes. It is safe for concurrent use.
type Journal struct {
	store blob.Store
	id    string
	who   Who
	clock func() time.Time

	mu      sync.Mutex
	n       uint64 // of the last entry
	prev    string // its digest
	pending []byte // entry n+1, of which it is not known whether it is there
	err     error  // it is superseded: for good
}

// JournalConfig says whose journal it is.
type JournalConfig struct {
	Store blob.Store // of the region that takes over
	ID    string
	Who   Who
	Clock func() time.Time // nil: time.Now
}

func (c JournalConfig) journal() *Journal {
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return &Journal{store: c.Store, id: c.ID, who: c.Who, clock: c.Clock}
}

// Open begins a run: of two that open the same one, exactly one gets it, the other
// ErrRunExists. Durable when it returns.
func Open(ctx context.Context, cfg JournalConfig, o Opening) (*Journal, error) {
	if err := failover.CheckID(cfg.ID); err != nil {
		return nil, err
	}
	evidence, err := json.Marshal(o)
	if err != nil {
		return nil, fmt.Errorf("open run %s: %w", cfg.ID, err)
	}
	j := cfg.journal()
	err = j.Write(ctx, Entry{Event: Opened, Evidence: evidence})
	if errors.Is(err, ErrSuperseded) {
		return nil, fmt.Errorf("%w: %s", ErrRunExists, cfg.ID)
	}
	if err != nil {
		return nil, fmt.Errorf("open run %s: %w", cfg.ID, err)
	}
	return j, nil
}

// Claim goes on with a run that another process began, by writing the next entry: from
// then on that process cannot write any more. A run whose last runner has not said that it
// stopped is left to it (ErrAlive) unless takeOver is set. No clock decides: the loser's
// next entry fails, and what it has begun is finished by whoever has the run.
func Claim(ctx context.Context, cfg JournalConfig, takeOver bool) (*Journal, History, error) {
	h, err := ReadHistory(ctx, cfg.Store, cfg.ID)
	if err != nil {
		return nil, h, err
	}
	last := h.Last()
	switch {
	case h.Over():
		return nil, h, fmt.Errorf("%w: %s %s by %s", ErrOver, cfg.ID, last.Event, last.By)
	case last.Event != Stopped && !takeOver:
		return nil, h, fmt.Errorf("%w: %s was last heard of at %s", ErrAlive, last.By, last.Time.Format(time.RFC3339))
	}
	j := cfg.journal()
	j.n, j.prev = last.N, h.digest
	err = j.Write(ctx, Entry{Event: Taken})
	if errors.Is(err, ErrSuperseded) {
		return nil, h, fmt.Errorf("%w: it has just written entry %d", ErrAlive, last.N+1)
	}
	return j, h, err
}

// ID is the run's name.
func (j *Journal) ID() string { return j.id }

// Write adds an entry and returns when it is durable. ErrSuperseded is for good. After any
// other error it is not known whether the entry is there; the next Write finds out first.
func (j *Journal) Write(ctx context.Context, e Entry) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.settle(ctx); err != nil {
		return err
	}
	e.Version, e.N, e.Prev = EntryVersion, j.n+1, j.prev
	e.Time, e.Runner, e.By = j.clock().UTC().Round(0), j.who.Runner, j.who.By
	if err := e.check(); err != nil {
		return fmt.Errorf("journal of %s: bad entry: %w", j.id, err)
	}
	body, err := e.encode()
	if err != nil {
		return err
	}
	j.pending = body
	return j.settle(ctx)
}

// settle makes the pending entry durable. The caller holds mu.
func (j *Journal) settle(ctx context.Context) error {
	if j.err != nil || j.pending == nil {
		return j.err
	}
	err := j.store.Create(ctx, entryName(j.id, j.n+1), j.pending)
	if errors.Is(err, blob.ErrExists) {
		j.err = fmt.Errorf("%w: entry %d of %s is not ours", ErrSuperseded, j.n+1, j.id)
		return j.err
	}
	if err != nil {
		return fmt.Errorf("journal of %s, entry %d: %w", j.id, j.n+1, err)
	}
	j.n, j.prev, j.pending = j.n+1, digestOf(j.pending), nil
	return nil
}

// History is what a journal holds.
type History struct {
	ID      string
	Entries []Entry // in order; never empty when it was read without an error
	digest  string  // of the last one's object
}

// Last is the newest entry.
func (h *History) Last() Entry { return h.Entries[len(h.Entries)-1] }

// Over reports whether the run has come to its end.
func (h *History) Over() bool {
	e := h.Last().Event
	return e == Finished || e == Abandoned
}

// Opening is what the run was opened with.
func (h *History) Opening() (Opening, error) {
	var o Opening
	if err := json.Unmarshal(h.Entries[0].Evidence, &o); err != nil || h.Entries[0].Event != Opened {
		return o, fmt.Errorf("run %s: %w: it does not begin with an opening", h.ID, ErrCorrupt)
	}
	return o, nil
}

// Of returns the newest entry of an event of a step.
func (h *History) Of(step failover.StepName, event Event) (Entry, bool) {
	for i := len(h.Entries) - 1; i >= 0; i-- {
		if e := h.Entries[i]; e.Step == step && e.Event == event {
			return e, true
		}
	}
	return Entry{}, false
}

// ReadHistory reads a run's journal and checks every entry and the chain. ErrNoRun: there
// is none. A gap, a damaged entry and a newer format are errors that name the object.
func ReadHistory(ctx context.Context, store blob.Store, id string) (History, error) {
	h := History{ID: id}
	prefix := Root + id + "/"
	for info, err := range store.List(ctx, prefix, "") {
		if err != nil {
			return h, fmt.Errorf("list %s: %w", prefix, err)
		}
		if err := h.read(ctx, store, info.Name); err != nil {
			return h, fmt.Errorf("%s: %w", info.Name, err)
		}
	}
	if len(h.Entries) == 0 {
		return h, fmt.Errorf("%w: %s", ErrNoRun, id)
	}
	return h, nil
}

func (h *History) read(ctx context.Context, store blob.Store, name string) error {
	want := uint64(len(h.Entries)) + 1
	if name != entryName(h.ID, want) {
		return fmt.Errorf("%w: entry %d is missing before it", ErrCorrupt, want)
	}
	object, err := blob.ReadAll(ctx, store, name, maxEntry)
	if err != nil {
		return err
	}
	e, err := decodeEntry(object)
	if err != nil {
		return err
	}
	if e.N != want || e.Prev != h.digest {
		return fmt.Errorf("%w: it does not follow entry %d", ErrCorrupt, want-1)
	}
	h.Entries, h.digest = append(h.Entries, e), digestOf(object)
	return nil
}

// Runs lists the ids of the runs that a store holds, in order of name.
func Runs(ctx context.Context, store blob.Store) ([]string, error) {
	var ids []string
	for info, err := range store.List(ctx, Root, "") {
		if err != nil {
			return nil, fmt.Errorf("list runs: %w", err)
		}
		id, n, _ := strings.Cut(strings.TrimPrefix(info.Name, Root), "/")
		if n == "00000001" && id != turnsID {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// TakeTurn makes the run the only one that may move the log. ErrBusy names the run that
// has the turn; that one has to finish or be abandoned first. Having it already is nil.
func TakeTurn(ctx context.Context, cfg JournalConfig) error {
	j, err := nextTurn(ctx, cfg)
	if j == nil || err != nil {
		return err
	}
	err = j.Write(ctx, Entry{Event: Turn, Detail: cfg.ID})
	if !errors.Is(err, ErrSuperseded) {
		return err
	}
	if j, err = nextTurn(ctx, cfg); j != nil && err == nil { // it came and went meanwhile
		err = fmt.Errorf("%w: it was taken at the same moment", ErrBusy)
	}
	return err
}

// nextTurn is the turns' journal, ready for the next turn; nil if the run has it.
func nextTurn(ctx context.Context, cfg JournalConfig) (*Journal, error) {
	id := cfg.ID
	cfg.ID = turnsID
	j := cfg.journal()
	h, err := ReadHistory(ctx, cfg.Store, turnsID)
	if errors.Is(err, ErrNoRun) {
		return j, nil // the first turn of all
	}
	if err != nil {
		return nil, fmt.Errorf("whose turn it is: %w", err)
	}
	holder := h.Last().Detail
	if holder == id {
		return nil, nil
	}
	other, err := ReadHistory(ctx, cfg.Store, holder)
	if err != nil {
		return nil, fmt.Errorf("whose turn it is: %w", err)
	}
	if !other.Over() {
		return nil, fmt.Errorf("%w: %s, of %s", ErrBusy, holder, other.Last().By)
	}
	j.n, j.prev = h.Last().N, h.digest
	return j, nil
}

// Abandon ends a run for good: its journal takes no more entries, and another run may have
// the turn. What the run has made so far stays as it is. takeOver is that of Claim.
func Abandon(ctx context.Context, cfg JournalConfig, reason string, takeOver bool) error {
	j, _, err := Claim(ctx, cfg, takeOver)
	if err != nil {
		return err
	}
	return j.Write(ctx, Entry{Event: Abandoned, Detail: reason})
}
