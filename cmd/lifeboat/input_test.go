package main

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/drill/embedded"
)

// contents is every file below a folder, to see that nothing was changed.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	require.NoError(t, filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasSuffix(path, "-shm") {
			return err
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	}))
	return all
}

// refusal is a command that must fail with an exit code and words, and change nothing.
type refusal struct {
	name string
	args []string
	code int
	says []string
}

func (s *site) refuses(tests []refusal) {
	s.t.Helper()
	for _, tt := range tests {
		s.t.Run(tt.name, func(t *testing.T) {
			before := contents(t, s.dir)
			got := s.run(tt.args...)
			require.Equal(t, tt.code, got.code, "%s%s", got.out, got.errout)
			for _, want := range tt.says {
				require.Contains(t, got.errout, want)
			}
			require.NotContains(t, got.errout, "panic")
			require.Equal(t, before, contents(t, s.dir), "something was changed")
		})
	}
}

func TestBadDatabase(t *testing.T) {
	t.Parallel()
	s := bareSite(t)
	write := func(name, text string) string {
		path := s.path(name)
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		return "sqlite:" + path
	}
	text := write("letter.txt", strings.Repeat("Dear Sir or Madam, this is no database. ", 200))
	keyless := s.path("keyless.sqlite")
	db, err := embedded.OpenApp(keyless)
	require.NoError(t, err)
	_, err = db.ExecContext(t.Context(), "CREATE TABLE fine (id INTEGER PRIMARY KEY); CREATE TABLE loose (a, b); CREATE TABLE other_loose (c); CREATE VIRTUAL TABLE words USING fts5 (body)")
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.NoError(t, os.Mkdir(s.path("folder"), 0o755))
	s.refuses([]refusal{
		{"not a database", []string{"capture", "install", "--database", text}, 2, []string{"letter.txt", "not a SQLite database"}},
		{"no such file", []string{"capture", "install", "--database", "sqlite:" + s.path("none.sqlite")}, 2, []string{"none.sqlite", "check the path"}},
		{"a folder", []string{"capture", "install", "--database", "sqlite:" + s.path("folder")}, 2, []string{"folder"}},
		{"tables that cannot be captured, all by name", []string{"capture", "install", "--database", "sqlite:" + keyless}, 3, []string{"loose", "other_loose", "words", "nothing was changed"}},
		{"capture is not installed", []string{"agent", "--database", "sqlite:" + keyless}, 3, []string{"capture is not installed", "capture install"}},
		{"an engine that does not exist", []string{"capture", "install", "--database", "oracle:x"}, 2, []string{`"oracle:x"`, "sqlite:PATH"}},
		{"no scheme", []string{"capture", "install", "--database", keyless}, 2, []string{"KIND:PLACE"}},
		{"drill on what is not a database", []string{"drill", "--source", strings.TrimPrefix(text, "sqlite:")}, 2, []string{"letter.txt"}},
		{"drill on nothing", []string{"drill", "--source", s.path("none.sqlite")}, 2, []string{"none.sqlite"}},
		{"drill with nonsense, all at once", []string{"drill", "--rows", "1", "--writers", "0", "--lose", "hope", "--duration", "1ms"}, 2, []string{"--rows", "--writers", "--lose", "--duration"}},
		{"drill into a folder that is in use", []string{"drill", "--dir", s.dir}, 3, []string{"not empty"}},
	})
}

func TestBadStore(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.refuses([]refusal{
		{"a kind that does not exist", []string{"status", "--mirror", "ftp:x"}, 2, []string{`"ftp:x"`, "dir:PATH"}},
		{"a folder that is not there", []string{"log", "verify", "--mirror", "dir:" + s.path("unmounted")}, 2, []string{"unmounted", "mount the disk"}},
		{"a file", []string{"log", "verify", "--mirror", "dir:" + s.db}, 2, []string{"app.sqlite"}},
		{"the same store twice", []string{"status", "--primary", "dir:/x", "--mirror", "dir:/x"}, 2, []string{"protects from nothing"}},
		{"an unknown key", []string{"--config", s.misspelt(), "status"}, 2, []string{"line 2", `did you mean "mirror"`}},
		{"init over an existing file", []string{"init", "--primary", "dir:a", "--mirror", "dir:b"}, 3, []string{"is there already"}},
	})
}

