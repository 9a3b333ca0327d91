package clustertest

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"

	"lifeboat/internal/repotest"
)

// Account is the service account of their pods.
const Account = "agent"

// Plane is a control plane of its own.
type Plane struct {
	Kubeconfig string
	Client     kubernetes.Interface
}

// Start begins a control plane that ends with the test. Where it was not built the test is
// skipped, and fails in CI.
func Start(t testing.TB) *Plane {
	t.Helper()
	program := find(t)
	cmd := exec.Command(program, t.TempDir())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // tells it to end
		_ = cmd.Wait()    // how it does is nobody's concern
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		_ = cmd.Wait() // said is complete then
		t.Fatalf("the control plane did not begin: %v\n%s", err, said.String())
	}
	p := &Plane{Kubeconfig: strings.TrimSpace(line)}
	cfg, err := clientcmd.BuildConfigFromFlags("", p.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	cfg.QPS = -1 // the tests' kubelet is in a hurry
	if p.Client, err = kubernetes.NewForConfig(cfg); err != nil {
		t.Fatal(err)
	}
	return p
}

// find is the program that tools/kubernetes/build.sh makes.
func find(t testing.TB) string {
	t.Helper()
	built, err := filepath.Glob(filepath.Join(repotest.Root(t), ".cache", "kubernetes-*", "controlplane"))
	if err != nil {
		t.Fatal(err)
	}
	if len(built) == 0 {
		const why = "there is no Kubernetes control plane: tools/kubernetes/build.sh builds it"
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	return built[len(built)-1]
}

// furnish makes what the stack's program makes before any task runs: a namespace under the
// restricted pod security standard, with the account.
func (p *Plane) furnish(t testing.TB, name string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	space := &core.Namespace{ObjectMeta: meta.ObjectMeta{Name: name, Labels: map[string]string{
		"pod-security.kubernetes.io/enforce": "restricted",
	}}}
	if _, err := p.Client.CoreV1().Namespaces().Create(ctx, space, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	no := false
	account := &core.ServiceAccount{ObjectMeta: meta.ObjectMeta{Name: Account}, AutomountServiceAccountToken: &no}
	if _, err := p.Client.CoreV1().ServiceAccounts(name).Create(ctx, account, meta.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}
