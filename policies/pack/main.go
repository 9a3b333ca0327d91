// Command pack is the policy pack as an executable, for
//
//	pulumi preview --policy-pack bin/lifeboat-policy
//
// It reads the settings of the stacks, policies/waivers.json and policies/facts.json of
// the project's folder: the one it is started in, or the one that LIFEBOAT_PROJECT names.
// LIFEBOAT_STATE_BACKEND says where the state is kept when PULUMI_BACKEND_URL does not.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"

	"lifeboat/policies"
	"lifeboat/policies/engine"
	"lifeboat/policies/project"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "lifeboat policy pack:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends; the engine reads the port from the first line of stdout.
func run(ctx context.Context, stdout io.Writer) error {
	cfg, err := config()
	if err != nil {
		return err
	}
	cancel := make(chan bool)
	go func() {
		<-ctx.Done()
		close(cancel)
	}()
	handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: cancel,
		Init: func(s *grpc.Server) error {
			pulumirpc.RegisterAnalyzerServer(s, engine.New(cfg))
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("serve: %w", err)
	}
	if _, err := fmt.Fprintln(stdout, handle.Port); err != nil {
		return fmt.Errorf("tell the engine the port: %w", err)
	}
	return <-handle.Done
}

func config() (engine.Config, error) {
	cfg := engine.Config{Version: version(), Rules: policies.All(), Backend: os.Getenv("LIFEBOAT_STATE_BACKEND")}
	if cfg.Backend == "" {
		cfg.Backend = os.Getenv("PULUMI_BACKEND_URL")
	}
	dir := os.Getenv("LIFEBOAT_PROJECT")
	if dir == "" {
		dir = "."
	}
	var err error
	cfg.Project, err = project.Open(dir, cfg.Rules)
	return cfg, err
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "0.0.0"
	}
	return info.Main.Version
}
