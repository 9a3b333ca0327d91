package main

import (
	"errors"
	"fmt"
	"io"
	"strconv"

	"github.com/spf13/cobra"

	"lifeboat/internal/blob"
	"lifeboat/internal/codebackup"
)

func (a *app) codeCommand() *cobra.Command {
	return group("code", "Keep the code and the deployment automation in both stores", a.codeBackupCommand(), a.codeVerifyCommand(), a.codeRestoreCommand())
}

// codeResult is what the verbs print with --json.
type codeResult struct {
	Version int  `json:"version"`
	Fresh   bool `json:"fresh,omitempty"` // something new was stored
	*codebackup.Manifest
	Bytes int64 `json:"bytes"`
}

func (a *app) reportCode(m *codebackup.Manifest, fresh bool, what string) error {
	return a.report(codeResult{1, fresh, m, m.Bytes()}, func(w io.Writer) {
		line(w, "%s\tbackup %d of %s", what, m.Number, utc(m.Created))
		line(w, "commit\t%s", m.Commit)
		line(w, "refs\t%d", len(m.Refs))
		line(w, "bundle\t%d bytes in %d parts", m.Bytes(), len(m.Parts))
	})
}

func (a *app) codeBackupCommand() *cobra.Command {
	var repository string
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Store a repository's refs, and all they reach, in both regions",
		Long: `Store what is new in a git repository (all refs, and all they reach) in both stores, as a
bundle that adds to the last one. When nothing changed, nothing is stored. What is not committed is
not backed up.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := a.settings(thePrimary | theMirror)
			if err != nil {
				return err
			}
			ctx, stores := cmd.Context(), a.stores(file)
			near, err := stores.patient(ctx, file.Primary)
			if err != nil {
				return err
			}
			far, err := stores.patient(ctx, file.Mirror)
			if err != nil {
				return err
			}
			m, fresh, err := codebackup.Backup(ctx, codebackup.Config{Repository: repository, Stores: []blob.Store{near, far}, Log: a.logger(), Clock: a.clock})
			if err != nil {
				return err
			}
			what := "unchanged"
			if fresh {
				what = "stored"
			}
			return a.reportCode(m, fresh, what)
		},
	}
	a.flagsFor(cmd, thePrimary|theMirror)
	cmd.Flags().StringVar(&repository, "repository", ".", "folder of the git repository")
	return cmd
}

func (a *app) codeVerifyCommand() *cobra.Command {
	var number uint64
	var noClone bool
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove a backup by a real clone from the mirror alone",
		Long: `Prove a backup by a real clone from the mirror alone: git checks every object, and every ref is compared.
With --no-clone every byte is read back and compared with its hash, which needs no git.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.codeMirror(cmd)
			if err != nil {
				return err
			}
			prove, proven := codebackup.Verify, "proven"
			if noClone {
				prove, proven = codebackup.Check, "whole"
			}
			m, err := prove(cmd.Context(), store, number)
			if err != nil {
				return err
			}
			return a.reportCode(m, false, proven)
		},
	}
	a.flagsFor(cmd, theMirror)
	cmd.Flags().BoolVar(&noClone, "no-clone", false, "compare hashes only, without git")
	cmd.Flags().Uint64Var(&number, "number", 0, "number of the backup (default the newest)")
	return cmd
}

func (a *app) codeRestoreCommand() *cobra.Command {
	var number uint64
	var folder string
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Make a repository from a backup in the mirror alone",
		Args:  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.codeMirror(cmd)
			if err != nil {
				return err
			}
			m, err := codebackup.Restore(cmd.Context(), store, number, folder, false)
			if err != nil {
				return err
			}
			return a.reportCode(m, false, "restored into "+strconv.Quote(folder))
		},
	}
	a.flagsFor(cmd, theMirror)
	cmd.Flags().Uint64Var(&number, "number", 0, "number of the backup (default the newest)")
	cmd.Flags().StringVar(&folder, "into", "", "empty or new folder")
	_ = cmd.MarkFlagRequired("into") // fails only for a flag that does not exist
	return cmd
}

func (a *app) codeMirror(cmd *cobra.Command) (blob.Store, error) {
	file, err := a.settings(theMirror)
	if err != nil {
		return nil, err
	}
	store, err := a.stores(file).patient(cmd.Context(), file.Mirror)
	if err != nil {
		return nil, err
	}
	if _, err := codebackup.Latest(cmd.Context(), store); errors.Is(err, codebackup.ErrNone) {
		return nil, fmt.Errorf("%s: %w: make one with 'lifeboat code backup'", file.Mirror.Store, err)
	}
	return store, nil
}