func (s *site) misspelt() string {
	path := s.path("misspelt.yaml")
	require.NoError(s.t, os.WriteFile(path, []byte("version: 1\nmirrror: {}\n"), 0o600))
	return path
}

func TestBadTarget(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	db := s.open()
	a := s.agent()
	_, err := db.ExecContext(t.Context(), "UPDATE ward SET beds = 11 WHERE id = 1")
	require.NoError(t, err)
	a.barrier(t)
	require.Equal(t, 0, a.stop().code)
	require.NoError(t, db.Close())
	require.NoError(t, os.WriteFile(s.path("occupied.txt"), []byte(strings.Repeat("not a database ", 1000)), 0o600))
	fresh := "sqlite:" + s.path("fresh.sqlite")
	s.refuses([]refusal{
		{"not empty", []string{"restore", "--latest", "--into", "sqlite:" + s.db}, 3, []string{"not empty"}},
		{"no database at all", []string{"restore", "--latest", "--into", "sqlite:" + s.path("occupied.txt")}, 2, []string{"not a SQLite database"}},
		{"a folder that is not there", []string{"restore", "--latest", "--into", "sqlite:" + s.path("no/where.sqlite")}, 2, []string{"no/where.sqlite"}},
		{"after the end", []string{"restore", "--seq", "2", "--into", fresh}, 6, []string{"seq 2", "after the end of the log", "nearest provable point before: seq 1"}},
		{"in the future", []string{"restore", "--at", "2999-01-01T00:00:00Z", "--into", fresh}, 6, []string{"nearest provable point before: seq 1"}},
		{"before the first snapshot", []string{"restore", "--at", "2001-01-01T00:00:00Z", "--into", fresh}, 6, []string{"before the first usable snapshot", "after: seq 0"}},
		{"no target given", []string{"restore", "--into", fresh}, 2, []string{"latest"}},
		{"two targets given", []string{"restore", "--latest", "--seq", "1", "--into", fresh}, 2, []string{"latest", "seq"}},
		{"not a time", []string{"restore", "--at", "yesterday", "--into", fresh}, 2, []string{"RFC 3339"}},
		{"a dump that ends before it begins", []string{"log", "dump", "--from", "3", "--to", "1"}, 2, []string{"--from 3", "--to 1"}},
		{"a search that ends before it begins", []string{"log", "find", "--where", "ward.id = 1", "--from", "3", "--to", "1"}, 2, []string{"--from 3", "--to 1"}},
		{"nowhere to put it", []string{"restore", "--latest"}, 2, []string{"--into"}},
	})
	require.NoFileExists(t, s.path("fresh.sqlite"))
	// After all that, it can still be restored.
	s.ok("restore", "--latest", "--into", fresh)
}

// damage changes one object of the mirror, whose name has the prefix: the n-th.
func (s *site) object(prefix string, n int) string {
	s.t.Helper()
	var names []string
	require.NoError(s.t, filepath.WalkDir(s.path("mirror/"+prefix), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, path)
		}
		return err
	}))
	slices.Sort(names)
	require.Greater(s.t, len(names), n)
	return names[n]
}

func overwrite(t *testing.T, path string, change func([]byte) []byte) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, os.Remove(path))
	if text = change(text); text != nil {
		require.NoError(t, os.WriteFile(path, text, 0o600))
	}
}

