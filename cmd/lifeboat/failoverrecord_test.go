package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// incident opens one at the company, and returns its id.
func (c *company) incident(args func(...string) []string) string {
	c.t.Helper()
	c.opened(args)
	return "SI-" + c.now.Format("2006") + "-0001"
}

// decides has the committee approve a plan in the incident's own record.
func (c *company) decides(args func(...string) []string, id string) {
	c.t.Helper()
	c.write("plan.txt", []byte("Fail over to UK West.\n"))
	for _, verb := range [][]string{
		{"assess", id, "--key", c.key("lin"), "--extent", "all of it", "--cause", "power", "--breach", "no"},
		{"plan", id, "--key", c.key("lin"), "--file", filepath.Join(c.root, "plan.txt"), "--rto", "95m"},
		{"approve", id, "--key", c.key("ada")}, {"approve", id, "--key", c.key("bob")},
	} {
		got := c.run(args(append([]string{"incident"}, verb...)...)...)
		require.Zero(c.t, got.code, "%v: %s", verb, got.errout)
	}
}

func (c *company) timeline(args func(...string) []string, id string) string {
	c.t.Helper()
	got := c.run(args("incident", "timeline", id)...)
	require.Zero(c.t, got.code, got.errout)
	return got.out
}

// TestARunStandsInTheIncidentsRecord: that it began, that it stopped, that it goes on and
// that it ended; with the report, whether or not the committee has recorded a plan.
func TestARunStandsInTheIncidentsRecord(t *testing.T) {
	t.Parallel()
	for name, decided := range map[string]bool{"by the committee's plan": true, "before the committee has met": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, args := newBridge(t)
			incident := c.incident(args)
			if decided {
				c.decides(args, incident)
			}
			c.configure(strings.ReplaceAll(c.rescueSection(""), "there.sqlite", filepath.Join("later", "there.sqlite")))
			id := c.plans(args, "--accept-stale", "a test").Plan.ID
			c.approves(args, id, "ada", "bob")
			with := func(verb ...string) []string {
				return args(append(verb, "--incident", incident, "--key", c.key("bob"), "--quiet=false")...)
			}
			got := c.run(with("failover", "run", id)...)
			require.Equal(t, 2, got.code, "there is no folder for the database: %s", got.errout)
			record := c.timeline(args, incident)
			require.Contains(t, record, "failover "+id+" began")
			require.Contains(t, record, "failover "+id+" stopped before its end")
			require.NoError(t, os.Mkdir(filepath.Join(c.root, "later"), 0o700))
			got = c.run(with("failover", "resume", id)...)
			require.Zero(t, got.code, got.errout)
			record = c.timeline(args, incident)
			require.Contains(t, record, "failover "+id+" goes on")
			require.Contains(t, record, "failover "+id+" has ended")
			require.NotContains(t, got.errout, "not in the incident's record")
			require.Contains(t, record, "recovered")
			require.Equal(t, decided, strings.Contains(record, "recovery-started"), record)
		})
	}
}

// TestABrokenRecordHoldsNoRunUp: people are told, and the recovery goes on.
func TestABrokenRecordHoldsNoRunUp(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(c *company, incident string) string{
		"damaged": func(c *company, incident string) string {
			files, err := filepath.Glob(filepath.Join(c.root, "*", "incidents", incident, "*"))
			require.NoError(c.t, err)
			require.NotEmpty(c.t, files)
			for _, file := range files {
				require.NoError(c.t, os.Chmod(file, 0o600))
				require.NoError(c.t, os.WriteFile(file, []byte("nothing"), 0o600))
			}
			return incident
		},
		"no such incident": func(*company, string) string { return "SI-2001-0001" },
		"no id at all":     func(*company, string) string { return "the one from this morning" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, args := newBridge(t)
			incident := c.incident(args)
			id := c.rescue(args)
			got := c.run(args("failover", "run", id, "--incident", spoil(c, incident), "--key", c.key("bob"), "--quiet=false")...)
			require.Zero(t, got.code, got.errout)
			require.Contains(t, got.errout, "not in the incident's record")
			require.Contains(t, got.out, "every state hash equal")
			require.NoError(t, write(t, filepath.Join(c.root, "there.sqlite")))
		})
	}
}
