package run_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/failover"
	"lifeboat/failover/run"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/blob/memory"
)

// child runs from the beginning, or goes on, and dies at the point.
func child(base, point string, kind failover.Kind) int {
	store, err := dir.Open(filepath.Join(base, "store"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	w := &world{dir: filepath.Join(base, "world"), hit: func(p string) error {
		if p == point {
			return killSelf()
		}
		return nil
	}}
	if _, err := w.resume(context.Background(), mortal{store, point}, kind); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// TestKilledAnywhere: SIGKILL at the start, in the middle and at the end of every step,
// while the world is asked, and before and after every entry of the journal. Whoever comes
// next finishes with the same result, and nothing is done twice.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	require.NoError(t, err)
	for _, kind := range kinds {
		all := points(kind)
		entries := 2 + 2*map[failover.Kind]int{failover.Failover: 12, failover.Drill: 9}[kind]
		for n := 1; n <= entries; n++ {
			all = append(all, fmt.Sprintf("journal:%d:before", n), fmt.Sprintf("journal:%d:after", n))
		}
		for _, point := range all {
			t.Run(string(kind)+" "+point, func(t *testing.T) {
				t.Parallel()
				base := t.TempDir()
				require.NoError(t, os.Mkdir(filepath.Join(base, "world"), 0o755))
				store, err := dir.Init(filepath.Join(base, "store"))
				require.NoError(t, err)
				cmd := exec.Command(self)
				cmd.Env = append(os.Environ(), envDir+"="+base, envPoint+"="+point, envKind+"="+string(kind))
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				require.ErrorAs(t, err, &exit, "it was to be killed: %s", out)
				require.Equal(t, -1, exit.ExitCode(), "%s", out)
				w := &world{dir: filepath.Join(base, "world")}
				_, err = w.resume(t.Context(), store, kind)
				require.NoError(t, err)
				requireWhole(t, w, store, kind)
			})
		}
	}
}

// TestEveryCallFails in both forms, and in the middle: the run ends with that error or
// finds that it was done all the same, and the next one finishes.
func TestEveryCallFails(t *testing.T) {
	t.Parallel()
	broken := errors.New("connection reset")
	for _, kind := range kinds {
		for _, point := range points(kind) {
			t.Run(string(kind)+" "+point, func(t *testing.T) {
				t.Parallel()
				store := memory.New()
				failed := false
				w := &world{dir: t.TempDir(), hit: func(p string) error {
					if p != point || failed {
						return nil
					}
					failed = true
					return broken
				}}
				_, err := w.start(t.Context(), store, kind)
				looks := strings.HasPrefix(point, "preflight") || strings.HasPrefix(point, "authorise") || strings.HasPrefix(point, "probe") || strings.HasPrefix(point, "restore")
				if done := strings.HasSuffix(point, ":end") && !looks; done {
					require.NoError(t, err, "the effect was there: only the answer was lost")
				} else {
					require.ErrorIs(t, err, broken)
					h, err := run.ReadHistory(t.Context(), store, id)
					require.NoError(t, err)
					require.Equal(t, run.Stopped, h.Last().Event, "anybody may go on")
					j, h, err := run.Claim(t.Context(), config(store, "second"), false)
					require.NoError(t, err)
					steps, _ := w.steps(kind)
					require.NoError(t, (&run.Run{Journal: j, History: h, Steps: steps}).Do(t.Context()))
				}
				requireWhole(t, w, store, kind)
			})
		}
	}
}

// TestEveryEntryFails: the store fails, or does it and says that it failed, or does it
// later, at each entry.
func TestEveryEntryFails(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]memory.Fault{
		"failed": memory.Failed(), "done": memory.DoneButFailed(), "later": memory.Delayed(2),
	} {
		for n := int64(1); n <= 24; n++ {
			t.Run(fmt.Sprintf("%s %d", name, n), func(t *testing.T) {
				t.Parallel()
				store := memory.New()
				creates := int64(0)
				store.Use(memory.PlanFunc(func(c memory.Call) memory.Fault {
					if c.Op != memory.Create {
						return memory.Fault{}
					}
					if creates++; creates == n {
						return fault
					}
					return memory.Fault{}
				}))
				w := &world{dir: t.TempDir()}
				_, err := w.start(t.Context(), store, failover.Failover)
				require.Error(t, err)
				store.Use(nil)
				_, err = w.resume(t.Context(), store, failover.Failover)
				require.NoError(t, err)
				requireWhole(t, w, store, failover.Failover)
			})
		}
	}
}
