package drill

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"time"

	"lifeboat/internal/blob"
	"lifeboat/internal/config"
	"lifeboat/internal/database"
	"lifeboat/internal/workload"
)

// ErrNotProven: something acknowledged was lost, a hash differs, or a claim of the
// scenario did not hold. The report says what.
var ErrNotProven = errors.New("the drill did not prove that nothing acknowledged is lost")

// Loss is what a drill loses.
type Loss string

// The losses.
const (
	Primary    Loss = "primary"     // the primary's database and store, at once, for good
	AgentKill  Loss = "agent"       // the process that drains, by SIGKILL; the primary's store stays readable
	MirrorLink Loss = "mirror-link" // the way to the mirror for a while, and later the primary
)

// ParseLoss reads a Loss.
func ParseLoss(s string) (Loss, error) {
	switch l := Loss(s); l {
	case Primary, AgentKill, MirrorLink:
		return l, nil
	}
	return "", fmt.Errorf("%q is none of %s, %s, %s", s, Primary, AgentKill, MirrorLink)
}

// Engine plays the databases of one drill.
type Engine interface {
	// Title says what the database is, for the report.
	Title() string
	// Prepare makes the application's database in the primary region.
	Prepare(ctx context.Context) (Database, error)
	// Standby is the empty place in the other region.
	Standby(ctx context.Context) (Standby, error)
}

// Database is the application's database in the primary region.
type Database interface {
	// URL is how an agent in another process opens it.
	URL() string
	// App connects as the application does, with transactions that are captured one by one.
	App(ctx context.Context) (*sql.DB, workload.Dialect, error)
	// Source opens it for capture.
	Source(ctx context.Context) (database.Source, error)
	// Lose destroys it for good, also under those who have it open.
	Lose(ctx context.Context) error
}

// Standby is where the database is restored to.
type Standby interface {
	// Place says where, for the report.
	Place() string
	Target(ctx context.Context) (database.Target, error)
	// App connects to what was restored.
	App(ctx context.Context) (*sql.DB, workload.Dialect, error)
	// Check is the engine's own opinion of what was restored.
	Check(ctx context.Context) error
}

// Place is the store of one region.
type Place struct {
	URL   string // as an agent in another process opens it
	Store blob.Store
	// Destroy removes the store with all that is in it.
	Destroy func(ctx context.Context) error
}

// Remote is a store that the drill has not made. It is lost by being cut off for good:
// from then on nothing gets through to it any more.
func Remote(url string, store blob.Store) Place {
	way := &link{inner: store}
	return Place{URL: url, Store: way, Destroy: func(context.Context) error {
		way.cut.Store(true)
		return nil
	}}
}

// Cloud plays the region that takes over, beyond its store.
type Cloud interface {
	// Title says what it is, for the report.
	Title() string
	// Stand makes what stands beside the mirror all the time.
	Stand(ctx context.Context) error
	// Up makes a fresh region and returns how many resources that took.
	Up(ctx context.Context) (resources int, err error)
	// Down removes the fresh region and names what it left.
	Down(ctx context.Context) (left []string, err error)
}

// Config is what Run needs.
type Config struct {
	Engine Engine
	Cloud  Cloud // nil: no region is provisioned
	// NoCloud says why Cloud is nil although one was asked for.
	NoCloud         string
	Primary, Mirror Place
	Lose            Loss
	Seed            uint64
	Writers         int
	Duration        time.Duration // how long the writers write, about
	// Dir is outside both regions: records, configuration of the agent, and the report.
	Dir string
	// Agent makes the command that runs the agent as a process of its own, with a
	// configuration file, and with a file in which it writes the address that it listens
	// on. For AgentKill.
	Agent func(ctx context.Context, config, addressFile string) *exec.Cmd
	// File has what an agent in another process needs to open the stores, beside their
	// URLs; nil: defaults.
	File *config.File
	// FencedExit is the exit code with which that command says that it was fenced.
	FencedExit int
	// Memory bounds the restore, in bytes; 0: its default.
	Memory int64
	Log    *slog.Logger     // nil: discard
	Clock  func() time.Time // nil: time.Now
}

// limits of what a drill accepts.
const (
	minDuration = 500 * time.Millisecond
	maxWriters  = 1000
)

func (c *Config) check() error {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if _, err := ParseLoss(string(c.Lose)); err != nil {
		bad("what to lose: %w", err)
	}
	if c.Writers < 1 || c.Writers > maxWriters {
		bad("%d writers: want 1 to %d", c.Writers, maxWriters)
	}
	if c.Duration < minDuration {
		bad("duration %s: want at least %s", c.Duration, minDuration)
	}
	if c.Lose == AgentKill && c.Agent == nil {
		bad("losing the agent takes a command that runs it")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	return errors.Join(problems...)
}
