package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lifeboat/failover/kit"
	"lifeboat/internal/codebackup"
	"lifeboat/internal/config"
)

func (a *app) kitCommand() *cobra.Command {
	return group("kit", "Keep all that a failover needs beside the mirror", a.kitBuildCommand(), a.kitVerifyCommand(), a.kitUnpackCommand())
}

// kitResult is what the verbs print with --json.
type kitResult struct {
	Version int  `json:"version"`
	Fresh   bool `json:"fresh,omitempty"`
	*kit.Manifest
	Bytes  int64           `json:"bytes"`
	Folder string          `json:"folder,omitempty"`
	Plan   json.RawMessage `json:"plan,omitempty"` // made from the kit alone
	// Bring is what the configuration names and no kit holds: files with secrets, and
	// variables. Whoever unpacks the kit on a bare machine has to have them.
	Bring []needed `json:"bring,omitempty"`
}

// reportKit prints it. dir and name are where its lifeboat.yaml is.
func (a *app) reportKit(r kitResult, what, dir, name string) error {
	r.Version, r.Bytes = 1, r.Manifest.Bytes()
	var err error
	if r.Bring, err = needs(dir, name); err != nil {
		return err
	}
	return a.report(r, func(w io.Writer) {
		line(w, "%s\tkit %d of %s for %s", what, r.Number, utc(r.Created), r.Platform)
		line(w, "files\t%d\t%d bytes", len(r.Files), r.Bytes)
		line(w, "code\tbackup %d", r.Code)
		for name, version := range r.Versions {
			line(w, "  %s\t%s", name, version)
		}
		for _, n := range r.Bring {
			line(w, "bring\t%s\t%s", n.Key, n.Name)
		}
		if r.Folder != "" {
			line(w, "in\t%s\tcd there, then: bin/lifeboat failover plan --latest", r.Folder)
			line(w, "\tfor stacks\texport PATH=\"$PWD/bin:$PATH\" PULUMI_HOME=\"$PWD\"")
		}
	})
}

// kitOptions are the flags of kit build.
type kitOptions struct{ binary, pulumi, plugins string }

func (a *app) kitBuildCommand() *cobra.Command {
	var o kitOptions
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Put program, tools, configuration and contacts into the mirror's store",
		Long: `Store one bundle with all that a failover needs when the code forge, the places where programs come
from and the lost region are gone: this program, the Pulumi CLI with its language host and plugins as they
are found here, lifeboat.yaml, the stack's settings, the committee's file and its allowed_signers. What did
not change is not stored again. The code is that of the newest code backup beside it.

No secret goes in: a configuration with a password or a signature in it is refused; write ${VARIABLE}. What
has to be brought for that reason is shown by name, by build, verify and unpack: the variables, and files with
secrets such as encryption.identity_file and failover.restore.kubeconfig.
Files have to be named relative to the folder of lifeboat.yaml, so that they are found in the kit.`,
		Args: noArgs,
	}
	b := a.bridgeFlags(cmd, false)
	f := cmd.Flags()
	f.StringVar(&o.binary, "binary", "", "lifeboat for the operator's machine (default: this program)")
	f.StringVar(&o.pulumi, "pulumi", "", "the Pulumi command (default: as found on the path)")
	f.StringVar(&o.plugins, "plugins", "", "folder of Pulumi's plugins (default: $PULUMI_HOME/plugins, or ~/.pulumi/plugins)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		br, err := b.open(cmd.Context())
		if err != nil {
			return err
		}
		c, err := a.kitContents(cmd.Context(), br, o)
		if err != nil {
			return err
		}
		m, fresh, err := kit.Build(cmd.Context(), br.dr, c)
		if err != nil {
			return err
		}
		what := "unchanged"
		if fresh {
			what = "stored"
		}
		dir, name := filepath.Split(a.configFile())
		return a.reportKit(kitResult{Fresh: fresh, Manifest: m}, what, dir, name)
	}
	return cmd
}

func (a *app) kitContents(ctx context.Context, b *bridge, o kitOptions) (kit.Contents, error) {
	c := kit.Contents{Platform: runtime.GOOS + "/" + runtime.GOARCH, Versions: map[string]string{"lifeboat": programVersion()}, Clock: a.clock}
	var err error
	if o.binary == "" {
		if o.binary, err = os.Executable(); err != nil {
			return c, fmt.Errorf("find this program: %w", err)
		}
	}
	c.Items = append(c.Items, kit.Item{Path: "bin/lifeboat", From: o.binary})
	if c.Code, err = codebackup.Latest(ctx, b.dr); err != nil && !errors.Is(err, codebackup.ErrNone) {
		return c, err
	}
	if err := a.kitFiles(b, &c); err != nil {
		return c, err
	}
	return c, a.kitTools(ctx, o, &c)
}

// configFile is the path of lifeboat.yaml.
func (a *app) configFile() string {
	if a.configPath == "" {
		return defaultConfig
	}
	return a.configPath
}

