package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/internal/agent"
	"lifeboat/internal/config"
)

func (a *app) agentCommand() *cobra.Command {
	var listen, addressFile, onLoss string
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Protect the database: drain, mirror, answer barriers, take snapshots, audit",
		Long: `Run until a signal comes; then make durable what is committed, and stop. Starting it begins a new
epoch of the log: an older agent, wherever it runs, is fenced by that.

HTTP interface (agent.listen): POST /v1/barrier?timeout=2s, GET /v1/frontier, /healthz, /metrics.`,
		Args: noArgs,
	}
	a.flagsFor(cmd, theDatabase|thePrimary|theMirror)
	cmd.Flags().StringVar(&listen, "listen", "", "address of the HTTP interface (default: agent.listen of the configuration)")
	cmd.Flags().StringVar(&addressFile, "address-file", "", "write the address that it listens on to this file")
	cmd.Flags().StringVar(&onLoss, "on-mirror-loss", "", "block or degrade (default: log.on_mirror_loss of the configuration)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		file, err := a.settings(theDatabase | thePrimary | theMirror)
		if err != nil {
			return err
		}
		if listen != "" {
			file.Agent.Listen = listen
		}
		if onLoss != "" {
			file.Log.OnMirrorLoss = config.OnMirrorLoss(onLoss)
		}
		if err := file.Validate(); err != nil {
			return err
		}
		return a.agent(cmd.Context(), file, addressFile)
	}
	return cmd
}

func (a *app) agent(ctx context.Context, file *config.File, addressFile string) error {
	return a.withAgentConfig(ctx, file, func(cfg agent.Config) error {
		running, err := agent.Start(ctx, cfg)
		if err != nil {
			return err
		}
		cfg.Log.Info("agent started", "database", file.Database, "primary", file.Primary.Store, "mirror", file.Mirror.Store,
			"listen", running.Addr(), "epoch", uint32(running.Frontier().Epoch))
		if addressFile != "" {
			if err := os.WriteFile(addressFile, []byte(running.Addr()+"\n"), 0o644); err != nil {
				running.Kill()
				return errors.Join(err, running.Run(ctx))
			}
		}
		if err := running.Run(ctx); err != nil {
			return err
		}
		cfg.Log.Info("agent stopped; what was committed is durable", "seq", uint64(running.Frontier().Durable))
		return nil
	})
}

// withAgentConfig opens the database and the stores of an agent for do.
func (a *app) withAgentConfig(ctx context.Context, file *config.File, do func(agent.Config) error) (err error) {
	log := a.logger()
	source, err := openSource(ctx, file, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	if _, err := source.Pending(ctx); err != nil { // not installed: say so before an epoch begins
		return err
	}
	cfg := agentConfig(file)
	cfg.Source, cfg.Log, cfg.Clock = source, log, a.clock
	if cfg.Primary, err = a.stores(file).open(ctx, file.Primary); err != nil {
		return err
	}
	if cfg.Mirror, err = a.stores(file).open(ctx, file.Mirror); err != nil {
		return err
	}
	return do(cfg)
}

func agentConfig(file *config.File) agent.Config {
	cfg := agent.Config{
		DrainInterval: file.Log.DrainInterval, BarrierTimeout: file.Agent.BarrierTimeout,
		Memory: int64(file.Restore.Memory), TempDir: file.Restore.Scratch,
		ShutdownTimeout: file.Agent.ShutdownTimeout, AuditInterval: file.Audit.Interval, Listen: file.Agent.Listen,
		CompactInterval: file.Log.CompactInterval, KeepSegments: file.Log.KeepSegments, Retention: retentionPolicy(file),
		Snapshots: agent.Schedule{
			MaxInterval: file.Snapshot.MaxInterval, MinInterval: file.Snapshot.MinInterval,
			ReplayBudget: int64(file.Snapshot.ReplayBudget), MaxDeltas: file.Snapshot.MaxDeltas,
		},
	}
	if file.Log.OnMirrorLoss == config.Degrade {
		cfg.OnMirrorLoss = eventlog.Degrade
	}
	return cfg
}
