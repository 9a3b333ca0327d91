package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/export"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

// exportResult is what snapshot export prints with --json.
type exportResult struct {
	Version  int           `json:"version"`
	Snapshot snapshotLine  `json:"snapshot"`
	Files    []export.File `json:"files"`
}

func (a *app) snapshotExportCommand() *cobra.Command {
	var format, into string
	var tables []string
	var seq uint64
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the tables of a snapshot as Parquet or CSV files",
		Long: `Write the tables of a snapshot as files that other tools read, one a table, without a database: the newest
snapshot, or the one that --seq names (see snapshot list). Every table's rows are proven against the snapshot
before its file gets its name. The files hold what the database holds, in the clear: keep them accordingly.
For another point in time, restore first. docs/exports.md says how types are written.`,
		Args: noArgs,
	}
	from := a.storeFlag(cmd)
	cmd.Flags().StringVar(&format, "format", string(export.Parquet), "parquet or csv")
	cmd.Flags().StringVar(&into, "into", "", "folder for the files; it is made if it is missing")
	cmd.Flags().StringSliceVar(&tables, "table", nil, "export this table alone; can be given several times (default: all)")
	cmd.Flags().Uint64Var(&seq, "seq", 0, "the snapshot at this transaction (default: the newest)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if into == "" {
			return fmt.Errorf("%w: --into is not given: name a folder for the files", errUsage)
		}
		store, file, err := from.open(cmd.Context())
		if err != nil {
			return err
		}
		s, err := chooseSnapshot(cmd.Context(), store, eventlog.Seq(seq), cmd.Flags().Changed("seq"))
		if err != nil {
			return err
		}
		files, err := a.export(cmd.Context(), export.Config{
			Store: store, Snapshot: s, Format: export.Format(format), Dir: into, Tables: tables,
			Memory: int64(file.Restore.Memory), TempDir: file.Restore.Scratch,
		})
		if err != nil {
			return err
		}
		return a.report(exportResult{1, describeSnapshot(s), files}, func(w io.Writer) {
			for _, f := range files {
				line(w, "%s\t%d rows\t%d bytes\t%s", f.Table, f.Rows, f.Bytes, f.Path)
			}
		})
	}
	return cmd
}

// export pins the snapshot while it is read, where the store allows that.
func (a *app) export(ctx context.Context, cfg export.Config) (files []export.File, err error) {
	pin, err := restore.CreatePin(ctx, cfg.Store, "export", a.clock(), []restore.Snapshot{cfg.Snapshot})
	switch {
	case err == nil:
		defer func() { err = errors.Join(err, pin.Unpin(context.WithoutCancel(ctx), cfg.Store)) }()
	case errors.Is(err, blob.ErrPermanent):
		a.logger().Warn("this store cannot be written to, so retention may remove what is being read", "err", err)
	default:
		return nil, err
	}
	files, err = export.Run(ctx, cfg)
	if errors.Is(err, export.ErrFormat) {
		err = fmt.Errorf("%w: %w", errUsage, err)
	}
	return files, err
}

// chooseSnapshot is the newest usable, or the one at a Seq.
func chooseSnapshot(ctx context.Context, store blob.Store, seq eventlog.Seq, given bool) (restore.Snapshot, error) {
	snapshots, damage, err := snapshot.List(ctx, store)
	if err != nil {
		return restore.Snapshot{}, err
	}
	for _, s := range slices.Backward(snapshots) {
		if _, err := restore.Lineage(snapshots, s); err == nil && (!given || s.Position.Seq == seq) {
			return s, nil
		}
	}
	if given {
		return restore.Snapshot{}, fmt.Errorf("%w: there is no whole snapshot at seq %d; 'lifeboat snapshot list' shows which there are", restore.ErrNoSnapshot, uint64(seq))
	}
	return restore.Snapshot{}, errors.Join(restore.ErrNoSnapshot, damaged(damage))
}
