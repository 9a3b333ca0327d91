// Package simtest runs the real Pulumi engine against the stand-in cloud in tests: the
// pinned CLI and Go language host, a backend in a folder, and nothing of the machine's
// own Pulumi.
//
// The binaries come from tools/pulumi/build.sh, which builds them once into .cache. A
// test that needs them fails when they cannot be had: an engine test that is skipped
// proves nothing. `go test -short` leaves such tests out, and says so.
package simtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"lifeboat/internal/azuresim"
	"lifeboat/internal/azuresim/kinds"
	"lifeboat/internal/repotest"
)

// build runs the build script once a process.
var build = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		script := filepath.Join(dir, "tools", "pulumi", "build.sh")
		if _, err := os.Stat(script); err == nil {
			cmd := exec.Command(script)
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			return strings.TrimSpace(string(out)), err
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fmt.Errorf("no tools/pulumi/build.sh above %s", dir)
		}
		dir = up
	}
})

// Home is the folder whose bin/ has the pinned binaries; it builds them when they are not
// there. It is the Root of auto.PulumiCommandOptions.
func Home(t testing.TB) string {
	t.Helper()
	if testing.Short() {
		t.Skip("engine test left out by -short")
	}
	dir, err := build()
	if err != nil {
		t.Fatalf("the pinned Pulumi CLI could not be built: %v", err)
	}
	return dir
}

// NewCloud is an empty stand-in cloud that knows every kind of the project.
func NewCloud() *azuresim.Cloud {
	return azuresim.New(azuresim.Options{Kinds: kinds.Azure(), Objects: kinds.Kubernetes()})
}

// Engine is one stack's engine, attached to a cloud.
type Engine struct {
	Dir     string // the project's folder
	Home    string // PULUMI_HOME
	State   string // folder of the stacks' state
	Backend string // its URL
	Env     map[string]string

	t    testing.TB
	root string // of the pinned binaries
}

// NewEngine makes a project folder with the repository's own project and stack files,
// whose program is the repository's, and a backend beside it.
func NewEngine(t testing.TB, cloud *azuresim.Cloud) *Engine {
	t.Helper()
	bin, root, base := Home(t), repotest.Root(t), t.TempDir()
	server, err := azuresim.Serve(cloud)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Stop)
	e := &Engine{t: t, root: bin, Dir: filepath.Join(base, "project"), Home: filepath.Join(base, "home"), State: filepath.Join(base, "state")}
	// Of a file's metadata, which nobody needs here, the engine writes another file, not atomically: whoever
	// looks at a stack beside an update, as after the death of a runner, could read it half.
	e.Backend = "file://" + e.State + "?metadata=skip"
	for _, dir := range []string{e.Dir, e.Home, e.State} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"Pulumi.yaml", "Pulumi.primary.yaml", "Pulumi.dr.yaml"} {
		body, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		// The engine writes its salt into stack files, so it gets copies; the program is
		// named by its full path.
		body = bytes.Replace(body, []byte("\nmain: stacks\n"), []byte("\nmain: "+filepath.Join(root, "stacks")+"\n"), 1)
		if err := os.WriteFile(filepath.Join(e.Dir, name), body, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	e.Env = map[string]string{
		"PULUMI_HOME":                                 e.Home,
		"PULUMI_BACKEND_URL":                          e.Backend,
		"PULUMI_CONFIG_PASSPHRASE":                    "a passphrase of the test",
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		"PULUMI_SKIP_CONFIRMATIONS":                   "true",
		// The host builds the program at every call; without symbols the link is half as long.
		"GOFLAGS":        "-buildvcs=false -ldflags=-s -ldflags=-w -modfile=" + modules(t, root, base),
		"PATH":           bin + string(os.PathListSeparator) + os.Getenv("PATH"),
		azuresim.EnvName: server.EnvValue(),
	}
	return e
}

// modules copies go.mod and go.sum and returns where: the language host looks for plugins
// with commands that add to go.sum, and must not add to the repository's.
func modules(t testing.TB, root, base string) string {
	t.Helper()
	for _, name := range []string{"go.mod", "go.sum"} {
		body, err := os.ReadFile(filepath.Join(root, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(base, name), body, 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(base, "go.mod")
}

// CLI is the path of the pinned command.
func (e *Engine) CLI() string { return filepath.Join(e.root, "bin", "pulumi") }

// Run runs the command in the project's folder and returns what it printed. ok says
// whether it must succeed: a test of a refusal wants it to fail.
func (e *Engine) Run(ok bool, args ...string) string {
	e.t.Helper()
	out, err := e.Try(e.t.Context(), args...)
	if (err == nil) != ok {
		e.t.Fatalf("pulumi %s: error %v, wanted success %v\n%s", strings.Join(args, " "), err, ok, out)
	}
	return out
}

// Try runs the command and returns what it printed and how it ended.
func (e *Engine) Try(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, e.CLI(), append(args, "--non-interactive", "--color", "never")...)
	cmd.Dir = e.Dir
	cmd.Env = os.Environ()
	for k, v := range e.Env {
		cmd.Env = append(cmd.Env, k+"="+v)
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	return out.String(), err
}
