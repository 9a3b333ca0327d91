package restore

import (
	"fmt"
	"sync"
)

// Tenths passes progress on a tenth of a step at a time: for lines that people read one
// after the other. What it returns may be called from several goroutines.
func Tenths(say func(Progress)) func(Progress) {
	var mu sync.Mutex
	step, said := "", int64(-1)
	return func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		if p.Step != step {
			step, said = p.Step, -1
		}
		if p.Total <= 0 {
			return
		}
		if tenth := min(10, 10*p.Done/p.Total); tenth > said {
			said = tenth
			say(p)
		}
	}
}

// String is how far a step is, for people.
func (p Progress) String() string { return fmt.Sprintf("%s: %d of about %d", p.Step, p.Done, p.Total) }
