package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/failover/preflight"
	"lifeboat/stacks/settings"
)

// app is what every verb has: where to read and write, and the flags of the root.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	clock          func() time.Time
	lookup         func(string) (string, bool)

	configPath string
	json       bool
	verbose    bool
	quiet      bool
	overrides  overrides
	entered    bool // a verb has begun: its flags and arguments were as they should be

	azure func(*settings.Settings) (preflight.Cloud, preflight.Registry) // nil: Azure itself
}

// run is the whole program: arguments in, exit code out.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr, clock: time.Now, lookup: os.LookupEnv}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err != nil && !a.entered { // flags and arguments did not pass
		err = fmt.Errorf("%w: %w; see '%s --help'", errUsage, err, cmd.CommandPath())
	}
	if err != nil && ctx.Err() != nil && !errors.Is(err, context.Canceled) {
		err = fmt.Errorf("%w (%w)", err, context.Canceled)
	}
	return a.end(err)
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "lifeboat",
		Short: "Lose a region, not a transaction",
		Long: `Lifeboat keeps a provable copy of every committed transaction in a second region,
restores any point of it into a fresh database, and proves what was saved.

Try it on this machine, with nothing set up:  lifeboat drill`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.ArbitraryArgs,
		RunE:          unlessVerb,
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	f := root.PersistentFlags()
	f.StringVarP(&a.configPath, "config", "c", "", "configuration file (default lifeboat.yaml here, if there is one)")
	f.BoolVar(&a.json, "json", false, "print the result as JSON")
	f.BoolVarP(&a.verbose, "verbose", "v", false, "log more")
	f.BoolVarP(&a.quiet, "quiet", "q", false, "log errors only, and draw no progress")
	root.AddCommand(
		a.initCommand(), a.doctorCommand(), a.captureCommand(), a.agentCommand(), a.snapshotCommand(), a.logCommand(), a.restoreCommand(),
		a.statusCommand(), a.auditCommand(), a.takeoverCommand(), a.keysCommand(), a.mirrorCommand(), a.retentionCommand(), a.incidentCommand(), a.committeeCommand(), a.dueCommand(),
		a.readinessCommand(), a.reportCommand(), a.serveCommand(), a.drillCommand(), a.failoverCommand(), a.failbackCommand(), a.preflightCommand(), a.kitCommand(), a.policyCommand(), a.codeCommand(), a.versionCommand(),
	)
	a.noteEntry(root)
	root.SetHelpTemplate(root.HelpTemplate() + "{{if not .HasParent}}\nExit codes:\n" + exitCodesHelp() + "{{end}}")
	return root
}

// logger writes to standard error: text for people, JSON with --json.
func (a *app) logger() *slog.Logger {
	level := slog.LevelInfo
	switch {
	case a.verbose:
		level = slog.LevelDebug
	case a.quiet:
		level = slog.LevelError
	}
	options := &slog.HandlerOptions{Level: level}
	if a.json {
		return slog.New(slog.NewJSONHandler(a.stderr, options))
	}
	return slog.New(slog.NewTextHandler(a.stderr, options))
}

// failure is an error as --json prints it on standard error.
type failure struct {
	Version  int    `json:"version"`
	Error    string `json:"error"`
	Hint     string `json:"hint,omitempty"`
	Exit     string `json:"exit"`
	ExitCode int    `json:"exit_code"`
}

// end prints an error with what to do about it, and returns the exit code.
func (a *app) end(err error) int {
	e := codeOf(err)
	if err == nil {
		return e.code
	}
	hint := hintFor(err)
	if a.json {
		if werr := writeJSON(a.stderr, failure{1, err.Error(), hint, e.name, e.code}); werr == nil {
			return e.code
		}
	}
	fmt.Fprintf(a.stderr, "lifeboat: %v\n", err)
	if hint != "" {
		fmt.Fprintf(a.stderr, "   hint: %s\n", hint)
	}
	return e.code
}

// noteEntry makes every verb tell when it begins.
func (a *app) noteEntry(cmd *cobra.Command) {
	if do := cmd.RunE; do != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			a.entered = true
			return do(cmd, args)
		}
	}
	for _, child := range cmd.Commands() {
		a.noteEntry(child)
	}
}

// noArgs refuses arguments.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%s takes no argument %q", cmd.CommandPath(), args[0])
	}
	return nil
}

// group makes a command that only holds others.
func group(use, short string, verbs ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: unlessVerb}
	cmd.AddCommand(verbs...)
	return cmd
}

// unlessVerb is what a command does that only holds others: help, or complain.
func unlessVerb(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%w: %s knows no verb %q; see '%s --help'", errUsage, cmd.CommandPath(), args[0], cmd.CommandPath())
	}
	return cmd.Help()
}
