// Package docs_test keeps the documentation true where a machine can tell.
package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var root = ".."

// pages yields every Markdown file of the repository.
func pages(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root && d.Name() != ".github" {
			return filepath.SkipDir
		}
		if d.IsDir() && (d.Name() == "testdata" || d.Name() == "node_modules" || d.Name() == "templates") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".md") {
			return nil
		}
		text, err := os.ReadFile(path)
		all[path] = string(text)
		return err
	})
	require.NoError(t, err)
	require.NotEmpty(t, all)
	return all
}

var (
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.+)$`)
	fence   = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")
)

// TestLinks follows every link that stays inside the repository.
func TestLinks(t *testing.T) {
	t.Parallel()
	all := pages(t)
	for path, text := range all {
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			target := m[1]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(target, "#")
			if file == "" {
				file = path
			} else {
				file = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(file); err != nil {
				t.Errorf("%s links to %s, which does not exist", path, target)
				continue
			}
			if anchor != "" && strings.HasSuffix(file, ".md") && !anchors(all[file])[anchor] {
				t.Errorf("%s links to %s, which has no such heading", path, target)
			}
		}
	}
}

// anchors are the names that a heading gets on the usual hosts.
func anchors(text string) map[string]bool {
	set := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(text, -1) {
		name := strings.ToLower(strings.TrimSpace(m[1]))
		name = regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(name, "")
		set[strings.ReplaceAll(name, " ", "-")] = true
	}
	return set
}

// TestNoLineNumbers: a file has other lines after the next commit; names last longer.
func TestNoLineNumbers(t *testing.T) {
	t.Parallel()
	lines := regexp.MustCompile(`\b[\w/]+\.(go|yaml|yml|sh):\d+\b`)
	for path, text := range pages(t) {
		require.Empty(t, lines.FindAllString(text, -1), "%s cites lines", path)
	}
}

// TestMakeTargets: a target that a page names exists.
func TestMakeTargets(t *testing.T) {
	t.Parallel()
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	mentioned := regexp.MustCompile("(?m)(?:`|^)make ([a-z][a-z-]+)")
	for path, text := range pages(t) {
		for _, m := range mentioned.FindAllStringSubmatch(text, -1) {
			require.Regexp(t, `(?m)^`+m[1]+`:`, string(makefile), "%s: make %s", path, m[1])
		}
	}
}

// TestInvariantsHaveTheTestsThatTheyName: the table of invariants names packages and
// tests in them.
func TestInvariantsHaveTheTestsThatTheyName(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "development.md"))
	require.NoError(t, err)
	_, table, _ := strings.Cut(string(page), "## Invariants")
	table, _, _ = strings.Cut(table, "\n## ")
	invariants := 0
	for line := range strings.Lines(table) {
		if !regexp.MustCompile(`^\| \d`).MatchString(line) {
			continue
		}
		invariants++
		folder, source := "", ""
		for _, m := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(line, -1) {
			if name := m[1]; !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Benchmark") {
				folder, source = name, testsOf(t, name)
				continue
			}
			require.Contains(t, source, "\nfunc "+m[1]+"(", "%s has no %s", folder, m[1])
		}
	}
	require.Equal(t, 10, invariants)
}

// testsOf is the text of a package's tests.
func testsOf(t *testing.T, folder string) (text string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	require.NoError(t, err)
	require.NotEmpty(t, files, folder)
	for _, file := range files {
		body, err := os.ReadFile(file)
		require.NoError(t, err)
		text += string(body)
	}
	return text
}

// TestAgentAnswersAreDocumented: every field of the agent's answers stands in docs/json.md.
// What verbs print is held against that page by cmd/lifeboat.
func TestAgentAnswersAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join(root, "docs", "json.md"))
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## The agent's answers\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## ")
	fields := 0
	for _, name := range []string{"internal/agent/http.go", "eventlog/writer.go"} {
		source, err := os.ReadFile(filepath.Join(root, name))
		require.NoError(t, err)
		for _, m := range regexp.MustCompile("`json:\"([a-z_]+)").FindAllStringSubmatch(string(source), -1) {
			fields++
			require.Contains(t, section, "\n| `"+m[1]+"` | ", "%s answers with %s", name, m[1])
		}
	}
	require.Greater(t, fields, 10)
}