// kitFiles adds the configuration, after making sure that no secret is in it.
func (a *app) kitFiles(b *bridge, c *kit.Contents) error {
	path := a.configFile()
	if err := withoutSecrets(path, b.committeePath); err != nil {
		return err
	}
	dir := filepath.Dir(path)
	c.Items = append(c.Items, kit.Item{Path: defaultConfig, From: path})
	names := map[string]string{"failover.committee": b.config.Failover.Committee, "failover.stack_file": b.config.Failover.StackFile}
	people := filepath.Dir(b.config.Failover.Committee)
	for key, name := range map[string]string{"allowed_signers": b.file.AllowedSigners, "templates": b.file.Templates} {
		if name != "" {
			names[key] = filepath.Join(people, name)
			if filepath.IsAbs(name) {
				names[key] = name
			}
		}
	}
	for key, name := range names {
		if name == "" {
			continue
		}
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%w: %s is %q: name it relative to the folder of lifeboat.yaml, or it is not found in the kit", errUsage, key, name)
		}
		c.Items = append(c.Items, kit.Item{Path: filepath.ToSlash(filepath.Clean(name)), From: filepath.Join(dir, name)})
	}
	return nil
}

// withoutSecrets refuses files that hold a secret themselves: variables stand for nothing
// here, so whatever secret is left is written out.
func withoutSecrets(path, committee string) error {
	nothing := func(string) (string, bool) { return "", true }
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	file, err := config.Parse(text, nothing)
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	f := file.Failover
	for _, u := range []config.URL{file.Database, file.Primary.Store, file.Mirror.Store, f.Backend, f.Target, f.NewMirror.Store} {
		if u.HoldsSecret() {
			return fmt.Errorf("%w: %s: %s holds a secret, which does not belong into a kit: write ${VARIABLE} for it", errRefused, path, u)
		}
	}
	text, err = os.ReadFile(committee)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	people, err := config.ParseCommittee(text, nothing)
	if err != nil {
		return fmt.Errorf("%s: %w", committee, err)
	}
	for _, channels := range []config.Channels{people.Notify, people.Customers} {
		for _, m := range channels.Mail {
			if m.Password != "" {
				return fmt.Errorf("%w: %s: the password of mail %s is written out: write ${VARIABLE} for it", errRefused, committee, m.Host)
			}
		}
		for _, h := range channels.Webhooks {
			if h.Key != "" || h.URL != "" {
				return fmt.Errorf("%w: %s: address or key of webhook %s is written out: write ${VARIABLE} for it", errRefused, committee, h.Name)
			}
		}
	}
	return nil
}

// kitTools adds the Pulumi CLI, its language host and its plugins, as they are found.
func (a *app) kitTools(ctx context.Context, o kitOptions, c *kit.Contents) error {
	asked := o.pulumi != ""
	if !asked {
		o.pulumi = "pulumi"
	}
	path, err := exec.LookPath(o.pulumi)
	if err != nil {
		if asked {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		a.logger().Warn("no Pulumi CLI is on the path: the kit is without it", "err", err)
		return nil
	}
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return err
	}
	if c.Versions["pulumi"], err = pulumiVersion(ctx, path); err != nil {
		return fmt.Errorf("%s version: %w", path, err)
	}
	c.Items = append(c.Items, kit.Item{Path: "bin/pulumi", From: path})
	host := filepath.Join(filepath.Dir(path), "pulumi-language-go")
	if _, err := os.Stat(host); err == nil {
		c.Items = append(c.Items, kit.Item{Path: "bin/pulumi-language-go", From: host})
	}
	folder := o.plugins
	if folder == "" {
		home, _ := a.lookup("PULUMI_HOME")
		if home == "" {
			user, err := os.UserHomeDir()
			if err != nil {
				return fmt.Errorf("find Pulumi's plugins: %w", err)
			}
			home = filepath.Join(user, ".pulumi")
		}
		folder = filepath.Join(home, "plugins")
	}
	return addPlugins(folder, c)
}

// addPlugins adds every plugin's folder, named resource-NAME-vVERSION.
func addPlugins(folder string, c *kit.Contents) error {
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		top, _, inside := strings.Cut(filepath.ToSlash(name), "/")
		if d.IsDir() {
			if plugin, version, ok := strings.Cut(strings.TrimPrefix(top, "resource-"), "-v"); ok && !inside && strings.HasPrefix(top, "resource-") {
				c.Versions["plugin "+plugin] = version
			}
			return nil
		}
		if inside && d.Type().IsRegular() && strings.HasPrefix(top, "resource-") {
			c.Items = append(c.Items, kit.Item{Path: "plugins/" + filepath.ToSlash(name), From: path})
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func programVersion() string {
	v := buildVersion()
	if v.Commit == "" {
		return v.Release
	}
	return fmt.Sprintf("%s %.12s", v.Release, v.Commit)
}

func (a *app) kitVerifyCommand() *cobra.Command {
	var number uint64
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove a kit: unpack it, restore its code, and have its own program plan from it alone",
		Long: `Unpack the kit into a folder that is removed again, every byte checked; restore the code backup that
it names; ask the kit's Pulumi CLI which plugins it finds there; then run the lifeboat inside the kit, on the
configuration inside the kit, to plan a failover with the primary's store left alone. The plan is not kept.`,
		Args: noArgs,
	}
	b := a.bridgeFlags(cmd, false)
	cmd.Flags().Uint64Var(&number, "number", 0, "number of the kit (default the newest)")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		br, err := b.open(cmd.Context())
		if err != nil {
			return err
		}
		return a.kitVerify(cmd.Context(), br, number)
	}
	return cmd
}