// TestDamage harms one object after another and expects it to be named, with what is lost
// and what is still provable.
func TestDamage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	db := s.open()
	a := s.agent()
	for i := range 4 {
		_, err := db.ExecContext(t.Context(), fmt.Sprintf("UPDATE ward SET beds = %d WHERE id = 1", 10+i))
		require.NoError(t, err)
		a.barrier(t)
	}
	require.Equal(t, 0, a.stop().code)
	require.NoError(t, db.Close())
	flip := func(b []byte) []byte { b[len(b)/2] ^= 1; return b }
	newer := func(b []byte) []byte { // the preamble: magic, version, length, checksum of the three
		binary.BigEndian.PutUint32(b[8:], 2)
		binary.BigEndian.PutUint32(b[16:], crc32.Checksum(b[:16], crc32.MakeTable(crc32.Castagnoli)))
		return b
	}
	segment := s.segmentOf(3)
	tests := []struct {
		name   string
		object string
		change func([]byte) []byte
		verb   []string
		code   int
		says   []string
	}{
		{"a flipped bit in a segment", segment, flip, []string{"log", "verify"}, 7, []string{"corrupt"}},
		{"a segment cut short", segment, func(b []byte) []byte { return b[:len(b)-7] }, []string{"log", "verify"}, 7, []string{"truncated"}},
		{"a segment gone", segment, func([]byte) []byte { return nil }, []string{"log", "verify"}, 7, []string{"missing"}},
		{"the status of a log with a gap", segment, func([]byte) []byte { return nil }, []string{"status"}, 7, []string{"missing from the log", "seq 0 to 2", "mirror repair"}},
		{"a restore past a gap", segment, func([]byte) []byte { return nil }, []string{"restore", "--latest", "--dry-run"}, 6, []string{"nearest provable point before: seq 2"}},
		{"a segment of a newer release", segment, newer, []string{"log", "verify"}, 9, []string{"newer format version", "upgrade lifeboat"}},
		{"a restore past a damaged segment", segment, flip, []string{"restore", "--seq", "4", "--into", "sqlite:" + s.path("r.sqlite")}, 6, []string{"seq 4", "nearest provable point before: seq 2"}},
		{"a flipped bit in a chunk", s.object("chunks", 0), flip, []string{"snapshot", "verify"}, 7, []string{"damage"}},
		{"a chunk gone", s.object("chunks", 0), func([]byte) []byte { return nil }, []string{"snapshot", "verify"}, 7, []string{"damage"}},
		{"a manifest harmed", s.object("snapshots", 0), flip, []string{"snapshot", "list"}, 7, []string{"damage"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var old []byte
			overwrite(t, tt.object, func(b []byte) []byte { old = slices.Clone(b); return tt.change(b) })
			before := contents(t, s.dir)
			got := s.run(tt.verb...)
			require.Equal(t, before, contents(t, s.dir), "something was changed")
			require.Equal(t, tt.code, got.code, "%s%s", got.out, got.errout)
			name, err := filepath.Rel(s.path("mirror"), tt.object)
			require.NoError(t, err)
			require.Contains(t, got.out+got.errout, filepath.ToSlash(name), "the object is not named")
			for _, want := range tt.says {
				require.Contains(t, got.out+got.errout, want)
			}
			_ = os.Remove(tt.object)
			require.NoError(t, os.WriteFile(tt.object, old, 0o600))
		})
	}
	s.ok("log", "verify")
	s.ok("snapshot", "verify")
}

// segmentOf is the object that holds a transaction.
func (s *site) segmentOf(seq int) string {
	s.t.Helper()
	dump := s.ok("log", "dump", "--from", fmt.Sprint(seq), "--to", fmt.Sprint(seq))
	_, rest, ok := strings.Cut(dump, "(")
	require.True(s.t, ok, dump)
	name, _, _ := strings.Cut(rest, ")")
	return s.path("mirror/" + name)
}

func TestLockedDatabase(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, err := s.open().ExecContext(t.Context(), "CREATE TABLE later (id INTEGER PRIMARY KEY)")
	require.NoError(t, err)
	tx, err := s.open().BeginTx(t.Context(), nil)
	require.NoError(t, err)
	began := time.Now()
	got := s.run("capture", "install")
	require.NotEqual(t, 0, got.code)
	require.Contains(t, got.errout, "locked")
	require.Contains(t, got.errout, "another connection")
	require.Less(t, time.Since(began), time.Minute)
	require.NoError(t, tx.Rollback())
	s.ok("capture", "install")
}
