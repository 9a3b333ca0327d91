package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"lifeboat/internal/config"
)

// initResult is what init prints with --json.
type initResult struct {
	Version int      `json:"version"`
	Config  string   `json:"config"`
	Stores  []string `json:"stores"`
	// Warnings say what has to be put right before anything can be protected.
	Warnings []string `json:"warnings"`
}

func (a *app) initCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write lifeboat.yaml and make the two stores",
		Long: `Write lifeboat.yaml with a comment on every key, and make the two stores where they do not
exist yet. An existing configuration file is never replaced.`,
		Example: "  lifeboat init --database sqlite:app.sqlite --primary dir:/srv/lifeboat --mirror dir:/mnt/other-region/lifeboat",
		Args:    noArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.runInit(cmd) },
	}
	a.flagsFor(cmd, theDatabase|thePrimary|theMirror)
	return cmd
}

func (a *app) runInit(cmd *cobra.Command) error {
	path := a.configPath
	if path == "" {
		path = defaultConfig
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %s is there already; edit it, or remove it first", errRefused, path)
	}
	file := config.Defaults()
	file.Database = config.URL(a.overrides.database)
	file.Primary.Store = config.URL(a.overrides.primary)
	file.Mirror.Store = config.URL(a.overrides.mirror)
	if err := errors.Join(file.Validate(), missing(&file, thePrimary|theMirror, "")); err != nil {
		return err
	}
	if s := file.Database.Scheme(); s != "" && databaseKinds[s].source == nil {
		return fmt.Errorf("%w: database %q: want %s", errUsage, file.Database, databaseForms())
	}
	result := initResult{Version: 1, Config: path}
	if absent := databaseKinds[file.Database.Scheme()].absent; absent != nil {
		if err := absent(file.Database); err != nil {
			result.Warnings = append(result.Warnings, fmt.Sprintf("database %s cannot be protected yet: %v; make it, or correct database in %s", file.Database, err, path))
		}
	}
	text, err := config.Render(&file)
	if err != nil {
		return err
	}
	for _, r := range []config.Region{file.Primary, file.Mirror} {
		if err := a.stores(&file).make(cmd.Context(), r); err != nil {
			return denied(err)
		}
		result.Stores = append(result.Stores, r.Store.String())
	}
	// 0600: the file may hold a password.
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		return errors.Join(err, f.Close())
	}
	if err := f.Close(); err != nil {
		return err
	}
	return a.report(result, func(w io.Writer) {
		line(w, "wrote\t%s", path)
		line(w, "primary store\t%s", result.Stores[0])
		line(w, "mirror store\t%s", result.Stores[1])
		for _, warning := range result.Warnings {
			line(w, "warning\t%s", warning)
		}
		line(w, "\nnext: lifeboat capture install --dry-run")
	})
}
