package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"lifeboat/internal/database"
)

// doctorResult is what doctor prints with --json.
type doctorResult struct {
	Version int              `json:"version"`
	Ready   bool             `json:"ready"`
	Report  *database.Report `json:"report"`
}

func (a *app) doctorCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at the database, and say what stands in the way of protecting it",
		Long: `Look at the database without changing anything: what server it is, its settings, permissions that
are missing, tables without keys and everything else that cannot be captured, the application's
triggers, what capture will mean for the application, and what the first snapshot will cost,
estimated from a sample of every table. The exit code is 0 if capture can be installed and drained.`,
		Example: `  lifeboat doctor --database 'sqlserver://app.database.windows.net?database=app&fedauth=ActiveDirectoryDefault'
  lifeboat doctor --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withSource(cmd.Context(), func(s database.Source) error { return a.doctor(cmd.Context(), s) })
		},
	}
	a.flagsFor(cmd, theDatabase)
	return cmd
}

func (a *app) doctor(ctx context.Context, source database.Source) error {
	doctor, ok := source.(database.Doctor)
	if !ok {
		return fmt.Errorf("%w: there is no doctor for databases of this kind", errUsage)
	}
	r, err := doctor.Doctor(ctx)
	if err != nil {
		return err
	}
	if err := a.report(doctorResult{1, r.Ready(), r}, func(w io.Writer) { printDoctor(w, r) }); err != nil {
		return err
	}
	if !r.Ready() {
		return fmt.Errorf("%w: the database cannot be protected as it is; the report names why", errRefused)
	}
	return nil
}

func printDoctor(w io.Writer, r *database.Report) {
	line(w, "engine\t%s %s %s", r.Product, r.Version, r.Edition)
	line(w, "database\t%s", r.Database)
	for _, name := range slices.Sorted(maps.Keys(r.Settings)) {
		line(w, "  %s\t%s", name, r.Settings[name])
	}
	line(w, "capture\t%s, %d changes pending", r.Capture, r.Pending)
	line(w, "tables\t%d with about %s rows", r.Tables, humanize.Comma(r.Rows))
	line(w, "first snapshot\tabout %s of %s of rows, read in about %s", humanize.IBytes(uint64(r.SnapshotBytes)),
		humanize.IBytes(uint64(r.Bytes)), time.Duration(r.SnapshotSeconds*float64(time.Second)).Round(100*time.Millisecond))
	if r.Fenced != "" {
		line(w, "FENCED\t%s", r.Fenced)
	}
	for _, part := range []struct {
		title string
		list  []string
	}{
		{"BLOCKED", r.Blocked}, {"MISSING", r.Missing}, {"REFUSED", r.Refused},
		{"not carried", r.NotCarried}, {"trigger", r.Triggers}, {"warning", r.Warnings},
	} {
		for _, what := range part.list {
			line(w, "%s\t%s", part.title, what)
		}
	}
	if r.Ready() {
		line(w, "ready\tcapture can be installed and drained")
	}
}
