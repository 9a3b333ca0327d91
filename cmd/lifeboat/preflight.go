package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/spf13/cobra"

	"lifeboat/failover"
	"lifeboat/failover/kit"
	"lifeboat/failover/preflight"
	"lifeboat/failover/preflight/arm"
	"lifeboat/failover/preflight/registry"
	"lifeboat/failover/preflight/resolve"
	"lifeboat/internal/blob/sealed"
	"lifeboat/internal/codebackup"
	"lifeboat/internal/config"
	"lifeboat/internal/readiness"
	"lifeboat/internal/signers"
	"lifeboat/restore"
	"lifeboat/stacks/settings"
)

// preflightResult is what preflight prints with --json.
type preflightResult struct {
	Version int `json:"version"`
	preflight.Report
}

// preflightOptions are the flags of preflight.
type preflightOptions struct {
	pulumi, repository string
	patience           time.Duration
	noMark             bool
}

func (a *app) preflightCommand() *cobra.Command {
	var o preflightOptions
	cmd := &cobra.Command{
		Use:   "preflight",
		Short: "Ask whether a failover would work now; run it every night",
		Long: `Ask everything that a failover needs: that a plan can be made, that the quorum can be met, that the
keys open the mirror, that the DR region has quota and sizes, that the images are there by digest, that the
state's backend answers, that the public name is followed soon enough, that the code in the mirror is the
main branch, and that the operator's kit is complete. Each answer that is not a pass comes with its fix.

What could not be asked is unknown, never a pass: the exit code is 0 only when everything passed. The
outcome is marked in the mirror's store, and how long a failover is predicted to take, for readiness and its page.`,
		Args: noArgs,
	}
	b := a.bridgeFlags(cmd, false)
	f := cmd.Flags()
	f.StringVar(&o.pulumi, "pulumi", "pulumi", "the Pulumi command")
	f.StringVar(&o.repository, "repository", "", "git repository, folder or URL, whose branch the code is compared with (default: that of the stack's settings)")
	f.DurationVar(&o.patience, "patience", time.Minute, "how long to wait for each answer")
	f.BoolVar(&o.noMark, "no-mark", false, "do not mark the outcome")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		br, err := b.open(cmd.Context())
		if err != nil {
			return err
		}
		return a.preflight(cmd.Context(), br, o)
	}
	return cmd
}

func (a *app) preflight(ctx context.Context, b *bridge, o preflightOptions) error {
	began := a.clock()
	r := preflight.Run(ctx, preflight.Config{Patience: o.patience, Clock: a.clock}, a.probes(b, o))
	verdict := r.Err()
	var mark error
	if !o.noMark {
		e := readiness.Event{At: began, OK: r.Ready}
		if verdict != nil {
			e.Detail = verdict.Error()
		}
		mark = readiness.Mark(ctx, b.dr, readiness.Preflight, e, a.clock().Sub(began).Seconds())
	}
	err := a.report(preflightResult{1, r}, func(w io.Writer) {
		for _, c := range r.Checks {
			line(w, "%s\t%s\t%s", c.Status, c.Name, c.Found)
			if c.Fix != "" {
				line(w, "\t  fix\t%s", c.Fix)
			}
		}
	})
	return errors.Join(verdict, mark, err)
}

// probes are the questions, those about people and data first.
func (a *app) probes(b *bridge, o preflightOptions) []preflight.Probe {
	return append([]preflight.Probe{a.planProbe(b, !o.noMark), quorumProbe(b, a.clock())}, a.means(b, o)...)
}

// means are the questions about what a run needs beside a plan and people who sign it.
func (a *app) means(b *bridge, o preflightOptions) []preflight.Probe {
	list := []preflight.Probe{keysProbe(b), a.codeProbe(b, o.repository), a.kitProbe(b), a.needsProbe(), a.toolProbe(o.pulumi), a.backendProbe(b)}
	if b.stack == nil {
		return list // there is no stack to bring up: nothing to ask a cloud
	}
	region := string(b.stack.Regions.DR.Region)
	cloud, images := a.cloud(b.stack)
	host := b.config.Failover.EdgeHost
	if host == "" {
		host = b.stack.Edge.Record + "." + b.stack.Edge.Zone
	}
	facts := failover.Facts{}
	if err := b.configured(&facts); err != nil {
		return append(list, preflight.Probe{Name: "settings", Fix: "mend the stack's settings", Ask: func(context.Context) (string, error) { return "", err }})
	}
	if i, asks := b.agentIdentity(); asks {
		list = append(list, preflight.AgentIdentity(cloud, i), b.loginProbe(cloud))
	}
	return append(list,
		preflight.Quotas(cloud, region, quotas(b.stack, b.stack.Database.SKU)),
		preflight.Sizes(cloud, region, []string{b.stack.Cluster.System.Size, b.stack.Cluster.User.Size}),
		preflight.Images(images, facts.Images),
		preflight.TTL(a.resolver(), host, settings.MaxTTL*time.Second))
}

