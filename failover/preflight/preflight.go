package preflight

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// Errors a caller may test for with errors.Is.
var (
	// ErrUnasked marks a question that could not be put: it is not known whether all is well.
	ErrUnasked = errors.New("could not be asked")
	// ErrNotReady: a failover would fail now.
	ErrNotReady = errors.New("not ready for a failover")
	// ErrUnknown: nothing is known to be wrong, but something could not be asked.
	ErrUnknown = errors.New("readiness for a failover is not known")
)

// Status is an answer.
type Status string

// The answers.
const (
	Pass    Status = "pass"
	Fail    Status = "fail"
	Unknown Status = "unknown"
)

// Probe is one question.
type Probe struct {
	Name string
	Fix  string // what to do when it fails, as a command where there is one
	// Ask says what was found. An error is a failure, unless it wraps ErrUnasked or is that
	// of a context: then nothing is known.
	Ask func(ctx context.Context) (found string, err error)
}

// Check is a probe's answer.
type Check struct {
	Name    string  `json:"name"`
	Status  Status  `json:"status"`
	Found   string  `json:"found"`
	Fix     string  `json:"fix,omitempty"` // when it did not pass
	Seconds float64 `json:"seconds"`
}

// Report is every answer.
type Report struct {
	At     time.Time `json:"at"` // UTC
	Ready  bool      `json:"ready"`
	Checks []Check   `json:"checks"` // in the order of the probes
}

// Config says how to ask.
type Config struct {
	Patience time.Duration    // for each probe; a minute if 0
	Clock    func() time.Time // nil: time.Now
}

// Run asks every probe, several at once.
func Run(ctx context.Context, cfg Config, probes []Probe) Report {
	if cfg.Patience <= 0 {
		cfg.Patience = time.Minute
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	r := Report{At: cfg.Clock().UTC(), Checks: make([]Check, len(probes))}
	var g errgroup.Group
	for i, p := range probes {
		g.Go(func() error {
			r.Checks[i] = ask(ctx, cfg, p)
			return nil
		})
	}
	_ = g.Wait() // the functions return none
	r.Ready = r.Err() == nil
	return r
}

func ask(ctx context.Context, cfg Config, p Probe) Check {
	ctx, cancel := context.WithTimeout(ctx, cfg.Patience)
	defer cancel()
	began := cfg.Clock()
	c := Check{Name: p.Name, Status: Pass}
	found, err := p.Ask(ctx)
	c.Found, c.Seconds = found, max(0, cfg.Clock().Sub(began).Seconds())
	if err == nil {
		return c
	}
	c.Status, c.Found, c.Fix = Fail, err.Error(), p.Fix
	if errors.Is(err, ErrUnasked) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		c.Status = Unknown
	}
	return c
}

// Err is nil when every check passed, else it names those that did not, with their fixes.
func (r Report) Err() error {
	var failed, unknown []string
	for _, c := range r.Checks {
		switch c.Status {
		case Pass:
		case Fail:
			failed = append(failed, c.Name)
		default:
			unknown = append(unknown, c.Name)
		}
	}
	switch {
	case len(failed) > 0:
		return fmt.Errorf("%w: %s", ErrNotReady, strings.Join(append(failed, unknown...), ", "))
	case len(unknown) > 0:
		return fmt.Errorf("%w: %s", ErrUnknown, strings.Join(unknown, ", "))
	case len(r.Checks) == 0:
		return fmt.Errorf("%w: nothing was asked", ErrUnknown)
	}
	return nil
}

// Unasked says why a question could not be put.
func Unasked(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrUnasked, fmt.Errorf(format, args...))
}
