package salvage

import (
	"fmt"
	"sync"

	"lifeboat/restore"
)

// tenths says a tenth of a restore's step at a time.
func tenths(say func(string)) func(restore.Progress) {
	var mu sync.Mutex
	step, said := "", int64(-1)
	return func(p restore.Progress) {
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
			say(fmt.Sprintf("%s: %d of about %d", p.Step, p.Done, p.Total))
		}
	}
}