// agentIdentity is that of the agent which the stack of a failover runs; asks is false where no
// stack makes a database that it would need rights in.
func (b *bridge) agentIdentity() (i preflight.Identity, asks bool) {
	s := b.stack
	if s == nil || b.config.Failover.Target != "" {
		return i, false
	}
	i.Admins = s.Database.Admin.Name
	lent := s.Lent()
	i.Group, i.Name = lent.Group, lent.Agent
	return i, true
}

// planProbe makes a plan and does not keep it; its forecast is marked, if that is wanted.
func (a *app) planProbe(b *bridge, mark bool) preflight.Probe {
	return preflight.Probe{Name: "plan", Fix: "lifeboat status, then lifeboat log verify and lifeboat snapshot verify", Ask: func(ctx context.Context) (string, error) {
		facts, err := a.facts(ctx, b, question{kind: failover.Failover, target: restore.Latest()})
		if err != nil {
			return "", err
		}
		now := a.clock().UTC()
		p, err := failover.NewPlan(facts, failover.Request{ID: failover.NewID(failover.Failover, now, 0), Kind: failover.Failover, Target: restore.Latest(),
			Created: now, Validity: b.config.Failover.PlanValidity})
		if err != nil {
			return "", err
		}
		c := p.Forecast
		if mark {
			e := readiness.Event{At: now, OK: c.WithinLimit && c.WithinYear}
			if err := readiness.Mark(ctx, b.dr, readiness.Forecast, e, c.TotalSeconds); err != nil {
				return "", err
			}
		}
		if !c.WithinLimit || !c.WithinYear {
			return "", fmt.Errorf("a failover now is predicted to take %s, over what the policy leaves", span(lasting(c.TotalSeconds)))
		}
		return fmt.Sprintf("to %s in %s", &restore.Point{Seq: p.Point.Seq, Time: p.Point.Time}, span(lasting(c.TotalSeconds))), nil
	}}
}

// quorumProbe asks whether those who have to sign could, with keys that are valid now.
func quorumProbe(b *bridge, now time.Time) preflight.Probe {
	return preflight.Probe{Name: "roles and quorum", Fix: "add the missing people's keys to the allowed_signers file", Ask: func(context.Context) (string, error) {
		valid := b.ring.ValidAt(now)
		for name, q := range map[string]signers.Quorum{"a plan": b.approval.Quorum, "breaking the glass": b.approval.BreakGlass} {
			if outcome := q.Check(valid); len(q) > 0 && !outcome.Met {
				return "", fmt.Errorf("nobody with a valid key can take the seat %s for %s", outcome.Missing[0], name)
			}
		}
		for _, p := range b.desk.People.Members() {
			if !slices.ContainsFunc(valid, func(i signers.Identity) bool { return i.Person == p.ID }) {
				return "", fmt.Errorf("%s is a member of the committee and has no valid key", p.ID)
			}
		}
		return fmt.Sprintf("%d keys are valid; %s can be met", len(valid), b.approval.Quorum), nil
	}}
}

func keysProbe(b *bridge) preflight.Probe {
	return preflight.Probe{Name: "keys", Fix: "lifeboat keys check", Ask: func(ctx context.Context) (string, error) {
		store, ok := b.dr.(*sealed.Store)
		if !ok {
			return "nothing is encrypted here: no key is needed", nil
		}
		r, err := store.Check(ctx)
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("%d scopes open, root key %s", len(r.Scopes), r.RootID), r.Err()
	}}
}

// codeProbe compares the newest code backup with the branch that it is of.
func (a *app) codeProbe(b *bridge, repository string) preflight.Probe {
	return preflight.Probe{Name: "code", Fix: "lifeboat code backup, in a clone that is up to date", Ask: func(ctx context.Context) (string, error) {
		n, err := codebackup.Latest(ctx, b.dr)
		if err != nil {
			return "", err
		}
		m, err := codebackup.Read(ctx, b.dr, n)
		if err != nil {
			return "", err
		}
		branch := "main"
		if b.stack != nil {
			branch = b.stack.Code.Branch
			if repository == "" {
				repository = "https://github.com/" + b.stack.Code.Repository
			}
		}
		if repository == "" {
			return "", preflight.Unasked("no repository is configured: give --repository")
		}
		ref := "refs/heads/" + branch
		cmd := exec.CommandContext(ctx, "git", "ls-remote", "--exit-code", "--", repository, ref)
		cmd.Env = append(os.Environ(), "GIT_TERMINAL_PROMPT=0")
		out, err := cmd.Output()
		if err != nil {
			return "", preflight.Unasked("git ls-remote %s %s: %w", config.URL(repository).Redacted(), ref, err)
		}
		head, _, _ := strings.Cut(string(out), "\t")
		if m.Refs[ref] != head {
			return "", fmt.Errorf("backup %d has %s at %s, the repository at %s", n, branch, orUnknown(m.Refs[ref]), head)
		}
		return fmt.Sprintf("backup %d is %s at %.12s", n, branch, head), nil
	}}
}

