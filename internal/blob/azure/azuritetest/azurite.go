// Package azuritetest runs Azurite, Microsoft's storage emulator, for tests, and a
// proxy that makes the network to it fail.
//
// The first use installs the version that package-lock.json pins into .cache/azurite at
// the root of the repository (some 365 MB, by npm); later uses only start it. Where
// node and npm are missing, or the registry cannot be reached, the test is skipped with
// the reason; with CI=true in the environment it fails instead.
//
// What a test here proves about Azure is limited: Azurite accepts immutability policies
// and ignores them, and answers at its own speed.
package azuritetest

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	"lifeboat/internal/blob/azure"
	"lifeboat/internal/repotest"
)

//go:embed package.json
var manifest []byte

//go:embed package-lock.json
var lock []byte

const (
	installTimeout = 5 * time.Minute // 14 s on a good line, for 365 MB
	startTimeout   = time.Minute     // 3 s on a busy machine
)

// Server is one Azurite with one account, on loopback: it plays one region.
type Server struct {
	Account string
	Key     azure.Secret
	URL     string // of the blob service, as azure.Config.Endpoint wants it

	folder     string
	port       string
	cmd        *exec.Cmd
	containers atomic.Int64
}

// Start runs an Azurite with an account of the given name until the test ends.
func Start(t testing.TB, account string) *Server {
	t.Helper()
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		t.Fatal(err)
	}
	s := &Server{
		Account: account,
		Key:     azure.Secret(base64.StdEncoding.EncodeToString(key)),
		folder:  t.TempDir(),
		port:    "0", // its own choice
	}
	program := install(t)
	t.Cleanup(s.Kill)
	s.run(t, program)
	return s
}

// Kill ends the server at once. It loses what Azurite had not yet written down, which
// is up to some seconds of acknowledged writes: a fault of Azurite's, not of Azure's.
func (s *Server) Kill() { s.end(syscall.SIGKILL) }

// Stop has the server end in good order. Requests under way are cut off.
func (s *Server) Stop() { s.end(syscall.SIGTERM) }

func (s *Server) end(signal syscall.Signal) {
	if s.cmd != nil {
		_ = s.cmd.Process.Signal(signal)
		_ = s.cmd.Wait()
		s.cmd = nil
	}
}

// Restart starts a server that was stopped or killed again, at the same address and
// with what it had stored.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.run(t, install(t))
}

var listening = regexp.MustCompile(`listens on (http://127\.0\.0\.1:(\d+))`)

func (s *Server) run(t testing.TB, program string) {
	t.Helper()
	// Without --skipApiVersionCheck Azurite refuses the SDK's newer protocol version.
	cmd := exec.Command(program, "--blobHost", "127.0.0.1", "--blobPort", s.port, "--location", s.folder,
		"--disableTelemetry", "--skipApiVersionCheck", "--silent")
	cmd.Env = append(os.Environ(), "AZURITE_ACCOUNTS="+s.Account+":"+string(s.Key))
	cmd.SysProcAttr = dieWithParent()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatalf("start azurite: %v", err)
	}
	s.cmd = cmd
	address := make(chan []string, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() { // to the end, so that it never blocks on a full pipe
			if m := listening.FindStringSubmatch(lines.Text()); m != nil {
				address <- m
			}
		}
		close(address)
	}()
	select {
	case m, ok := <-address:
		if !ok {
			s.Kill()
			t.Fatalf("azurite ended at once: %s", stderr.String())
		}
		s.URL, s.port = m[1]+"/"+s.Account, m[2]
	case <-time.After(startTimeout):
		s.Kill()
		t.Fatalf("azurite did not answer within %s: %s", startTimeout, stderr.String())
	}
}

// Config is that of a new, empty container, by account key.
func (s *Server) Config(t testing.TB) azure.Config {
	t.Helper()
	c := azure.Config{
		Location: azure.Location{Account: s.Account, Container: fmt.Sprintf("test-%d", s.containers.Add(1))},
		Endpoint: s.URL,
		Key:      s.Key,
	}
	store, err := azure.Open(c)
	if err == nil {
		err = store.MakeContainer(context.Background())
	}
	if err != nil {
		t.Fatalf("make a container in azurite: %v", err)
	}
	return c
}

// Store opens a new, empty container.
func (s *Server) Store(t testing.TB) *azure.Store {
	t.Helper()
	store, err := azure.Open(s.Config(t))
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// SAS issues an account SAS with the given rights on objects and containers.
func (s *Server) SAS(t testing.TB, permissions sas.AccountPermissions, expiry time.Time) azure.Secret {
	t.Helper()
	key, err := service.NewSharedKeyCredential(s.Account, string(s.Key))
	if err != nil {
		t.Fatal(err)
	}
	q, err := sas.AccountSignatureValues{
		Protocol:      sas.ProtocolHTTPSandHTTP,
		ExpiryTime:    expiry.UTC(),
		Permissions:   permissions.String(),
		ResourceTypes: (&sas.AccountResourceTypes{Container: true, Object: true}).String(),
	}.SignWithSharedKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return azure.Secret(q.Encode())
}

// install returns the path of the pinned program, or ends the test.
func install(t testing.TB) string {
	t.Helper()
	sum := sha256.Sum256(append(bytes.Clone(manifest), lock...))
	folder := filepath.Join(repotest.Root(t), ".cache", "azurite", fmt.Sprintf("%x", sum[:6]))
	program := filepath.Join(folder, "node_modules", ".bin", "azurite-blob")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	if err := installInto(folder, program); err != nil {
		missing(t, err)
	}
	return program
}

// missing skips the test, or fails it where it must not be skipped.
func missing(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("azurite is needed here: %v", err)
	}
	t.Skipf("not tested against Azurite: %v", err)
}

// installInto lets one process install and the others wait for it.
func installInto(folder, program string) error {
	npm, err := exec.LookPath("npm")
	if err == nil {
		_, err = exec.LookPath("node")
	}
	if err != nil {
		return fmt.Errorf("install node and npm: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(folder), 0o755); err != nil { // programs, not data
		return err
	}
	unlock, err := lockFile(folder + ".lock")
	if err != nil {
		return err
	}
	defer unlock()
	if _, err := os.Stat(program); err == nil {
		return nil // another process was faster
	}
	staging := folder + ".new"
	if err := os.RemoveAll(staging); err != nil {
		return err
	}
	if err := os.Mkdir(staging, 0o755); err != nil { // programs, not data
		return err
	}
	for name, content := range map[string][]byte{"package.json": manifest, "package-lock.json": lock} {
		if err := os.WriteFile(filepath.Join(staging, name), content, 0o600); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), installTimeout)
	defer cancel()
	// No scripts: nothing of what is installed runs before Azurite itself does.
	cmd := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund")
	cmd.Dir = staging
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("npm ci: %w: %s", err, lastLines(string(out), 3))
	}
	return os.Rename(staging, folder)
}

func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
