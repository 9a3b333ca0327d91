package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lifeboat/failover/preflight"
	"lifeboat/internal/config"
)

// needed is something that a run needs, the configuration names, and no kit holds, since it
// is a secret or opens one.
type needed struct {
	Key  string `json:"key"`  // of lifeboat.yaml; "variable" of the environment
	Name string `json:"name"` // the file as it is named there, or the variable

	at string // where the file has to be for a run; "": not before the run
}

// needs lists what has to be brought to a machine that has a kit alone, by the lifeboat.yaml
// in a folder: files with secrets, then the variables that it and the committee's file use.
func needs(dir, name string) ([]needed, error) {
	variables := map[string]bool{}
	note := func(name string) (string, bool) { variables[name] = true; return "", true }
	path := filepath.Join(dir, name)
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	file, err := config.Parse(text, note)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	path = beside(dir, file.Failover.Committee)
	if text, err = os.ReadFile(path); err == nil {
		if _, err := config.ParseCommittee(text, note); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
	}
	list := secretFiles(file, dir)
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		list = append(list, needed{Key: "variable", Name: name})
	}
	return list, nil
}

// secretFiles are those that a run reads and that hold secrets.
func secretFiles(file *config.File, dir string) (list []needed) {
	f := file.Failover
	way := needed{Key: "failover.restore.kubeconfig", Name: f.Restore.Kubeconfig, at: beside(dir, f.Restore.Kubeconfig)}
	if f.StackFile != "" {
		way.at = "" // of a cluster that the run's own stack makes: there is none before
	}
	for _, n := range []needed{
		{Key: "encryption.identity_file", Name: file.Encryption.IdentityFile, at: file.Encryption.IdentityFile},
		{Key: "mirror.key_file", Name: file.Mirror.KeyFile, at: file.Mirror.KeyFile},
		{Key: "mirror.sas_file", Name: file.Mirror.SASFile, at: file.Mirror.SASFile},
		{Key: "failover.new_mirror.key_file", Name: f.NewMirror.KeyFile, at: f.NewMirror.KeyFile},
		{Key: "failover.new_mirror.sas_file", Name: f.NewMirror.SASFile, at: f.NewMirror.SASFile},
		way,
	} {
		if n.Name != "" {
			list = append(list, n)
		}
	}
	return list
}

// needsProbe asks whether the files that no kit holds are where a run looks for them, and
// names all that has to be brought beside a kit.
func (a *app) needsProbe() preflight.Probe {
	return preflight.Probe{Name: "what no kit holds", Fix: "bring the file, or mend its name in lifeboat.yaml", Ask: func(context.Context) (string, error) {
		list, err := needs(filepath.Split(a.configFile()))
		if err != nil {
			return "", preflight.Unasked("%w", err)
		}
		var names []string
		for _, n := range list {
			if n.at != "" {
				if _, err := os.Stat(n.at); err != nil {
					return "", fmt.Errorf("%s: %w", n.Key, err)
				}
			}
			names = append(names, n.Key+" "+n.Name)
		}
		if len(names) == 0 {
			return "nothing: whoever has a kit, and may sign in, has all", nil
		}
		return "to be brought beside a kit: " + strings.Join(names, ", "), nil
	}}
}
