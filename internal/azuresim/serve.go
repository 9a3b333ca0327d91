package azuresim

import (
	"errors"
	"fmt"
	"net"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// The versions that the stand-ins say they are: those of the SDK modules in go.mod.
const (
	azureVersion      = "2.90.0"
	kubernetesVersion = "4.23.0"
)

// maxMessage bounds a message, bytes: the engine's own limit.
const maxMessage = 400 << 20

// Server serves a cloud to one stack's engine.
type Server struct {
	azure, kubernetes int // ports
	servers           []*grpc.Server
	done              sync.WaitGroup
}

// Serve starts both providers on loopback. Stop the server when the engine is done.
func Serve(c *Cloud) (*Server, error) {
	s := &Server{}
	var err error
	s.azure, err = s.start(&azureProvider{base: base{version: azureVersion}, cloud: c})
	if err != nil {
		return nil, err
	}
	s.kubernetes, err = s.start(&kubernetesProvider{base: base{version: kubernetesVersion}, cloud: c})
	if err != nil {
		s.Stop()
		return nil, err
	}
	return s, nil
}

func (s *Server) start(p pulumirpc.ResourceProviderServer) (int, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("listen for the stand-in provider: %w", err)
	}
	server := grpc.NewServer(grpc.MaxRecvMsgSize(maxMessage))
	pulumirpc.RegisterResourceProviderServer(server, p)
	s.servers = append(s.servers, server)
	s.done.Go(func() {
		if err := server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			_ = listener.Close() // the server has ended already, and said why
		}
	})
	return listener.Addr().(*net.TCPAddr).Port, nil
}

// EnvName is the variable that attaches the stand-ins to an engine.
const EnvName = "PULUMI_DEBUG_PROVIDERS"

// EnvValue is its value.
func (s *Server) EnvValue() string {
	return fmt.Sprintf("azure-native:%d,kubernetes:%d", s.azure, s.kubernetes)
}

// Env is the variable as the environment of a process holds it.
func (s *Server) Env() string { return EnvName + "=" + s.EnvValue() }

// Stop ends both providers and waits for them.
func (s *Server) Stop() {
	for _, server := range s.servers {
		server.Stop()
	}
	s.done.Wait()
}
