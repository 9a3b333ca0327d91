package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"lifeboat/internal/database"
	"lifeboat/restore"
)

func (a *app) captureCommand() *cobra.Command {
	return group("capture", "Put change capture into the database, look at it, take it out",
		a.captureInstallCommand(), a.captureStatusCommand(), a.captureRemoveCommand())
}

// withSource opens the protected database for a verb.
func (a *app) withSource(ctx context.Context, do func(database.Source) error) (err error) {
	file, err := a.settings(theDatabase)
	if err != nil {
		return err
	}
	source, err := openSource(ctx, file, a.logger())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	return do(source)
}

// installResult is what capture install prints with --json.
type installResult struct {
	Version    int      `json:"version"`
	DryRun     bool     `json:"dry_run"`
	Changed    bool     `json:"changed"`
	Statements []string `json:"statements"`
	Warnings   []string `json:"warnings"`
	Tables     []string `json:"tables,omitempty"`
	NotCarried []string `json:"not_carried,omitempty"`
}

func (a *app) captureInstallCommand() *cobra.Command {
	var dryRun, restored bool
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Install change tables and triggers; does nothing where they are up to date",
		Long: `Install one change table and triggers for every table, in one transaction. From then on a
change is captured if and only if it commits. What cannot be captured is refused by name, and
nothing is installed.

--restored is for a database that a finished restore with --keep-progress has filled: the restore's
records are taken away first.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if restored {
				if err := a.forgetRestore(cmd.Context()); err != nil {
					return err
				}
			}
			return a.withSource(cmd.Context(), func(s database.Source) error { return a.install(cmd.Context(), s, dryRun) })
		},
	}
	a.flagsFor(cmd, theDatabase)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the statements and warnings, change nothing")
	cmd.Flags().BoolVar(&restored, "restored", false, "first take away the records of a finished restore")
	cmd.MarkFlagsMutuallyExclusive("dry-run", "restored")
	return cmd
}

// forgetRestore takes a finished restore's own records out of the database.
func (a *app) forgetRestore(ctx context.Context) error {
	file, err := a.settings(theDatabase)
	if err != nil {
		return err
	}
	target, err := openTarget(ctx, file.Database, 0, a.logger())
	if err != nil {
		return err
	}
	return restore.Forget(ctx, target)
}

func (a *app) install(ctx context.Context, source database.Source, dryRun bool) error {
	statements, warnings, err := source.InstallPlan(ctx)
	if err != nil {
		return err
	}
	result := installResult{Version: 1, DryRun: dryRun, Changed: len(statements) > 0, Statements: statements, Warnings: warnings}
	if !dryRun {
		schema, err := source.Install(ctx)
		if err != nil {
			return err
		}
		for i := range schema.Tables {
			result.Tables = append(result.Tables, schema.Tables[i].Name)
		}
		result.NotCarried = schema.NotCarried
	}
	return a.report(result, func(w io.Writer) {
		for _, warning := range warnings {
			line(w, "warning: %s", warning)
		}
		switch {
		case dryRun:
			for _, s := range statements {
				line(w, "%s;", s)
			}
			line(w, "-- %d statements; nothing was changed", len(statements))
		case !result.Changed:
			line(w, "capture is installed and up to date: %d tables", len(result.Tables))
		default:
			line(w, "capture installed: %d tables", len(result.Tables))
		}
		for _, what := range result.NotCarried {
			line(w, "not carried: %s", what)
		}
	})
}

// captureStatus is what capture status prints with --json.
type captureStatus struct {
	Version   int      `json:"version"`
	Installed bool     `json:"installed"`
	UpToDate  bool     `json:"up_to_date"`
	Pending   int64    `json:"pending_changes"`
	Tables    []string `json:"tables"` // empty while Refused is not
	Warnings  []string `json:"warnings"`
	Refused   string   `json:"refused,omitempty"` // what keeps the schema from being captured
}

func (a *app) captureStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say whether capture is installed, fits the schema, and how much is pending",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSource(cmd.Context(), func(s database.Source) error { return a.showCapture(cmd.Context(), s) })
		},
	}
	a.flagsFor(cmd, theDatabase)
	return cmd
}

func (a *app) showCapture(ctx context.Context, source database.Source) error {
	result := captureStatus{Version: 1}
	statements, warnings, refused := source.InstallPlan(ctx)
	if refused != nil {
		if !errors.Is(refused, database.ErrUnsupported) {
			return refused
		}
		result.Refused = refused.Error()
	}
	var err error
	result.Warnings, result.UpToDate = warnings, refused == nil && len(statements) == 0
	result.Pending, err = source.Pending(ctx)
	if err != nil && !errors.Is(err, database.ErrNotInstalled) {
		return err
	}
	result.Installed = err == nil
	if result.Installed {
		result.Tables, err = capturedTables(ctx, source)
		if err != nil && (refused == nil || !errors.Is(err, database.ErrUnsupported)) { // no view of such a schema
			return err
		}
	}
	err = a.report(result, func(w io.Writer) {
		line(w, "installed\t%v", result.Installed)
		line(w, "fits the schema\t%v", result.UpToDate)
		if result.Installed && len(result.Tables) > 0 {
			line(w, "tables\t%d", len(result.Tables))
		}
		line(w, "pending changes\t%d", result.Pending)
		for _, warning := range warnings {
			line(w, "warning\t%s", warning)
		}
	})
	switch {
	case err != nil:
		return err
	case result.Installed && refused != nil:
		return advised{fmt.Errorf("capture is installed, and does not fit the schema as it is now: %w", refused), outgrown}
	case refused != nil:
		return refused
	case !result.Installed:
		return database.ErrNotInstalled
	}
	return nil
}

// outgrown is what to do about a schema that capture cannot follow.
const outgrown = "what was installed still captures the tables it was made for, but no barrier is answered until the schema can be captured: change what is named (give a table a primary key, or drop it), and the agent goes on by itself"

// capturedTables names the tables that capture was installed for.
func capturedTables(ctx context.Context, source database.Source) ([]string, error) {
	view, err := source.View(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	installed := view.Installed()
	for i := range installed.Tables {
		names = append(names, installed.Tables[i].Name)
	}
	return names, view.Close()
}

// removeResult is what capture remove prints with --json.
type removeResult struct {
	Version int   `json:"version"`
	DryRun  bool  `json:"dry_run"`
	Pending int64 `json:"pending_changes"`
}

func (a *app) captureRemoveCommand() *cobra.Command {
	var discard, dryRun bool
	cmd := &cobra.Command{
		Use:   "remove",
		Short: "Take change tables and triggers out again",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSource(cmd.Context(), func(s database.Source) error {
				pending, err := s.Pending(cmd.Context())
				if err != nil {
					return err
				}
				if !dryRun {
					if err := s.Remove(cmd.Context(), discard); err != nil {
						return err
					}
				}
				return a.report(removeResult{1, dryRun, pending}, func(w io.Writer) {
					if dryRun {
						line(w, "would remove capture; %d captured changes are pending", pending)
						return
					}
					line(w, "capture removed")
				})
			})
		},
	}
	a.flagsFor(cmd, theDatabase)
	cmd.Flags().BoolVar(&discard, "discard", false, "also when captured changes are not in the log yet: they are lost to it")
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "only say how much is pending")
	return cmd
}
