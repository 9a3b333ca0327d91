package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"lifeboat/internal/config"
)

const defaultConfig = "lifeboat.yaml"

// overrides are the flags that replace keys of the file. Empty: not given.
type overrides struct {
	database, primary, mirror string
}

// place is a bit for each URL that a verb can need.
type place int

const (
	theDatabase place = 1 << iota
	thePrimary
	theMirror
)

// flagsFor gives a verb the flags that replace the keys it needs.
func (a *app) flagsFor(cmd *cobra.Command, what place) {
	f := cmd.Flags()
	if what&theDatabase != 0 {
		f.StringVar(&a.overrides.database, "database", "", "the protected database, "+databaseForms())
	}
	if what&thePrimary != 0 {
		f.StringVar(&a.overrides.primary, "primary", "", "the primary region's store, "+storeForms())
	}
	if what&theMirror != 0 {
		f.StringVar(&a.overrides.mirror, "mirror", "", "the mirror region's store, "+storeForms())
	}
}

// settings reads the file, puts the flags over it, and makes sure that what the verb
// needs is there.
func (a *app) settings(need place) (*config.File, error) {
	file, err := a.readConfig()
	if err != nil {
		return nil, err
	}
	for to, from := range map[*config.URL]string{
		&file.Database: a.overrides.database, &file.Primary.Store: a.overrides.primary, &file.Mirror.Store: a.overrides.mirror,
	} {
		if from != "" {
			*to = config.URL(from)
		}
	}
	if err := file.Validate(); err != nil {
		return nil, err
	}
	return file, missing(file, need, " or write it in "+defaultConfig+" ('lifeboat init' makes one)")
}

func (a *app) readConfig() (*config.File, error) {
	path := a.configPath
	if path == "" {
		path = defaultConfig
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && a.configPath == "" {
		file := config.Defaults()
		return &file, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: configuration file: %w", errUsage, err)
	}
	file, err := config.Parse(text, a.lookup)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return file, nil
}

// missing names what a verb needs and was not given; instead is where it may stand beside
// its flag.
func missing(file *config.File, need place, instead string) error {
	var errs []error
	for _, k := range []struct {
		bit  place
		url  config.URL
		key  string
		flag string
	}{
		{theDatabase, file.Database, "database", "--database"},
		{thePrimary, file.Primary.Store, "primary.store", "--primary"},
		{theMirror, file.Mirror.Store, "mirror.store", "--mirror"},
	} {
		if need&k.bit != 0 && k.url == "" {
			errs = append(errs, fmt.Errorf("%s is not set: give %s%s", k.key, k.flag, instead))
		}
	}
	if len(errs) > 0 {
		return fmt.Errorf("%w: %w", errUsage, errors.Join(errs...))
	}
	return nil
}