// kitProbe asks whether the newest kit is of this program and of the newest code.
func (a *app) kitProbe(b *bridge) preflight.Probe {
	return preflight.Probe{Name: "operator's kit", Fix: "lifeboat kit build, then lifeboat kit verify", Ask: func(ctx context.Context) (string, error) {
		n, err := kit.Latest(ctx, b.dr)
		if err != nil {
			return "", err
		}
		m, err := kit.Read(ctx, b.dr, n)
		if err != nil {
			return "", err
		}
		if have, want := m.Versions["lifeboat"], programVersion(); have != want {
			return "", fmt.Errorf("kit %d holds lifeboat %s, this is %s", n, have, want)
		}
		if b.stack != nil && (m.Versions["pulumi"] == "" || m.Versions["plugin azure-native"] == "") {
			return "", fmt.Errorf("kit %d holds no Pulumi CLI or no azure-native plugin", n)
		}
		code, err := codebackup.Latest(ctx, b.dr)
		if err != nil && !errors.Is(err, codebackup.ErrNone) {
			return "", err
		}
		if code != m.Code {
			return "", fmt.Errorf("kit %d is of code backup %d, the newest is %d", n, m.Code, code)
		}
		return fmt.Sprintf("kit %d of %s, %d files", n, utc(m.Created), len(m.Files)), nil
	}}
}

func (a *app) toolProbe(pulumi string) preflight.Probe {
	return preflight.Probe{Name: "Pulumi CLI", Fix: "install the Pulumi CLI of the operator's kit: lifeboat kit unpack", Ask: func(ctx context.Context) (string, error) {
		version, err := pulumiVersion(ctx, pulumi)
		if err != nil {
			return "", preflight.Unasked("%s version: %w", pulumi, err)
		}
		return version, nil
	}}
}

// pulumiVersion asks the CLI; it makes no request of its own for that.
func pulumiVersion(ctx context.Context, pulumi string) (string, error) {
	cmd := exec.CommandContext(ctx, pulumi, "version")
	cmd.Env = append(os.Environ(), "PULUMI_SKIP_UPDATE_CHECK=true")
	out, err := cmd.Output()
	return strings.TrimSpace(string(out)), err
}

// backendProbe asks whether the state's backend answers.
func (a *app) backendProbe(b *bridge) preflight.Probe {
	return preflight.Probe{Name: "state backend", Fix: "give this identity Storage Blob Data Contributor on the state's account, or mend failover.backend", Ask: func(ctx context.Context) (string, error) {
		backend := b.config.Failover.Backend
		switch u, err := url.Parse(backend.Reveal()); {
		case err != nil || backend == "":
			if b.stack == nil {
				return "no stack is configured: no state is needed", nil
			}
			return "", errors.New("failover.backend is not set")
		case u.Scheme == "file":
			if _, err := os.Stat(filepath.Join(u.Host, u.Path)); err != nil {
				return "", err
			}
			return backend.Redacted(), nil
		case u.Scheme == "azblob" && u.Query().Get("storage_account") != "":
			region := b.config.Mirror
			region.Store = config.URL("azblob://" + u.Query().Get("storage_account") + "/" + u.Host + u.Path)
			store, err := a.stores(b.config).bare(ctx, region)
			if err != nil {
				return "", err
			}
			for _, err := range store.List(ctx, "", "") {
				if err != nil {
					return "", preflight.Unasked("%s: %w", backend, err)
				}
				break
			}
			return backend.Redacted(), nil
		}
		return "", preflight.Unasked("do not know how to ask %s", backend)
	}}
}

// cloud makes the ports to Azure; nil ports make unknown answers.
func (a *app) cloud(s *settings.Settings) (preflight.Cloud, preflight.Registry) {
	if a.azure != nil {
		return a.azure(s)
	}
	credential, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		a.logger().Warn("not signed in to Azure", "err", err)
		return nil, nil
	}
	images := &registry.Registry{Host: s.NamesOf(s.Regions.Hub).RegistryHost(), Client: http.DefaultClient,
		Token: func(ctx context.Context) (string, error) {
			token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{arm.Endpoint + "/.default"}})
			return token.Token, err
		}}
	cloud, err := arm.New(arm.Config{Subscription: s.Subscription, Credential: credential})
	if err != nil {
		a.logger().Warn("Azure cannot be asked", "err", err)
		return nil, images
	}
	return cloud, images
}

func (a *app) resolver() preflight.Resolver {
	conf, err := os.ReadFile("/etc/resolv.conf")
	if err != nil {
		return nil
	}
	server, err := resolve.System(conf)
	if err != nil {
		return nil
	}
	return server
}
