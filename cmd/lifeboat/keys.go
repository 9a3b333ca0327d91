package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/retry"
	"lifeboat/internal/blob/sealed"
	"lifeboat/internal/blob/sealed/agekey"
	"lifeboat/internal/blob/sealed/keyvault"
	"lifeboat/internal/config"
)

// sealed puts the configured encryption around a store. It makes no request.
func (s stores) sealed(inner blob.Store, r config.Region) (*sealed.Store, error) {
	cfg := sealed.Config{Root: r.RootKey}
	for _, text := range s.encryption.AgeRecipients {
		recipient, err := agekey.ParseRecipient(text)
		if err != nil {
			return nil, fmt.Errorf("%w: encryption.age_recipients: %w", config.ErrInvalid, err)
		}
		cfg.Recipients = append(cfg.Recipients, recipient)
	}
	for _, url := range s.encryption.VaultKeys {
		key, err := keyvault.Open(keyvault.Config{KeyURL: url})
		if err != nil {
			return nil, fmt.Errorf("%w: encryption.vault_keys: %w", config.ErrInvalid, err)
		}
		cfg.Recipients, cfg.Openers = append(cfg.Recipients, key), append(cfg.Openers, key)
	}
	if path := s.encryption.IdentityFile; path != "" {
		opener, err := identities(path)
		if err != nil {
			return nil, fmt.Errorf("%w: encryption.identity_file: %w", config.ErrInvalid, err)
		}
		cfg.Openers = append(cfg.Openers, opener)
	}
	return sealed.New(inner, cfg)
}

func identities(path string) (opener *agekey.Opener, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return agekey.ParseIdentities(f, path)
}

func (a *app) keysCommand() *cobra.Command {
	return group("keys", "Prove that today's keys open today's objects", a.keysCheckCommand())
}

// keysResult is what keys check prints with --json.
type keysResult struct {
	Version int          `json:"version"`
	Proven  bool         `json:"proven"`
	Regions []regionKeys `json:"regions"`
}

// regionKeys is what the keys are worth in one region.
type regionKeys struct {
	Name    string      `json:"name"`
	Store   string      `json:"store"`
	RootKey string      `json:"root_key,omitempty"`
	Pinned  bool        `json:"pinned"`
	Scopes  []scopeKeys `json:"scopes"`
	Error   string      `json:"error,omitempty"`
}

// scopeKeys is about the data keys of one scope.
type scopeKeys struct {
	Scope     string            `json:"scope"`
	Openers   map[string]string `json:"openers"` // "opens", or why not
	Uncovered []string          `json:"not_wrapped_for"`
	Object    string            `json:"object_read,omitempty"`
	Error     string            `json:"error,omitempty"`
}

func (a *app) keysCheckCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Open every data key with every configured key, and read an object under each, in both regions",
		Long: `Open every data key of both stores with each configured key by itself, and read the newest
object under it to its end. It changes nothing. Run it on a machine of each region, and with the
offline key, before the day on which that is all there is.`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.keysCheck(cmd.Context()) },
	}
	a.flagsFor(cmd, thePrimary|theMirror)
	return cmd
}

func (a *app) keysCheck(ctx context.Context) error {
	file, err := a.settings(theMirror)
	if err != nil {
		return err
	}
	if !file.Encryption.Configured() {
		return fmt.Errorf("%w: encryption is not configured: there is no key to check", errUsage)
	}
	result := keysResult{Version: 1, Proven: true}
	var errs []error
	for _, region := range []config.Region{file.Mirror, file.Primary} {
		if region.Store == "" {
			continue // a machine that only restores knows the mirror alone
		}
		found, err := a.checkRegion(ctx, file, region)
		if err != nil {
			found.Error, result.Proven = err.Error(), false
			errs = append(errs, fmt.Errorf("%s: %w", region.Name, err))
		}
		result.Regions = append(result.Regions, found)
	}
	errs = append(errs, a.report(result, func(w io.Writer) { printKeys(w, result) }))
	return errors.Join(errs...)
}

func (a *app) checkRegion(ctx context.Context, file *config.File, region config.Region) (regionKeys, error) {
	out := regionKeys{Name: region.Name, Store: region.Store.String(), Pinned: region.RootKey != "", Scopes: []scopeKeys{}}
	s := a.stores(file)
	inner, err := s.bare(ctx, region)
	if err != nil {
		return out, err
	}
	store, err := s.sealed(retry.New(inner, retry.Policy{Log: s.log}), region)
	if err != nil {
		return out, err
	}
	r, err := store.Check(ctx)
	if err != nil {
		return out, err
	}
	out.RootKey = r.RootID
	for _, scope := range r.Scopes {
		k := scopeKeys{Scope: scope.Scope, Openers: map[string]string{}, Uncovered: append([]string{}, scope.Uncovered...), Object: scope.Object}
		for name, err := range scope.Openers {
			k.Openers[name] = "opens"
			if err != nil {
				k.Openers[name] = err.Error()
			}
		}
		if scope.Err != nil {
			k.Error = scope.Err.Error()
		}
		out.Scopes = append(out.Scopes, k)
	}
	return out, r.Err()
}

func printKeys(w io.Writer, r keysResult) {
	for _, region := range r.Regions {
		pinned := "not pinned: write it into root_key"
		if region.Pinned {
			pinned = "pinned"
		}
		line(w, "%s\t%s", region.Name, region.Store)
		line(w, "  root key\t%s\t%s", region.RootKey, pinned)
		for _, s := range region.Scopes {
			verdict := "opens"
			if s.Error != "" {
				verdict = s.Error
			}
			line(w, "  %s\t%s\tread %s", s.Scope, verdict, s.Object)
			for name, said := range s.Openers {
				if said != "opens" {
					line(w, "    %s\t%s", name, said)
				}
			}
			for _, name := range s.Uncovered {
				line(w, "    %s\tthe key is not wrapped for it", name)
			}
		}
		if region.Error != "" {
			line(w, "  NOT PROVEN\t%s", region.Error)
		}
	}
}
