// Package repotest tells tests where the repository is, whose scripts, stack files and built
// programs they use.
package repotest

import (
	"os"
	"path/filepath"
	"testing"
)

// Root is the repository's root folder: the first above the test's that has a go.mod. It
// ends the test when there is none.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		up := filepath.Dir(dir)
		if up == dir {
			t.Fatal("no go.mod above the test's folder")
		}
		dir = up
	}
}
