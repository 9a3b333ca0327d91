package main

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/drill"
	"lifeboat/internal/drill/embedded"
	"lifeboat/internal/repotest"
)

// site is a folder with a database, two stores and a configuration.
type site struct {
	t    *testing.T
	dir  string
	db   string // path of the database
	conf string
}

// newSite makes a small hospital, with capture installed and a first base taken.
func newSite(t *testing.T) *site {
	t.Helper()
	s := bareSite(t)
	s.hospital()
	return s
}

// hospital makes the database and protects it.
func (s *site) hospital() {
	s.t.Helper()
	require.NoError(s.t, embedded.Hospital(s.t.Context(), s.db, 150, 1))
	s.ok("capture", "install")
	s.ok("snapshot", "take", "--base")
}

// bareSite has stores and a configuration and no database.
func bareSite(t *testing.T) *site {
	t.Helper()
	folder := t.TempDir()
	s := &site{t: t, dir: folder, db: filepath.Join(folder, "app.sqlite"), conf: filepath.Join(folder, "lifeboat.yaml")}
	s.ok("init", "--database", "sqlite:"+s.db, "--primary", "dir:"+s.path("primary"), "--mirror", "dir:"+s.path("mirror"))
	return s
}

func (s *site) store(name string) blob.Store {
	s.t.Helper()
	store, err := dir.Open(s.path(name))
	require.NoError(s.t, err)
	return store
}

func (s *site) path(name string) string { return filepath.Join(s.dir, name) }

func (s *site) run(args ...string) outcome {
	s.t.Helper()
	return lifeboat(s.t, append([]string{"--config", s.conf, "--quiet"}, args...)...)
}

func (s *site) ok(args ...string) string {
	s.t.Helper()
	got := s.run(args...)
	require.Equal(s.t, 0, got.code, "%v: %s", args, got.errout)
	return got.out
}

func (s *site) open() *sql.DB {
	s.t.Helper()
	db, err := embedded.OpenApp(s.db)
	require.NoError(s.t, err)
	s.t.Cleanup(func() { _ = db.Close() })
	return db
}

// runningAgent is an agent in this process.
type runningAgent struct {
	address string
	stop    func() outcome
}

func (s *site) agent(args ...string) *runningAgent {
	s.t.Helper()
	return s.agentIn("address", args...)
}

// agentIn is an agent that writes its address into a file of this name.
func (s *site) agentIn(name string, args ...string) *runningAgent {
	s.t.Helper()
	ctx, cancel := context.WithCancel(s.t.Context())
	file := s.path(name)
	_ = os.Remove(file)
	var out, errout bytes.Buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, append([]string{"--config", s.conf, "agent", "--listen", "127.0.0.1:0", "--address-file", file}, args...), strings.NewReader(""), &out, &errout)
	}()
	a := &runningAgent{stop: func() outcome {
		cancel()
		code := <-ended
		ended <- code
		return outcome{code, out.String(), errout.String()}
	}}
	s.t.Cleanup(func() { a.stop() })
	require.Eventually(s.t, func() bool {
		text, err := os.ReadFile(file)
		a.address = strings.TrimSpace(string(text))
		return err == nil && a.address != ""
	}, time.Minute, 5*time.Millisecond)
	return a
}

func (a *runningAgent) barrier(t *testing.T) uint64 {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+a.address+"/v1/barrier?timeout=50s", nil)
	require.NoError(t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	var body struct {
		Seq   uint64
		Error string
	}
	require.NoError(t, json.NewDecoder(response.Body).Decode(&body))
	require.Equal(t, http.StatusOK, response.StatusCode, body.Error)
	return body.Seq
}

func decode[T any](t *testing.T, text string) (v T) {
	t.Helper()
	require.NoError(t, json.Unmarshal([]byte(text), &v), text)
	return v
}

