package simulated

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"lifeboat/failover/provision"
	"lifeboat/internal/azuresim"
	"lifeboat/internal/azuresim/kinds"
	"lifeboat/stacks/settings"
)

// Config says what is brought up.
type Config struct {
	Settings *settings.Settings // of any stack of the pair
	ID       string             // of the run: the fresh stack is failover-<ID>
	Dir      string             // for the engine's state; made if it is not there
	Root     string             // as provision.Config.Root
	Log      *slog.Logger
}

// Cloud is one simulated cloud with one engine. Its methods are called one after the other.
type Cloud struct {
	cfg      Config
	cloud    *azuresim.Cloud
	server   *azuresim.Server
	standing *provision.Stack
	fresh    *provision.Stack
	before   []string // what stood before the fresh region
}

// New starts the stand-in and finds the engine; provision.ErrNoCLI: it is not there.
// Close the Cloud.
func New(cfg Config) (*Cloud, error) {
	c := &Cloud{cfg: cfg, cloud: azuresim.New(azuresim.Options{Kinds: kinds.Azure(), Objects: kinds.Kubernetes()})}
	home, state := filepath.Join(cfg.Dir, "home"), filepath.Join(cfg.Dir, "state")
	for _, dir := range []string{home, state} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, fmt.Errorf("folder for the engine: %w", err)
		}
	}
	var err error
	if c.server, err = azuresim.Serve(c.cloud); err != nil {
		return nil, err
	}
	p := provision.Config{
		Settings: cfg.Settings, Backend: "file://" + filepath.ToSlash(state), Root: cfg.Root, Home: home,
		Env: map[string]string{
			azuresim.EnvName: c.server.EnvValue(),
			// The stacks hold no secret, and are gone with the folder.
			"PULUMI_CONFIG_PASSPHRASE":                    "simulated",
			"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
		},
		Standing: true,
	}
	if c.standing, err = provision.New(p); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	p.Standing, p.Run = false, settings.FailoverRun{ID: cfg.ID, Drill: true}
	p.Inventory = func(context.Context, string) ([]string, error) { return c.cloud.Left(c.before), nil }
	if c.fresh, err = provision.New(p); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

// Title says what the cloud is.
func (c *Cloud) Title() string {
	return "the real Pulumi engine and the project's program, against a stand-in for Azure and Kubernetes"
}

// Stand brings the standing mirror's stack up.
func (c *Cloud) Stand(ctx context.Context) error {
	if _, err := c.standing.Up(ctx, provision.Phase{}, c.say); err != nil {
		return err
	}
	c.before = c.cloud.IDs()
	return nil
}

// Up makes the fresh region, with its workloads and without traffic, and returns how many
// resources the cloud has more.
func (c *Cloud) Up(ctx context.Context) (int, error) {
	_, err := c.fresh.Up(ctx, provision.Phase{Deploy: true}, c.say)
	return len(c.cloud.Left(c.before)), err
}

// Down removes the fresh region and names what is left of it in the cloud.
func (c *Cloud) Down(ctx context.Context) ([]string, error) {
	left, err := c.fresh.Destroy(ctx, c.say)
	if errors.Is(err, provision.ErrLeft) {
		err = nil // left says so
	}
	return left, err
}

// Close ends the stand-in and removes what the engine kept.
func (c *Cloud) Close() error {
	var errs []error
	for _, s := range []*provision.Stack{c.standing, c.fresh} {
		if s != nil {
			errs = append(errs, s.Close())
		}
	}
	c.server.Stop()
	return errors.Join(append(errs, os.RemoveAll(c.cfg.Dir))...)
}

func (c *Cloud) say(line string) { c.cfg.Log.Debug("simulated cloud", "step", line) }
