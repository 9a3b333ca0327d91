package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/failover"
	"lifeboat/internal/config"
	"lifeboat/internal/database/mssql"
	"lifeboat/internal/drill"
	"lifeboat/internal/drill/embedded"
	"lifeboat/internal/drill/sqlserver"
	"lifeboat/restore"
)

// drillOptions are the flags of drill.
type drillOptions struct {
	stack    bool
	source   string
	database string // URL of a server to play on; empty: SQLite
	rows     int
	dir      string
	duration time.Duration
	writers  int
	seed     uint64
	lose     string
	primary  string // URL of a store; empty: a folder
	mirror   string
	memory   config.Size
	cloud    string // what plays the fresh region; empty: nothing does
	settings string // file with the stacks' settings, for cloud
}

func (a *app) drillCommand() *cobra.Command {
	o := drillOptions{memory: 512 << 20}
	cmd := &cobra.Command{
		Use:   "drill",
		Short: "Lose a region on this machine, and prove what was saved",
		Long: `Play both regions in folders on this machine: make a hospital's hand-over database (or copy
yours), protect it, let writers change any tables they find, each counting a transaction as safe
only when the barrier has answered; lose a region in mid-write; take over, restore from the mirror
alone, and compare the result with state hashes and, row by row, with the writers' own records.

With --database sqlserver://… the databases are played on that server, as scratch databases that the
drill makes and drops: a copy of the one that the URL names, or the hospital's if that is empty, or
what the T-SQL script --source makes.

Nothing else outside a new folder is touched; a source is only read. Without --dir everything but the
report is removed at the end. Stores elsewhere (--primary, --mirror) must be empty and are left as they are
at the end. Encryption, endpoints and key files come from --config, if it is given.`,
		Example: `  lifeboat drill
  lifeboat drill --source app.sqlite --lose agent
  lifeboat drill --database 'sqlserver://sql.example?database=app&fedauth=ActiveDirectoryDefault'
  lifeboat drill --dir drill-1 --lose mirror-link --duration 30s --seed 7 --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.stack {
				return a.drillStack(cmd)
			}
			if !cmd.Flags().Changed("seed") {
				o.seed = rand.Uint64N(1_000_000)
			}
			return a.drill(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.stack, "stack", false, "in the cloud instead: plan a drill from the mirror and run it in a stack of its own, which is destroyed at the end. The other flags have no meaning then but --config")
	f := cmd.Flags()
	f.StringVar(&o.source, "source", "", "SQLite database to copy, or with --database a T-SQL script to run (default: make a hospital's)")
	f.StringVar(&o.database, "database", "", "play the databases on this server, sqlserver://HOST?database=NAME (default: SQLite, here)")
	f.IntVar(&o.rows, "rows", 100_000, "rows of the hospital's database, about")
	f.StringVar(&o.dir, "dir", "", "keep everything in this folder, which must be empty or not exist")
	f.DurationVar(&o.duration, "duration", 10*time.Second, "how long the writers write, about")
	f.IntVar(&o.writers, "writers", 8, "writers at the same time")
	f.Uint64Var(&o.seed, "seed", 0, "fixes data, choices and the plan of the loss (default: a random one, printed)")
	f.StringVar(&o.lose, "lose", string(drill.Primary), "what to lose: primary, agent or mirror-link")
	f.StringVar(&o.primary, "primary", "", "store to play the primary's, empty: "+storeForms()+" (default: a folder). What the drill writes there stays; losing it cuts this process off for good")
	f.StringVar(&o.mirror, "mirror", "", "store to play the mirror's, likewise")
	f.StringVar(&o.cloud, "cloud", "", "'simulated': also bring a fresh region up, with the real Pulumi engine against a stand-in for Azure, and remove it again; without the pulumi command the drill says that it did not")
	f.StringVar(&o.settings, "stack-file", "Pulumi.dr.yaml", "with --cloud: configuration of a stack that says what the region is like")
	f.Var(&o.memory, "memory", "memory that the restore may use")
	return cmd
}

// drillStack is a failover without fence, traffic and capture: it is planned and run at
// once, since nobody has to sign what touches nothing that serves.
func (a *app) drillStack(cmd *cobra.Command) error {
	b := &bridgeFlags{&officeFlags{app: a, noPrimary: true}, cmd}
	br, err := b.open(cmd.Context())
	if err != nil {
		return err
	}
	p, err := a.newPlan(cmd.Context(), br, question{kind: failover.Drill, target: restore.Latest()}, planOptions{stale: "a drill restores whatever the mirror has"})
	if err != nil {
		return err
	}
	return a.runPlan(cmd.Context(), b, br, p, runOptions{})
}

func (o *drillOptions) check() error {
	var errs []error
	if _, err := drill.ParseLoss(o.lose); err != nil {
		errs = append(errs, fmt.Errorf("--lose: %w", err))
	}
	if scheme := config.URL(o.database).Scheme(); o.database != "" && scheme != "sqlserver" {
		errs = append(errs, fmt.Errorf("--database %q: want sqlserver://HOST?database=NAME; --source names a SQLite database", config.URL(o.database)))
	}
	if o.rows < 50 || o.rows > 100_000_000 {
		errs = append(errs, fmt.Errorf("--rows %d: want 50 to 100,000,000", o.rows))
	}
	if o.writers < 1 || o.writers > 1000 {
		errs = append(errs, fmt.Errorf("--writers %d: want 1 to 1000", o.writers))
	}
	if o.duration < 500*time.Millisecond || o.duration > 24*time.Hour {
		errs = append(errs, fmt.Errorf("--duration %s: want 500ms to 24h", o.duration))
	}
	if o.cloud != "" && o.cloud != simulatedCloud {
		errs = append(errs, fmt.Errorf("--cloud %q: want %s, or nothing", o.cloud, simulatedCloud))
	}
	if o.memory < 64<<20 {
		errs = append(errs, fmt.Errorf("--memory %s: want at least 64MiB", o.memory))
	}
	if len(errs) > 0 {
		return fmt.Errorf("%w: %w", errUsage, errors.Join(errs...))
	}
	return nil
}

// stage is where a drill plays.
type stage struct {
	dir  string
	made bool // a temporary folder
}

// clear removes what need not stay: with a report, the regions in a temporary folder;
// without one everything there, and after an interruption what is in a given folder too.
func (s *stage) clear(reported, interrupted bool) error {
	switch {
	case s.made && reported:
		return errors.Join(os.RemoveAll(filepath.Join(s.dir, "primary")), os.RemoveAll(filepath.Join(s.dir, "mirror")))
	case s.made || !reported && interrupted:
		return os.RemoveAll(s.dir)
	}
	return nil
}

// makeStage prepares the folder: --dir stays as it is in the end; without it a temporary
// folder keeps the report only.
func makeStage(dir string) (*stage, error) {
	if dir == "" {
		made, err := os.MkdirTemp("", "lifeboat-drill-")
		return &stage{made, true}, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	if len(entries) > 0 {
		return nil, fmt.Errorf("%w: --dir %s is not empty; a drill only writes to a folder of its own", errRefused, dir)
	}
	abs, err := filepath.Abs(dir)
	return &stage{abs, false}, err
}

func (a *app) drill(ctx context.Context, o drillOptions) (err error) {
	if err := o.check(); err != nil {
		return err
	}
	st, err := makeStage(o.dir)
	if err != nil {
		return err
	}
	reported := false
	defer func() { err = errors.Join(err, st.clear(reported, ctx.Err() != nil)) }()
	log := a.logger()
	log.Info("drill", "seed", o.seed, "lose", o.lose, "dir", st.dir)
	cfg, err := a.drillConfig(ctx, o, st.dir)
	if err != nil {
		return err
	}
	end, err := a.drillEngine(ctx, o, &cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end(context.WithoutCancel(ctx))) }()
	leave, err := a.drillCloud(o, &cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leave()) }()
	result, err := drill.Run(ctx, cfg)
	if err != nil {
		err = fmt.Errorf("%w (seed %d)", err, o.seed)
	}
	if result == nil {
		return err
	}
	reported = true
	return errors.Join(a.report(result.Summary(), func(w io.Writer) { printDrill(w, result) }), err)
}

func (a *app) drillConfig(ctx context.Context, o drillOptions, dir string) (drill.Config, error) {
	primary, mirror := filepath.Join(dir, "primary"), filepath.Join(dir, "mirror")
	cfg := drill.Config{
		Lose: drill.Loss(o.lose), Seed: o.seed, Writers: o.writers, Duration: o.duration,
		Dir: dir, Memory: int64(o.memory), Log: a.logger(), Clock: a.clock,
		Agent: agentProcess, FencedExit: codeOf(eventlog.ErrFenced).code,
	}
	file, err := a.drillFile(o)
	if err != nil {
		return cfg, err
	}
	cfg.File = file
	for _, p := range []struct {
		place  *drill.Place
		region config.Region
		folder string
	}{{&cfg.Primary, file.Primary, filepath.Join(primary, "store")}, {&cfg.Mirror, file.Mirror, filepath.Join(mirror, "store")}} {
		if *p.place, err = a.drillPlace(ctx, file, p.region, p.folder); err != nil {
			return cfg, err
		}
	}
	return cfg, nil
}

// drillEngine puts the engine into a drill's configuration. end drops what it made on a server.
func (a *app) drillEngine(ctx context.Context, o drillOptions, cfg *drill.Config) (end func(context.Context) error, err error) {
	if o.database == "" {
		cfg.Engine = embedded.New(embedded.Config{Primary: filepath.Join(cfg.Dir, "primary"), Standby: filepath.Join(cfg.Dir, "mirror", "database"),
			Source: o.source, Rows: o.rows, Seed: o.seed, Log: cfg.Log})
		return func(context.Context) error { return nil }, nil
	}
	server := sqlserver.Config{URL: mssql.URL(o.database), Allow: cfg.File.AllowLost, Rows: o.rows, Seed: o.seed, Log: cfg.Log}
	if o.source != "" {
		raw, err := os.ReadFile(o.source)
		if err != nil {
			return nil, fmt.Errorf("%w: --source: %w", errUsage, err)
		}
		if server.Script, err = sqlserver.Text(raw); err != nil {
			return nil, fmt.Errorf("%w: --source %s: %w", errUsage, o.source, err)
		}
	}
	engine, err := sqlserver.New(ctx, server)
	if err != nil {
		return nil, fmt.Errorf("database %s %w: %w", config.URL(o.database), errOpen, err)
	}
	cfg.Engine = engine
	return engine.Close, nil
}

// drillFile is how the drill's stores are opened: as the configuration says, if one is
// named, but never the stores or the pins of those that it names.
func (a *app) drillFile(o drillOptions) (*config.File, error) {
	file := config.Defaults()
	if a.configPath != "" {
		read, err := a.readConfig()
		if err != nil {
			return nil, err
		}
		file.Encryption, file.Primary, file.Mirror, file.AllowLost = read.Encryption, read.Primary, read.Mirror, read.AllowLost
	}
	file.Primary.Store, file.Mirror.Store = config.URL(o.primary), config.URL(o.mirror)
	file.Primary.RootKey, file.Mirror.RootKey = "", ""
	return &file, file.Validate()
}

// drillPlace makes a region's store in a folder, or opens the one that was named.
func (a *app) drillPlace(ctx context.Context, file *config.File, region config.Region, folder string) (drill.Place, error) {
	named := region.Store != ""
	if !named {
		region.Store = config.URL("dir:" + folder)
	}
	if err := a.stores(file).make(ctx, region); err != nil {
		return drill.Place{}, err
	}
	store, err := a.stores(file).open(ctx, region)
	if err != nil {
		return drill.Place{}, err
	}
	if named {
		for info, err := range store.List(ctx, "", "") {
			if err != nil {
				return drill.Place{}, err
			}
			return drill.Place{}, fmt.Errorf("%w: store %s is not empty (%s); a drill writes only to stores of its own", errRefused, region.Store, info.Name)
		}
		return drill.Remote(region.Store.Reveal(), store), nil
	}
	return drill.Place{URL: region.Store.Reveal(), Store: store, Destroy: func(context.Context) error { return os.RemoveAll(folder) }}, nil
}

// agentProcess runs this same program as an agent.
func agentProcess(ctx context.Context, config, addressFile string) *exec.Cmd {
	self, err := os.Executable()
	if err != nil {
		self = os.Args[0]
	}
	return exec.CommandContext(ctx, self, "agent", "--config", config, "--address-file", addressFile)
}

func printDrill(w io.Writer, r *drill.Result) {
	verdict := "PROVEN: nothing acknowledged was lost"
	if !r.Verified {
		verdict = "NOT PROVEN"
	}
	line(w, "%s", verdict)
	line(w, "lost\t%s\tseed %d", r.Lose, r.Seed)
	line(w, "acknowledged\t%d\tlost %d", r.Verdict.Acknowledged, r.Verdict.AcknowledgedLost)
	line(w, "committed\t%d\tlost %d", r.Verdict.Committed, r.Verdict.CommittedLost)
	line(w, "restored to\tseq %d\t%d tables, %d rows compared with the writers' record", r.TargetSeq, len(r.Tables), r.Verdict.Rows)
	line(w, "RPO\t%.3f s\tof commits that nobody was told are safe", r.RPO.Seconds())
	line(w, "RTO\t%.3f s\tfrom the loss to a verified database", r.RTO.Seconds())
	for _, s := range r.Steps {
		if s.Recovery {
			line(w, "  %s\t%.3f s", s.Name, s.Took.Seconds())
		}
	}
	for _, p := range r.Proofs {
		mark := "holds"
		if !p.Holds {
			mark = "FAILS"
		}
		line(w, "%s\t%s\t%s", mark, p.Claim, p.Found)
	}
	if r.Region != nil && r.Region.Skipped != "" {
		line(w, "no region\twas provisioned: %s", r.Region.Skipped)
	}
	line(w, "report\t%s", r.Markdown)
	line(w, "\t%s", r.HTML)
}
