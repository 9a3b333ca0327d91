package eventlog

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"lifeboat/internal/blob"
)

// MirrorLoss says what a writer does while the mirror cannot be reached.
type MirrorLoss int

const (
	// Block acknowledges nothing until the mirror is back. The default.
	Block MirrorLoss = iota
	// Degrade goes on with the local store alone, notes it in the log, and copies what
	// the mirror missed when it is back. Meanwhile waits end with ErrDegraded.
	Degrade
)

// WriterConfig is what OpenWriter needs. Zero limits take their defaults.
type WriterConfig struct {
	Local, Mirror blob.Store
	OnMirrorLoss  MirrorLoss
	Reason        string           // why this epoch begins; kept in the log
	Log           *slog.Logger     // nil: discard
	Clock         func() time.Time // nil: time.Now

	// SegmentBytes is the size, before compression, at which a segment is closed.
	// 0: 8 MiB, a second's work of a busy database.
	SegmentBytes int
	// MaxBatchBytes is the largest batch accepted, before compression: a batch is never
	// split. 0, and at most: MaxSegmentBytes.
	MaxBatchBytes int
	// Pipeline is how many segments may be unanswered by a store at once, at most
	// MaxPipeline; up to four times as many may wait behind one that is late. 0: 4.
	Pipeline int
	// PipelineBytes is how much must have gathered before a segment is sent while
	// another is under way: less makes more and smaller objects. 0: 256 KiB.
	PipelineBytes int
	// Patience is how long the mirror may leave a segment unanswered before a writer
	// with Degrade goes on without it. 0: 10 s.
	Patience time.Duration
	// AttemptTimeout bounds one request to a store, beside the time that its bytes
	// take. 0: 30 s.
	AttemptTimeout time.Duration

	newID  func() ID
	limits packLimits // zero: the usual ones
}

func (c *WriterConfig) complete() error {
	var problems []error
	if c.Local == nil || c.Mirror == nil {
		problems = append(problems, errors.New("a log has a local store and a mirror"))
	}
	set := func(name string, v *int, preset, most int) {
		if *v == 0 {
			*v = preset
		}
		if *v < 1 || *v > most {
			problems = append(problems, fmt.Errorf("%s is %d, want 1 to %d", name, *v, most))
		}
	}
	set("SegmentBytes", &c.SegmentBytes, 8<<20, MaxSegmentBytes)
	set("MaxBatchBytes", &c.MaxBatchBytes, MaxSegmentBytes, MaxSegmentBytes)
	set("Pipeline", &c.Pipeline, 4, MaxPipeline)
	set("PipelineBytes", &c.PipelineBytes, 256<<10, MaxSegmentBytes)
	if c.Patience == 0 {
		c.Patience = 10 * time.Second
	}
	if c.AttemptTimeout == 0 {
		c.AttemptTimeout = 30 * time.Second
	}
	if c.Patience < 0 || c.AttemptTimeout < 0 {
		problems = append(problems, errors.New("times must not be negative"))
	}
	if len(c.Reason) > MaxTextBytes {
		problems = append(problems, fmt.Errorf("reason has %d bytes, at most %d", len(c.Reason), MaxTextBytes))
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Clock == nil {
		c.Clock = time.Now
	}
	if c.newID == nil {
		c.newID = randomID
	}
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("log writer: %w", err)
	}
	return nil
}
