// Command pack is the policy pack as an executable, for
//
//	pulumi preview --policy-pack bin/lifeboat-policy
//
// It reads, when they are there, policies/waivers.json and policies/facts.json of the
// folder it is started in or of the one that LIFEBOAT_POLICY_DIR names.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"

	"lifeboat/policies"
	"lifeboat/policies/engine"
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
	cfg := engine.Config{Version: version(), Rules: policies.All(), Backend: os.Getenv("PULUMI_BACKEND_URL")}
	dir := os.Getenv("LIFEBOAT_POLICY_DIR")
	if dir == "" {
		dir = "policies"
	}
	waivers, err := optional(filepath.Join(dir, "waivers.json"))
	if err == nil && waivers != nil {
		cfg.Waivers, err = policies.ReadWaivers(waivers, cfg.Rules)
	}
	if err != nil {
		return cfg, err
	}
	facts, err := optional(filepath.Join(dir, "facts.json"))
	if err == nil && facts != nil {
		cfg.Facts, err = policies.ReadFacts(facts)
	}
	return cfg, err
}

// optional returns nil for a file that is not there.
func optional(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "0.0.0"
	}
	return info.Main.Version
}