// TestFromInitToRestore is the whole path of docs/getting-started.md.
func TestFromInitToRestore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	require.Contains(t, s.ok("capture", "status"), "true")
	db := s.open()
	a := s.agent()
	for i := range 5 {
		_, err := db.ExecContext(t.Context(), fmt.Sprintf("UPDATE lifeboat_transaction SET mark = mark + 1; UPDATE ward SET beds = %d WHERE id = 1", 10+i))
		require.NoError(t, err)
		require.EqualValues(t, i+1, a.barrier(t))
	}
	require.Equal(t, 0, a.stop().code)

	status := decode[statusResult](t, s.ok("status", "--json"))
	require.Empty(t, status.Mirror.Damage)
	require.EqualValues(t, 5, status.Mirror.End.Seq)
	require.EqualValues(t, 0, status.Lag.Transactions)
	require.EqualValues(t, 5, status.Mirror.Window[0].To.Seq)

	taken := decode[takeResult](t, s.ok("snapshot", "take", "--json", "--roll-forward"))
	require.EqualValues(t, 5, taken.Snapshot.Seq)
	require.EqualValues(t, "rollforward", taken.Snapshot.Kind)
	require.Len(t, decode[snapshotList](t, s.ok("snapshot", "list", "--json")).Snapshots, 3)
	require.Contains(t, s.ok("log", "verify"), "none")

	// The primary region is gone. From here on there is the mirror only.
	require.NoError(t, db.Close())
	require.NoError(t, os.RemoveAll(s.path("primary")))
	require.NoError(t, os.Remove(s.db))
	s.ok("takeover", "--primary-lost", "--reason", "test")
	for seq, beds := range map[uint64]int{2: 11, 5: 14} {
		into := s.path(fmt.Sprintf("restored-%d.sqlite", seq))
		plan := decode[planResult](t, s.ok("restore", "--seq", fmt.Sprint(seq), "--dry-run", "--json"))
		require.EqualValues(t, seq, plan.Point.Seq)
		require.NoFileExists(t, into)
		r := decode[restoreResult](t, s.ok("restore", "--seq", fmt.Sprint(seq), "--into", "sqlite:"+into, "--json"))
		require.True(t, r.Verified)
		restored, err := embedded.OpenApp(into)
		require.NoError(t, err)
		var got int
		require.NoError(t, restored.QueryRowContext(t.Context(), "SELECT beds FROM ward WHERE id = 1").Scan(&got))
		require.NoError(t, restored.Close())
		require.Equal(t, beds, got)
	}
}

func TestLogReading(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	db := s.open()
	a := s.agent()
	for _, statement := range []string{
		"UPDATE ward SET beds = 11 WHERE id = 1", "DELETE FROM note WHERE id = 3", "UPDATE ward SET beds = 12 WHERE id = 2",
	} {
		_, err := db.ExecContext(t.Context(), statement)
		require.NoError(t, err)
		a.barrier(t)
	}
	require.Equal(t, 0, a.stop().code)

	dump := s.ok("log", "dump")
	for _, want := range []string{"schema of 6 tables", "seq 1 ", "- ward  id=1", "+ ward  id=1", "beds=11", "- note  id=3", "seq 3 "} {
		require.Contains(t, dump, want)
	}
	require.NotContains(t, s.ok("log", "dump", "--from", "2", "--to", "2"), "ward  id=")
	require.Contains(t, s.ok("log", "dump", "--from", "2", "--to", "2"), "seq 2 ")

	found := s.ok("log", "find", "--where", "ward.beds > 11", "--where", "ward.id = 2", "--json")
	line := decode[struct {
		Seq     string
		Changes []map[string]any
	}](t, found)
	require.Equal(t, "0000000000000003", line.Seq)
	require.Len(t, line.Changes, 2)
	require.Contains(t, s.ok("log", "find", "--where", "note.id = 3"), "seq 2 ")
	require.Empty(t, s.ok("log", "find", "--where", "note.id = 99999999"))
	require.Equal(t, 2, strings.Count(s.ok("log", "find", "--where", "ward.name ~ .", "--limit", "0"), "transaction"))
	for _, bad := range []string{"ward", "ward.id", "ward.id ? 3", "ward.name ~ ("} {
		require.Equal(t, 2, s.run("log", "find", "--where", bad).code, bad)
	}
	require.Equal(t, 2, s.run("log", "find", "--where", "ward.id = 1", "--where", "note.id = 1").code)

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(300*time.Millisecond, cancel)
	var out, errout bytes.Buffer
	require.Equal(t, 0, run(ctx, []string{"--config", s.conf, "log", "tail", "--from", "3"}, strings.NewReader(""), &out, &errout), errout.String())
	require.Contains(t, out.String(), "seq 3 ")
	require.NotContains(t, out.String(), "seq 2 ")
}

