package main

import (
	"bytes"
	"context"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/drill/embedded"
)

// BenchmarkSecondSnapshot: what a second snapshot stores after 0.1 % of a hospital's rows,
// any of each large table, were changed, in bytes and beside the base's; and what restic stores for a
// dump of the same database before and after. Run it with -benchtime 1x.
func BenchmarkSecondSnapshot(b *testing.B) {
	const rows, seed = 200_000, 7
	for range b.N {
		s := &site{dir: b.TempDir()}
		s.db, s.conf = s.path("app.sqlite"), s.path("lifeboat.yaml")
		must := func(args ...string) string {
			got := lifeboat(b, append([]string{"--config", s.conf, "--quiet"}, args...)...)
			require.Equal(b, 0, got.code, "%v: %s", args, got.errout)
			return got.out
		}
		must("init", "--database", "sqlite:"+s.db, "--primary", "dir:"+s.path("primary"), "--mirror", "dir:"+s.path("mirror"))
		require.NoError(b, embedded.Hospital(context.Background(), s.db, rows, seed))
		must("capture", "install")
		must("snapshot", "take", "--base")
		base := stored(b, s.path("mirror"))
		dump := s.path("dump")
		must("snapshot", "export", "--format", "csv", "--into", dump)
		repo, has := newRestic(b, s.path("restic"))
		if has {
			repo.backup(dump)
			b.ReportMetric(float64(repo.size()), "restic-base-B")
		}
		before := repo.size()

		db, err := embedded.OpenApp(s.db)
		require.NoError(b, err)
		n := int64(0)
		for table, column := range map[string]string{"note": "body", "task": "title", "patient": "diagnosis", "staff": "name"} {
			changed, err := db.ExecContext(context.Background(), "UPDATE "+table+" SET "+column+" = "+column+" || '!' WHERE id IN (SELECT id FROM "+table+
				" ORDER BY (id * 2654435761) % 4294967296 LIMIT (SELECT (count(*) + 999) / 1000 FROM "+table+"))")
			require.NoError(b, err)
			rows, err := changed.RowsAffected()
			require.NoError(b, err)
			n += rows
		}
		require.NoError(b, db.Close())
		drain(b, s)
		log := stored(b, s.path("mirror"))
		must("snapshot", "take")
		second := stored(b, s.path("mirror")) - log
		b.ReportMetric(float64(n), "rows-changed")
		b.ReportMetric(float64(base), "base-B")
		b.ReportMetric(float64(second), "second-B")
		b.ReportMetric(100*float64(second)/float64(base), "second-%")
		if has {
			require.NoError(b, os.RemoveAll(dump))
			must("snapshot", "export", "--format", "csv", "--into", dump)
			repo.backup(dump)
			b.ReportMetric(float64(repo.size()-before), "restic-second-B")
			b.ReportMetric(100*float64(repo.size()-before)/float64(before), "restic-second-%")
		}
	}
}

// drain runs an agent until what was committed is durable.
func drain(b *testing.B, s *site) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended, file := make(chan int, 1), s.path("address")
	go func() {
		ended <- run(ctx, []string{"--config", s.conf, "--quiet", "agent", "--listen", "127.0.0.1:0", "--address-file", file}, strings.NewReader(""), io.Discard, os.Stderr)
	}()
	var address []byte
	require.Eventually(b, func() bool {
		var err error
		address, err = os.ReadFile(file)
		return err == nil && bytes.HasSuffix(address, []byte("\n"))
	}, time.Minute, 5*time.Millisecond)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+strings.TrimSpace(string(address))+"/v1/barrier?timeout=60s", nil)
	require.NoError(b, err)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(b, err)
	require.Equal(b, http.StatusOK, answer.StatusCode)
	require.NoError(b, answer.Body.Close())
	cancel()
	require.Equal(b, 0, <-ended)
}

// stored is the size of a folder in bytes.
func stored(b *testing.B, dir string) (total int64) {
	require.NoError(b, filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			total += info.Size()
		}
		return err
	}))
	return total
}

type restic struct {
	b    *testing.B
	repo string
}

// newRestic makes a repository; false if restic is not installed.
func newRestic(b *testing.B, repo string) (*restic, bool) {
	r := &restic{b, repo}
	if _, err := exec.LookPath("restic"); err != nil {
		b.Log("restic is not installed: nothing to compare with")
		return r, false
	}
	r.run("init")
	return r, true
}

func (r *restic) run(args ...string) {
	cmd := exec.Command("restic", append([]string{"--quiet", "--no-cache", "--repo", r.repo}, args...)...)
	cmd.Env = append(os.Environ(), "RESTIC_PASSWORD=benchmark")
	out, err := cmd.CombinedOutput()
	require.NoError(r.b, err, "%s", out)
}

func (r *restic) backup(dir string) { r.run("backup", dir) }

func (r *restic) size() int64 {
	if _, err := os.Stat(r.repo); err != nil {
		return 0
	}
	return stored(r.b, r.repo)
}
