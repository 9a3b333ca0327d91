// Package deploy_test checks the images' recipe where no image can be built: its rules,
// and that its build command gives the same bytes from two different folders.
package deploy_test

import (
	"bytes"
	"crypto/sha256"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// instruction is one instruction of the recipe, its continued lines joined.
type instruction struct{ word, rest string }

func recipe(t testing.TB, text string) []instruction {
	t.Helper()
	var all []instruction
	joined := regexp.MustCompile(`\\\n\s*`).ReplaceAllString(text, " ")
	for line := range strings.Lines(joined) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		all = append(all, instruction{word, strings.TrimSpace(rest)})
	}
	return all
}

// stage is one FROM and what follows it.
type stage struct {
	name, base string
	steps      []instruction
}

func stages(all []instruction) (args map[string]string, out []stage) {
	args = make(map[string]string)
	for _, i := range all {
		switch {
		case i.word == "FROM":
			f := strings.Fields(i.rest)
			s := stage{base: f[0]}
			if len(f) == 3 {
				s.name = f[2]
			}
			out = append(out, s)
		case i.word == "ARG" && len(out) == 0:
			k, v, _ := strings.Cut(i.rest, "=")
			args[k] = v
		case len(out) > 0:
			out[len(out)-1].steps = append(out[len(out)-1].steps, i)
		}
	}
	return args, out
}

var (
	pinned  = regexp.MustCompile(`^(scratch|[a-z0-9./-]+(:[a-z0-9.-]*[0-9][a-z0-9.-]*)?(@sha256:[0-9a-f]{64})?)$`)
	secrets = regexp.MustCompile(`(?i)(password|secret|token|passphrase)\s*=`)
)

// faults lists what is wrong with a recipe; the numbers are hadolint's rules.
func faults(t testing.TB, text string) []string {
	t.Helper()
	var found []string
	add := func(rule string) { found = append(found, rule) }
	args, all := stages(recipe(t, text))
	known := []string{}
	for n, s := range all {
		base := s.base
		for k, v := range args {
			base = strings.ReplaceAll(base, "${"+k+"}", v)
		}
		if base != "scratch" && !slices.Contains(known, base) && (!pinned.MatchString(base) || !strings.ContainsAny(base, ":@") || strings.HasSuffix(base, ":latest")) {
			add("DL3006/DL3007 base not pinned: " + base)
		}
		if slices.Contains(known, s.name) || s.name == "" {
			add("DL3024 stage without a name of its own")
		}
		final := s.name == "agent" || s.name == "operator"
		user, entry := "", false
		for _, i := range s.steps {
			found = append(found, step(i, known)...)
			user = map[bool]string{true: i.rest, false: user}[i.word == "USER"]
			entry = entry || i.word == "ENTRYPOINT"
		}
		if final && (!regexp.MustCompile(`^[1-9][0-9]*(:[1-9][0-9]*)?$`).MatchString(user) || !entry) {
			add("DL3002 " + s.name + " must run as a numeric user that is not root, with an entry point")
		}
		if n == len(all)-1 && !final {
			add("the last stage must be one that is meant to be run")
		}
		known = append(known, s.name)
	}
	return found
}

// step judges one instruction.
func step(i instruction, known []string) []string {
	var found []string
	switch i.word {
	case "ADD":
		found = append(found, "DL3020 ADD instead of COPY")
	case "MAINTAINER":
		found = append(found, "DL4000 MAINTAINER")
	case "WORKDIR":
		if !strings.HasPrefix(i.rest, "/") {
			found = append(found, "DL3000 relative WORKDIR")
		}
	case "ENTRYPOINT", "CMD":
		if !strings.HasPrefix(i.rest, "[") {
			found = append(found, "DL3025 "+i.word+" not in exec form")
		}
	case "COPY":
		if from := regexp.MustCompile(`--from=(\S+)`).FindStringSubmatch(i.rest); from != nil && !slices.Contains(known, from[1]) {
			found = append(found, "DL3022 copies from the unknown stage "+from[1])
		}
	case "ENV", "ARG":
		if secrets.MatchString(i.rest) {
			found = append(found, "a secret in "+i.word)
		}
	case "RUN":
		if strings.Contains(i.rest, "sudo ") || regexp.MustCompile(`(curl|wget).*\|`).MatchString(i.rest) {
			found = append(found, "DL3004/DL4006 runs what it downloads, or sudo")
		}
		if strings.Contains(i.rest, "apt-get install") && (!strings.Contains(i.rest, "--no-install-recommends") || !strings.Contains(i.rest, "rm -rf /var/lib/apt/lists")) {
			found = append(found, "DL3009/DL3015 apt leaves more than it needs")
		}
		if strings.Contains(i.rest, "go build") && (!strings.Contains(i.rest, "-trimpath") || !strings.Contains(i.rest, "-buildid=")) {
			found = append(found, "the build is not reproducible")
		}
	}
	return found
}

