package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/failover/budget"
	"lifeboat/internal/agent"
	"lifeboat/internal/blob"
	"lifeboat/internal/config"
	"lifeboat/internal/lease"
)

func (a *app) agentCommand() *cobra.Command {
	var o agentOptions
	cmd := &cobra.Command{
		Use:   "agent",
		Short: "Protect the database: drain, mirror, answer barriers, take snapshots, audit",
		Long: `Run until a signal comes; then make durable what is committed, and stop. Starting it begins a new
epoch of the log: an older agent, wherever it runs, is fenced by that.

With --standby it waits until the agent at work has stopped, or has given no sign of life for 15 s, and
only then begins. Meanwhile it hands questions on to that agent, so that callers may ask either. The two
see each other in the database; --advertise says under which address others reach this one.

HTTP interface (agent.listen): POST /v1/barrier?timeout=2s, POST /v1/audit, GET /v1/frontier, /healthz,
/livez, /metrics.`,
		Args: noArgs,
	}
	a.flagsFor(cmd, theDatabase|thePrimary|theMirror)
	f := cmd.Flags()
	f.StringVar(&o.listen, "listen", "", "address of the HTTP interface (default: agent.listen of the configuration)")
	f.StringVar(&o.addressFile, "address-file", "", "write the address that it listens on to this file")
	f.StringVar(&o.onLoss, "on-mirror-loss", "", "block or degrade (default: log.on_mirror_loss of the configuration)")
	f.BoolVar(&o.standby, "standby", false, "wait until no other agent is at work, then begin")
	f.StringVar(&o.advertise, "advertise", "", "host:port under which a standby reaches this agent (default: where it listens)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		file, err := a.settings(theDatabase | thePrimary | theMirror)
		if err != nil {
			return err
		}
		if o.listen != "" {
			file.Agent.Listen = o.listen
		}
		if o.onLoss != "" {
			file.Log.OnMirrorLoss = config.OnMirrorLoss(o.onLoss)
		}
		if err := file.Validate(); err != nil {
			return err
		}
		return a.agent(cmd.Context(), file, o)
	}
	return cmd
}

// agentOptions are the flags of agent.
type agentOptions struct {
	listen, addressFile, onLoss, advertise string
	standby                                bool
}

func (a *app) agent(ctx context.Context, file *config.File, o agentOptions) error {
	return a.withAgentConfig(ctx, file, func(cfg agent.Config) error {
		start := agent.Start
		if o.standby {
			start, cfg.Reason = agent.Standby, "standby took over"
		}
		cfg.Advertise = o.advertise
		running, err := start(ctx, cfg)
		if err != nil {
			return o.notStarted(err)
		}
		cfg.Log.Info("agent started", "database", file.Database, "primary", file.Primary.Store, "mirror", file.Mirror.Store,
			"listen", running.Addr(), "epoch", uint32(running.Frontier().Epoch))
		if o.addressFile != "" {
			if err := os.WriteFile(o.addressFile, []byte(running.Addr()+"\n"), 0o644); err != nil {
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

// notStarted is nil for a standby that was told to stop: that is how standing by ends. A
// store that cannot be written to has refused the epoch, before which nothing is done.
func (o agentOptions) notStarted(err error) error {
	if o.standby && errors.Is(err, context.Canceled) {
		return nil
	}
	return denied(err)
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
	cfg.Lease, _ = source.(lease.Table)
	if cfg.Primary, err = a.stores(file).open(ctx, file.Primary); err != nil {
		return err
	}
	if cfg.Mirror, err = a.stores(file).open(ctx, file.Mirror); err != nil {
		return err
	}
	cfg.Snapshots.ReplayBudget = a.replayBudget(ctx, cfg.Mirror, file)
	return do(cfg)
}

// replayBudget is the configured one, or less where the restores that were measured get
// through less log in the time that they may take. A mirror that does not answer changes
// nothing: the agent has to start without it.
func (a *app) replayBudget(ctx context.Context, mirror blob.Store, file *config.File) int64 {
	configured := int64(file.Snapshot.ReplayBudget)
	ctx, cancel := context.WithTimeout(ctx, askPrimary)
	defer cancel()
	measured := budget.Fit(a.observed(ctx, mirror)).ReplayBudget(file.Database.Scheme(), file.Snapshot.ReplayTime)
	if measured <= 0 || measured >= configured {
		return configured
	}
	return max(measured, leastReplayBudget)
}

// leastReplayBudget keeps a machine that was measured on a bad day from taking snapshots all
// the time: that of the configuration.
const leastReplayBudget = 1 << 20

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