func TestCaptureInstallAndRemove(t *testing.T) {
	t.Parallel()
	s := bareSite(t)
	require.NoError(t, embedded.Hospital(t.Context(), s.db, 60, 1))
	require.Equal(t, 3, s.run("capture", "status").code)
	dry := decode[installResult](t, s.ok("capture", "install", "--dry-run", "--json"))
	require.True(t, dry.Changed)
	require.NotEmpty(t, dry.Statements)
	require.Equal(t, 3, s.run("capture", "status").code, "a dry run installed something")
	done := decode[installResult](t, s.ok("capture", "install", "--json"))
	require.Len(t, done.Tables, 6)
	require.False(t, decode[installResult](t, s.ok("capture", "install", "--json")).Changed)
	_, err := s.open().ExecContext(t.Context(), "DELETE FROM note WHERE id = 1")
	require.NoError(t, err)
	require.Positive(t, decode[removeResult](t, s.ok("capture", "remove", "--dry-run", "--json")).Pending)
	require.NotEqual(t, 0, s.run("capture", "remove").code, "captured changes were thrown away unasked")
	s.ok("capture", "remove", "--discard")
	require.Equal(t, 3, s.run("capture", "status").code)
}

// TestDrill runs the command as a user does, with a child process as the agent where that
// is what is lost.
func TestDrill(t *testing.T) {
	t.Parallel()
	for _, lose := range []drill.Loss{drill.Primary, drill.AgentKill, drill.MirrorLink} {
		for seed := range 2 {
			t.Run(fmt.Sprintf("%s/%d", lose, seed), func(t *testing.T) {
				t.Parallel()
				dir := filepath.Join(t.TempDir(), "drill")
				got := lifeboat(t, "drill", "--json", "--quiet", "--rows", "800", "--duration", "1s", "--writers", "4",
					"--seed", fmt.Sprint(seed), "--lose", string(lose), "--dir", dir)
				require.Equal(t, 0, got.code, got.errout)
				r := decode[drill.Summary](t, got.out)
				require.True(t, r.Verified)
				require.Zero(t, r.AcknowledgedLost)
				require.GreaterOrEqual(t, r.Acknowledged, 20)
				require.FileExists(t, r.Report)
				require.FileExists(t, filepath.Join(dir, "mirror", "database", "restored.sqlite"))
			})
		}
	}
}

func TestDrillOnARealDatabase(t *testing.T) {
	t.Parallel()
	source := filepath.Join(repotest.Root(t), "..", "shared", "data", "chinook.sqlite")
	if _, err := os.Stat(source); err != nil {
		t.Skip("shared/data/chinook.sqlite is not beside the repository")
	}
	before, err := os.ReadFile(source)
	require.NoError(t, err)
	for _, lose := range []drill.Loss{drill.Primary, drill.AgentKill, drill.MirrorLink} {
		got := lifeboat(t, "drill", "--source", source, "--duration", "1s", "--seed", "1", "--lose", string(lose), "--quiet", "--dir", filepath.Join(t.TempDir(), "d"))
		require.Equal(t, 0, got.code, got.errout)
		require.Contains(t, got.out, "PROVEN")
	}
	after, err := os.ReadFile(source)
	require.NoError(t, err)
	require.Equal(t, before, after, "a drill wrote to its source")
}

func TestDrillCleansUp(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	got := lifeboat(t, "drill", "--quiet", "--rows", "300", "--duration", "500ms", "--writers", "2", "--seed", "3")
	require.Equal(t, 0, got.code, got.errout)
	left, err := filepath.Glob(filepath.Join(temp, "*", "*"))
	require.NoError(t, err)
	for i := range left {
		left[i] = filepath.Base(left[i])
	}
	require.ElementsMatch(t, []string{"report.md", "report.html", "writers.jsonl"}, left)

	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(700*time.Millisecond, cancel)
	t.Setenv("TMPDIR", t.TempDir())
	var out, errout bytes.Buffer
	code := run(ctx, []string{"drill", "--rows", "300", "--duration", "1h"}, strings.NewReader(""), &out, &errout)
	require.Equal(t, 130, code, errout.String())
	left, err = filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "*"))
	require.NoError(t, err)
	require.Empty(t, left, "an interrupted drill left something behind")
}