func dockerfile(t testing.TB) string {
	t.Helper()
	body, err := os.ReadFile("Dockerfile")
	require.NoError(t, err)
	return string(body)
}

func TestRecipeKeepsTheRules(t *testing.T) {
	t.Parallel()
	require.Empty(t, faults(t, dockerfile(t)))
	_, all := stages(recipe(t, dockerfile(t)))
	names := []string{}
	for _, s := range all {
		names = append(names, s.name)
	}
	require.Equal(t, []string{"build", "engine", "agent", "operator"}, names)
}

// TestEveryRuleCanFail: a check that cannot fail checks nothing.
func TestEveryRuleCanFail(t *testing.T) {
	t.Parallel()
	for want, change := range map[string][2]string{
		"base not pinned":              {"debian:12.8-slim", "debian:latest"},
		"must run as a numeric user":   {"USER 65532:65532\nWORKDIR /work\nENTRYPOINT", "USER root\nWORKDIR /work\nENTRYPOINT"},
		"ADD instead of COPY":          {"COPY . .", "ADD . ."},
		"relative WORKDIR":             {"WORKDIR /src\n", "WORKDIR src\n"},
		"not in exec form":             {`ENTRYPOINT ["/usr/local/bin/lifeboat"]`, "ENTRYPOINT lifeboat"},
		"copies from the unknown":      {"--from=build", "--from=bild"},
		"a secret in ENV":              {"ENV CGO_ENABLED=0", "ENV API_TOKEN=1"},
		"runs what it downloads":       {"RUN go mod download", "RUN curl http://x | sh"},
		"apt leaves more":              {" --no-install-recommends", ""},
		"the build is not reproducibl": {"-trimpath ", ""},
		"stage without a name":         {" AS build", ""},
	} {
		text := dockerfile(t)
		require.Contains(t, text, change[0])
		found := strings.Join(faults(t, strings.Replace(text, change[0], change[1], 1)), "\n")
		require.Contains(t, found, want)
	}
}

// TestPinnedVersionsAreTheProjects: the recipe and the modules must not drift apart.
func TestPinnedVersionsAreTheProjects(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile(filepath.Join("..", "tools", "pulumi", "go.mod"))
	require.NoError(t, err)
	args, all := stages(recipe(t, dockerfile(t)))
	version := regexp.MustCompile(`github.com/pulumi/pulumi/pkg/v3 (v\S+)`).FindSubmatch(mod)
	require.NotNil(t, version)
	require.True(t, slices.ContainsFunc(all, func(s stage) bool {
		return slices.Contains(s.steps, instruction{"ARG", "PULUMI_VERSION=" + string(version[1])})
	}), "PULUMI_VERSION is not %s", version[1])
	own, err := os.ReadFile(filepath.Join("..", "go.mod"))
	require.NoError(t, err)
	want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(own)
	require.Contains(t, args["GO_IMAGE"], "golang:"+string(want[1])+".")
}

// TestSameBytesFromAnotherFolder runs the recipe's own build command twice, in the
// repository and in a copy of it elsewhere.
func TestSameBytesFromAnotherFolder(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("links the command twice; left out by -short")
	}
	_, all := stages(recipe(t, dockerfile(t)))
	var command string
	for _, i := range all[0].steps {
		if i.word == "RUN" && strings.Contains(i.rest, "./cmd/lifeboat") {
			command = i.rest
		}
	}
	require.NotEmpty(t, command)
	// A copy has no history to be stamped with.
	command = strings.Replace(command, "-buildvcs=true", "-buildvcs=false", 1)
	here, err := filepath.Abs("..")
	require.NoError(t, err)
	there := filepath.Join(t.TempDir(), "elsewhere", "src")
	copySources(t, here, there)
	require.Equal(t, built(t, here, command), built(t, there, command))
}

// copySources copies what the image's build would see.
func copySources(t *testing.T, from, to string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if rel != "." && strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || d.Name() == "node_modules" || rel == "bin" {
				return filepath.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		if !d.Type().IsRegular() || strings.HasSuffix(rel, "_test.go") {
			return nil
		}
		body, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, rel), body, 0o644)
	})
	require.NoError(t, err)
}

// built runs the command in a folder and returns the hash of what it made.
func built(t *testing.T, dir, command string) [32]byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "lifeboat")
	cmd := exec.Command("sh", "-c", strings.Replace(command, "/out/lifeboat", out, 1))
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-mod=readonly")
	var text bytes.Buffer
	cmd.Stdout, cmd.Stderr = &text, &text
	require.NoError(t, cmd.Run(), text.String())
	body, err := os.ReadFile(out)
	require.NoError(t, err)
	return sha256.Sum256(body)
}