func (a *app) kitVerify(ctx context.Context, b *bridge, number uint64) (err error) {
	folder, err := os.MkdirTemp("", "lifeboat-kit-")
	if err != nil {
		return fmt.Errorf("make a folder for the kit: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	inside := filepath.Join(folder, "kit")
	m, err := kit.Unpack(ctx, b.dr, number, inside)
	if err != nil {
		return err
	}
	if m.Code > 0 {
		if _, err := codebackup.Verify(ctx, b.dr, m.Code); err != nil {
			return fmt.Errorf("kit %d: %w", m.Number, err)
		}
	}
	if here := runtime.GOOS + "/" + runtime.GOARCH; m.Platform != here {
		return fmt.Errorf("%w: kit %d is for %s, this machine is %s: its bytes are whole, its program was not run", errRefused, m.Number, m.Platform, here)
	}
	if err := kitPlugins(ctx, inside, m); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, filepath.Join(inside, "bin", "lifeboat"), "failover", "plan", "--latest", "--dry-run", "--json", "--quiet", "--primary-lost", "--config", defaultConfig)
	cmd.Dir = inside
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%w: kit %d cannot plan by itself: %w: %s", kit.ErrDamaged, m.Number, err, strings.TrimSpace(errs.String()))
	}
	return a.reportKit(kitResult{Manifest: m, Plan: json.RawMessage(out.String())}, "proven", inside, defaultConfig)
}

// kitPlugins asks the kit's own CLI which release it is and which plugins it finds in the kit.
func kitPlugins(ctx context.Context, inside string, m *kit.Manifest) error {
	want := m.Versions["pulumi"]
	if want == "" {
		return nil // the kit is without it, and preflight says so where it matters
	}
	pulumi := filepath.Join(inside, "bin", "pulumi")
	if have, err := pulumiVersion(ctx, pulumi); err != nil || have != want {
		return fmt.Errorf("%w: the Pulumi CLI of kit %d says that it is %q, want %q (%w)", kit.ErrDamaged, m.Number, have, want, err)
	}
	cmd := exec.CommandContext(ctx, pulumi, "plugin", "ls", "--json")
	cmd.Env = append(os.Environ(), "PULUMI_SKIP_UPDATE_CHECK=true", "PULUMI_HOME="+inside)
	out, err := cmd.Output()
	if err != nil {
		return fmt.Errorf("%w: the Pulumi CLI of kit %d cannot list its plugins: %w", kit.ErrDamaged, m.Number, err)
	}
	var found []struct{ Name, Kind, Version string }
	if err := json.Unmarshal(out, &found); err != nil {
		return fmt.Errorf("%w: the Pulumi CLI of kit %d lists its plugins as %.100q: %w", kit.ErrDamaged, m.Number, out, err)
	}
	for name, version := range m.Versions {
		plugin, is := strings.CutPrefix(name, "plugin ")
		if is && !slices.Contains(found, struct{ Name, Kind, Version string }{plugin, "resource", version}) {
			return fmt.Errorf("%w: the Pulumi CLI of kit %d does not find %s %s in it", kit.ErrDamaged, m.Number, name, version)
		}
	}
	return nil
}

func (a *app) kitUnpackCommand() *cobra.Command {
	var number uint64
	var folder string
	cmd := &cobra.Command{
		Use:   "unpack",
		Short: "Unpack a kit into a new folder, and its code beside it",
		Args:  noArgs,
	}
	a.flagsFor(cmd, theMirror)
	f := cmd.Flags()
	f.Uint64Var(&number, "number", 0, "number of the kit (default the newest)")
	f.StringVar(&folder, "into", "", "empty or new folder")
	required(cmd, "into")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		file, err := a.settings(theMirror)
		if err != nil {
			return err
		}
		store, err := a.stores(file).patient(cmd.Context(), file.Mirror)
		if err != nil {
			return err
		}
		m, err := kit.Unpack(cmd.Context(), store, number, folder)
		if err != nil {
			return err
		}
		if m.Code > 0 {
			if _, err := codebackup.Restore(cmd.Context(), store, m.Code, filepath.Join(folder, "code"), false); err != nil {
				return err
			}
		}
		return a.reportKit(kitResult{Manifest: m, Folder: folder}, "unpacked", folder, defaultConfig)
	}
	return cmd
}
