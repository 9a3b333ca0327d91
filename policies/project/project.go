package project

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"lifeboat/policies"
	"lifeboat/stacks/stackfile"
)

// Project is what the folder says. Settings that are missing leave rules unknown; files
// that are there and wrong are errors.
type Project struct {
	dir     string
	Waivers []policies.Waiver
	Facts   *policies.Facts
}

// The optional files, below the project's folder.
const (
	WaiversFile = "policies/waivers.json"
	FactsFile   = "policies/facts.json"
)

// Open reads the waivers and the facts of the project in dir.
func Open(dir string, rules []policies.Rule) (*Project, error) {
	p := &Project{dir: dir}
	waivers, err := optional(filepath.Join(dir, WaiversFile))
	if err == nil && waivers != nil {
		p.Waivers, err = policies.ReadWaivers(waivers, rules)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", WaiversFile, err)
	}
	facts, err := optional(filepath.Join(dir, FactsFile))
	if err == nil && facts != nil {
		p.Facts, err = policies.ReadFacts(facts)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", FactsFile, err)
	}
	return p, nil
}

// Complete fills in the stack's settings, its peer's, and the facts. A failover stack is
// made from the mirror's settings.
func (p *Project) Complete(s *policies.Stack) error {
	own, peer := policies.DR, policies.Primary
	if s.Role == policies.Primary {
		own, peer = peer, own
	}
	var err error
	if s.Settings, err = p.settings(own); err != nil {
		return err
	}
	if s.Peer, err = p.settings(peer); err != nil {
		return err
	}
	s.Facts = p.Facts
	return nil
}

func (p *Project) settings(role policies.Role) (policies.Value, error) {
	set, err := stackfile.Read(filepath.Join(p.dir, "Pulumi."+string(role)+".yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return policies.Value{}, nil
	}
	if err != nil {
		return policies.Value{}, fmt.Errorf("stack %s: %w", role, err)
	}
	text, err := set.JSON()
	if err != nil {
		return policies.Value{}, err
	}
	return policies.SettingsOf(text)
}

// optional returns nil for a file that is not there.
func optional(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}
