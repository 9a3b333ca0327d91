package memory

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// Op is a method of the store.
type Op uint8

// The methods. Any stands for all of them in a Rule.
const (
	Any Op = iota
	Create
	Get
	Stat
	List
	Delete
)

func (o Op) String() string {
	return [...]string{"any", "create", "get", "stat", "list", "delete"}[o]
}

// Call is one call of the store, as a Plan sees it.
type Call struct {
	Op     Op
	Name   string // the prefix, for List
	Number int64  // of this call among all of the store's, from 1
}

// Effect is what becomes of a Create or a Delete in the store.
type Effect uint8

const (
	Done  Effect = iota // carried out
	Never               // lost on the way
	Late                // carried out some calls later; the caller hears of a failure
	Twice               // carried out, and once more some calls later
)

// Fault is what happens to one call. The zero value is no fault.
type Fault struct {
	Err    error         // answered in place of the true answer; needed by Never and Late
	Effect Effect        // of Create and Delete
	Calls  int           // for Late and Twice: how many calls later, at least 1
	Cut    int           // Get, List: Err comes only after so many bytes or objects; 0 = at once
	Before time.Duration // waited before the store acts
	After  time.Duration // waited between the deed and the answer; a cancelled wait hides the answer
	Hang   bool          // nothing happens until the context ends
}

// ErrInjected is what a fault answers that names no error of its own.
var ErrInjected = errors.New("injected fault")

// Failed: the request never reached the store.
func Failed() Fault { return Fault{Err: ErrInjected, Effect: Never} }

// DoneButFailed: carried out, and the answer lost.
func DoneButFailed() Fault { return Fault{Err: ErrInjected} }

// Delayed: the caller hears of a failure; the request arrives calls calls later.
func Delayed(calls int) Fault { return Fault{Err: ErrInjected, Effect: Late, Calls: calls} }

// Hung: no answer, and no effect, until the caller gives up.
func Hung() Fault { return Fault{Hang: true} }

func (f Fault) refusal() error {
	if f.Err == nil && (f.Effect == Never || f.Effect == Late) {
		return ErrInjected
	}
	return f.Err
}

func (f Fault) wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Plan decides about each call. Decide is called under the store's lock, one call at a
// time, and must not call the store.
type Plan interface {
	Decide(Call) Fault
}

// PlanFunc is a Plan made of a function.
type PlanFunc func(Call) Fault

// Decide implements Plan.
func (f PlanFunc) Decide(c Call) Fault { return f(c) }

// Use lets p decide about the calls from now on; nil heals the store. It replaces the
// plan before.
func (s *Store) Use(p Plan) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.plan = p
}

// Always is the Plan that does the same to every call: Always(Failed()) is a partition
// or a lost region, Always(Hung()) a network that swallows packets, Always(DoneButFailed())
// one that swallows answers.
func Always(f Fault) Plan {
	return PlanFunc(func(Call) Fault { return f })
}

// Rule is one fault at chosen calls. Give a pointer to Use: it counts.
type Rule struct {
	Op     Op     // Any for all
	Prefix string // of the name
	Skip   int    // so many matching calls go through first
	Times  int    // so many are hit then; 0 = all
	Fault  Fault

	mu   sync.Mutex
	seen int
}

// Decide implements Plan.
func (r *Rule) Decide(c Call) Fault {
	if r.Op != Any && r.Op != c.Op || !strings.HasPrefix(c.Name, r.Prefix) {
		return Fault{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen++
	if r.seen <= r.Skip || r.Times > 0 && r.seen > r.Skip+r.Times {
		return Fault{}
	}
	return r.Fault
}

// Hits tells how many calls the rule has hit.
func (r *Rule) Hits() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := max(0, r.seen-r.Skip)
	if r.Times > 0 {
		n = min(n, r.Times)
	}
	return n
}

// Rates are the probabilities, 0 to 1, of each fault of one call; their sum is at most 1.
// Those that concern changes alone (Late, Twice) become Failed for other calls, and a
// read that is Cut breaks off after a random number of bytes.
type Rates struct {
	Failed        float64
	DoneButFailed float64
	Late          float64
	Twice         float64
	Cut           float64
	MaxCalls      int           // Late and Twice arrive 1..MaxCalls calls later; 0 = 8
	MaxDelay      time.Duration // each call waits 0..MaxDelay before and after the deed; 0 = not at all
}

// Random draws faults at the given rates, always the same ones for one seed and one
// order of calls.
func Random(seed uint64, rates Rates) Plan {
	rng := rand.New(rand.NewPCG(seed, 0x11feb0a7))
	if rates.MaxCalls == 0 {
		rates.MaxCalls = 8
	}
	var mu sync.Mutex // one plan may serve two stores
	return PlanFunc(func(c Call) Fault {
		mu.Lock()
		defer mu.Unlock()
		f := rates.draw(rng, c.Op)
		if rates.MaxDelay > 0 {
			f.Before = time.Duration(rng.Int64N(int64(rates.MaxDelay)))
			f.After = time.Duration(rng.Int64N(int64(rates.MaxDelay)))
		}
		return f
	})
}

func (r Rates) draw(rng *rand.Rand, op Op) Fault {
	changes := op == Create || op == Delete
	x := rng.Float64()
	hit := func(rate float64) bool {
		x -= rate
		return x < 0
	}
	switch {
	case hit(r.Failed):
		return Failed()
	case hit(r.DoneButFailed):
		return DoneButFailed()
	case hit(r.Late):
		if !changes {
			return Failed()
		}
		return Delayed(1 + rng.IntN(r.MaxCalls))
	case hit(r.Twice):
		if !changes {
			return Failed()
		}
		return Fault{Effect: Twice, Calls: 1 + rng.IntN(r.MaxCalls)}
	case hit(r.Cut):
		if op == Get || op == List {
			return Fault{Err: ErrInjected, Cut: 1 + rng.IntN(64)}
		}
		return Failed()
	}
	return Fault{}
}
