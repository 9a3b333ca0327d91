// Command controlplane is a Kubernetes control plane for tests, on loopback: the real API
// server, the real job controller and etcd, in one process that ends when its standard
// input does. There is no scheduler and no kubelet: whoever tests is those.
//
//	controlplane FOLDER
//
// The folder has to exist and is its own. When everything answers it prints the path of a
// kubeconfig in it, for a user who may do everything, and nothing else ever.
package main

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/pkg/controller/job"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: controlplane FOLDER")
		os.Exit(2)
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is the message
		cancel()
		time.Sleep(2 * time.Second) // an API server drains for longer than a test wants to wait
		os.Exit(0)
	}()
	if err := run(ctx, os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "controlplane:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, dir string) error {
	store, stop, err := etcd(dir)
	if err != nil {
		return fmt.Errorf("etcd: %w", err)
	}
	defer stop()
	failed := make(chan error, 2)
	config, err := apiServer(ctx, dir, store, failed)
	if err != nil {
		return fmt.Errorf("API server: %w", err)
	}
	path := filepath.Join(dir, "kubeconfig")
	client, err := ready(ctx, config, failed)
	if err != nil {
		return err
	}
	if err := jobs(ctx, client); err != nil {
		return fmt.Errorf("job controller: %w", err)
	}
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return err
	}
	fmt.Println(path)
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}

// etcd begins a store that forgets with its folder, and so need not wait for the disk.
func etcd(dir string) (address string, stop func(), err error) {
	c := embed.NewConfig()
	c.Dir, c.LogLevel, c.UnsafeNoFsync = filepath.Join(dir, "etcd"), "error", true
	loopback := []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	c.ListenClientUrls, c.AdvertiseClientUrls, c.ListenPeerUrls, c.AdvertisePeerUrls = loopback, loopback, loopback, loopback
	c.InitialCluster = c.InitialClusterFromName(c.Name)
	e, err := embed.StartEtcd(c)
	if err != nil {
		return "", nil, err
	}
	select {
	case <-e.Server.ReadyNotify():
		return "http://" + e.Clients[0].Addr().String(), e.Close, nil
	case err := <-e.Err():
		return "", nil, err
	case <-time.After(time.Minute):
		e.Close()
		return "", nil, errors.New("not ready after a minute")
	}
}

// apiServer begins the API server and returns how its administrator reaches it.
func apiServer(ctx context.Context, dir, store string, failed chan<- error) (*api.Config, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	key, err := signingKey(filepath.Join(dir, "accounts.key"))
	if err != nil {
		return nil, err
	}
	token := rand.Text()
	tokens := filepath.Join(dir, "tokens.csv")
	if err := os.WriteFile(tokens, []byte(token+",admin,admin,system:masters\n"), 0o600); err != nil {
		return nil, err
	}
	certificates := filepath.Join(dir, "certificates")
	cmd := app.NewAPIServerCommand()
	cmd.SetArgs([]string{
		"--etcd-servers=" + store, "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port), "--cert-dir=" + certificates,
		"--token-auth-file=" + tokens, "--authorization-mode=RBAC", "--endpoint-reconciler-type=none", "--service-cluster-ip-range=10.0.0.0/24",
		"--service-account-issuer=https://kubernetes.default.svc", "--service-account-key-file=" + key, "--service-account-signing-key-file=" + key,
		"--watch-cache=true", "-v=0",
	})
	go func() {
		err := cmd.ExecuteContext(ctx)
		if err == nil {
			err = errors.New("it ended")
		}
		failed <- fmt.Errorf("API server: %w", err)
	}()
	config := api.NewConfig()
	config.Clusters["test"] = &api.Cluster{Server: fmt.Sprintf("https://127.0.0.1:%d", port), CertificateAuthority: filepath.Join(certificates, "apiserver.crt")}
	config.AuthInfos["admin"] = &api.AuthInfo{Token: token}
	config.Contexts["test"] = &api.Context{Cluster: "test", AuthInfo: "admin"}
	config.CurrentContext = "test"
	return config, nil
}

// ready waits until the API server says that it is.
func ready(ctx context.Context, config *api.Config, failed <-chan error) (kubernetes.Interface, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	var last error
	for {
		rest, err := clientcmd.NewDefaultClientConfig(*config, nil).ClientConfig()
		if err == nil {
			client, err := kubernetes.NewForConfig(rest)
			if err == nil {
				if last = client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error(); last == nil {
					return client, nil
				}
			}
		}
		select {
		case err := <-failed:
			return nil, err
		case <-ctx.Done():
			return nil, fmt.Errorf("API server: not ready: %w", errors.Join(last, err))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// jobs begins the controller that makes pods of Jobs, as kube-controller-manager does.
func jobs(ctx context.Context, client kubernetes.Interface) error {
	factory := informers.NewSharedInformerFactory(client, 0)
	c, err := job.NewController(ctx, client, factory.Core().V1().Pods(), factory.Batch().V1().Jobs(), nil, nil)
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	go c.Run(ctx, 2)
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	return l.Addr().(*net.TCPAddr).Port, l.Close()
}

func signingKey(path string) (string, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	block := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return path, os.WriteFile(path, block, 0o600)
}
