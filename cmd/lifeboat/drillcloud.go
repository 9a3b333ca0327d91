package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"lifeboat/failover"
	"lifeboat/failover/provision"
	"lifeboat/failover/provision/simulated"
	"lifeboat/internal/drill"
	"lifeboat/stacks/stackfile"
)

// simulatedCloud is what --cloud may be.
const simulatedCloud = "simulated"

// drillCloud gives the drill a region to provision, if one was asked for. Where the engine
// or the stack's configuration is not to be had the drill goes on without, and says so: what it
// proves about data does not depend on it. The returned function ends the cloud.
func (a *app) drillCloud(o drillOptions, cfg *drill.Config) (func() error, error) {
	none := func() error { return nil }
	if o.cloud == "" {
		return none, nil
	}
	s, err := stackfile.Read(o.settings)
	if errors.Is(err, os.ErrNotExist) {
		cfg.NoCloud = fmt.Sprintf("there is no %s here; --stack-file says where it is", o.settings)
		a.logger().Warn("no region will be provisioned", "reason", cfg.NoCloud)
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("%w: --stack-file: %w", errUsage, err)
	}
	c, err := simulated.New(simulated.Config{
		Settings: s, ID: failover.NewID(failover.Drill, a.clock(), 0), Dir: filepath.Join(cfg.Dir, "cloud"), Log: cfg.Log,
	})
	if errors.Is(err, provision.ErrNoCLI) {
		cfg.NoCloud = err.Error()
		a.logger().Warn("no region will be provisioned", "reason", cfg.NoCloud)
		return none, nil
	}
	if err != nil {
		return none, err
	}
	cfg.Cloud = c
	return c.Close, nil
}
