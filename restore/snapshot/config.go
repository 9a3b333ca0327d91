package snapshot

import (
	"errors"
	"log/slog"
	"runtime"
	"time"

	"lifeboat/internal/blob"
	"lifeboat/restore"
)

// Config is shared by what writes snapshots. Only Stores is needed.
type Config struct {
	// Stores all get the snapshot. The first is also read: the log, and other snapshots.
	Stores []blob.Store
	// Cut sizes the chunks; zero: restore.DefaultCut.
	Cut restore.Cut
	// Memory bounds the changes held by Delta and RollForward, in bytes, before they go
	// to TempDir: 512 MiB if 0.
	Memory  int64
	TempDir string // the system's if empty
	// Progress is told about rows read, from one goroutine. May be nil.
	Progress func(restore.Progress)
	Log      *slog.Logger     // nil: silent
	Clock    func() time.Time // nil: time.Now
}

// uploads bounds the requests under way at once to each store, and with the size of a
// chunk the memory they hold.
const uploads = 8

func (c *Config) applyDefaultsAndValidate() error {
	if len(c.Stores) == 0 {
		return errors.New("snapshot: no store to write to")
	}
	if c.Cut == (restore.Cut{}) {
		c.Cut = restore.DefaultCut()
	}
	if c.Cut.Min < 1 || c.Cut.Spread < 1 || c.Cut.Max < c.Cut.Min {
		return errors.New("snapshot: chunk sizes must be positive and the largest not below the smallest")
	}
	if c.Memory == 0 {
		c.Memory = restore.DefaultMemory
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.Progress == nil {
		c.Progress = func(restore.Progress) {}
	}
	return nil
}

// encoders is how many goroutines hash and compress.
func encoders() int { return runtime.GOMAXPROCS(0) }
