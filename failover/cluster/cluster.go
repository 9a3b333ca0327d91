package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Errors a caller may test for with errors.Is.
var (
	// ErrFailed: the cluster has given a task up; the error says which pod ended how.
	ErrFailed = errors.New("the job failed")
	// ErrStuck: no pod of a task could begin for as long as Config.Patience.
	ErrStuck = errors.New("no pod of the job can begin")
	// ErrForeign: an object of that name was made for something else.
	ErrForeign = errors.New("made for something else")
)

// Client asks a cluster's API server: see Connect and ConnectFile.
type Client = kubernetes.Interface

// Config says where tasks run and as whom.
type Config struct {
	Client    Client
	Namespace string // exists
	Run       string // id of the failover: part of every name
	Image     string // repository@sha256:…; a tag could be another image tomorrow
	Account   string // service account whose identity the pods have
	File      string // lifeboat.yaml as the pods see it; no secrets
	// Memory is a pod's limit and request, bytes.
	Memory int64
	// Scratch is the size of the folder that a pod may write to, bytes.
	Scratch int64
	// Permanent are exit codes that no repetition changes: they end a task at once.
	Permanent []int32
	// Patience is how long a task may wait for a pod that runs. 0: Patience.
	Patience time.Duration
	Log      *slog.Logger // nil: silent
}

// Patience is how long a task waits for a pod that runs, unless Config says otherwise: a
// node may have to be added first, and a new identity takes minutes to be known everywhere.
const Patience = 15 * time.Minute

// Cluster runs tasks. It is safe for concurrent use.
type Cluster struct{ cfg Config }

var (
	pinned   = regexp.MustCompile(`^\S+@sha256:[0-9a-f]{64}$`)
	runShape = regexp.MustCompile(`^[a-z][a-z0-9]{1,11}$`)
)

// New refuses what no pod could run with, every problem at once. It asks nothing of the
// cluster.
func New(cfg Config) (*Cluster, error) {
	var problems []error
	bad := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	if cfg.Client == nil {
		bad("there is no client")
	}
	if cfg.Namespace == "" || cfg.Account == "" || cfg.File == "" {
		bad("namespace %q, service account %q and a configuration are all needed", cfg.Namespace, cfg.Account)
	}
	if !runShape.MatchString(cfg.Run) {
		bad("run %q is no run's id", cfg.Run)
	}
	if !pinned.MatchString(cfg.Image) {
		bad("image %q is not pinned as NAME@sha256:…", cfg.Image)
	}
	if cfg.Memory <= 0 || cfg.Scratch <= 0 {
		bad("memory of %d bytes and scratch space of %d bytes", cfg.Memory, cfg.Scratch)
	}
	if err := errors.Join(problems...); err != nil {
		return nil, fmt.Errorf("run in a cluster: %w", err)
	}
	if cfg.Patience == 0 {
		cfg.Patience = Patience
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	return &Cluster{cfg}, nil
}

// Server is a cluster's API server, as its stack says.
type Server struct {
	URL       string
	Authority []byte // PEM of who signs for it; empty: one that the system trusts
	// Token is who we are; it is asked before every request and may remember.
	Token func(ctx context.Context) (string, error)
}

// Connect makes the client of an API server. It asks nothing.
func Connect(s Server) (Client, error) {
	cfg := &rest.Config{
		Host: s.URL, UserAgent: "lifeboat", TLSClientConfig: rest.TLSClientConfig{CAData: s.Authority},
		WrapTransport: func(next http.RoundTripper) http.RoundTripper { return &signedIn{s.Token, next} },
	}
	return client(cfg)
}

// ConnectFile makes the client that a kubeconfig file's current context describes.
func ConnectFile(path string) (Client, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", path, err)
	}
	return client(cfg)
}

func client(cfg *rest.Config) (Client, error) {
	c, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("client of the cluster at %s: %w", cfg.Host, err)
	}
	return c, nil
}

// signedIn adds a token to every request.
type signedIn struct {
	token func(ctx context.Context) (string, error)
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (s *signedIn) RoundTrip(q *http.Request) (*http.Response, error) {
	token, err := s.token(q.Context())
	if err != nil {
		return nil, fmt.Errorf("sign in to the cluster: %w", err)
	}
	q = q.Clone(q.Context())
	q.Header.Set("Authorization", "Bearer "+token)
	return s.next.RoundTrip(q)
}

// where says for people where a restore ran.
func (c *Cluster) where(shards int) string {
	text := "in namespace " + c.cfg.Namespace + " of the new cluster"
	if shards > 1 {
		text += fmt.Sprintf(", as %d shards", shards)
	}
	return text
}

// cpu is what a pod asks for; it may take more.
func cpu() *resource.Quantity { return resource.NewMilliQuantity(1000, resource.DecimalSI) }

// bytesOf is a size as Kubernetes writes it.
func bytesOf(n int64) resource.Quantity { return *resource.NewQuantity(n, resource.BinarySI) }
