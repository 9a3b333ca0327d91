package capture

import (
	"log/slog"
	"regexp"
	"time"
)

// repeat is how often a failure that stays the same is logged: what is tried again ten times
// a second would fill a disk.
const repeat = time.Minute

// names are what differs between two failures of the same kind: numbers, hashes, temporary
// files, more letters too, which does no harm to a comparison.
var names = regexp.MustCompile(`[0-9a-f/]+`)

// complaint logs the failures of something that is tried again and again: a new one at once,
// the same one every minute with how often it came, and the end of it. Not safe for
// concurrent use.
type complaint struct {
	log          *slog.Logger
	what, better string

	last  string // the failure without names; empty while all is well
	at    time.Time
	times int // since it was logged
}

func (c *complaint) about(err error) {
	if err == nil {
		if c.last != "" {
			c.log.Info(c.better)
		}
		c.last, c.times = "", 0
		return
	}
	c.times++
	if text := names.ReplaceAllString(err.Error(), ""); text != c.last || time.Since(c.at) >= repeat {
		c.log.Warn(c.what, "err", err, "times", c.times)
		c.last, c.at, c.times = text, time.Now(), 0
	}
}
