package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"
	_ "time/tzdata" // the company's time zone has to be known on any machine

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"lifeboat/failover/approval"
	"lifeboat/failover/incident"
	"lifeboat/failover/incident/notify"
	"lifeboat/failover/incident/record"
	"lifeboat/internal/blob"
	"lifeboat/internal/config"
	"lifeboat/internal/signers"
)

const defaultCommittee = "committee.yaml"

// office is what the verbs about people work with.
type office struct {
	file     *config.Committee
	ring     *signers.Ring
	dr       blob.Store
	primary  blob.Store // nil = not reachable from here
	book     *record.Book
	desk     *incident.Desk
	settings incident.Settings
	approval approval.Policy
	since    time.Time
}

// officeFlags are those of every verb that needs the office.
type officeFlags struct {
	app       *app
	committee string
	key       string
	role      string
	noPrimary bool
}

func (a *app) officeFlags(cmd *cobra.Command) *officeFlags {
	o := &officeFlags{app: a}
	a.flagsFor(cmd, thePrimary|theMirror)
	f := cmd.Flags()
	f.StringVar(&o.committee, "committee", defaultCommittee, "file with the people, quorums, terms and channels")
	f.BoolVar(&o.noPrimary, "primary-lost", false, "do not ask the primary's store at all")
	return o
}

// signingFlags are those of verbs that write.
func (a *app) signingFlags(cmd *cobra.Command) *officeFlags {
	o := a.officeFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.key, "key", "", "SSH key to sign with: a private key file, or a .pub whose private half is in ssh-agent (default: the one key in ssh-agent that allowed_signers knows)")
	f.StringVar(&o.role, "role", "", "role to act in (default: the one that may)")
	return o
}

// open makes everything from the two files. Only the mirror's store has to be reachable.
func (o *officeFlags) open(ctx context.Context) (*office, error) {
	file, err := o.app.settings(theMirror)
	if err != nil {
		return nil, err
	}
	text, err := os.ReadFile(o.committee)
	if err != nil {
		return nil, fmt.Errorf("%w: committee file: %w", errUsage, err)
	}
	people, err := config.ParseCommittee(text, o.app.lookup)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.committee, err)
	}
	dir := filepath.Dir(o.committee)
	allowed, err := os.ReadFile(beside(dir, people.AllowedSigners))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	ring, err := signers.ParseRing(allowed)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", errUsage, people.AllowedSigners, err)
	}
	dr, err := o.app.stores(file).patient(ctx, file.Mirror)
	if err != nil {
		return nil, err
	}
	out := &office{file: people, ring: ring, dr: dr}
	return out, o.furnish(ctx, out, file, dir)
}

// openFor opens the office for an incident's verb.
func (o *officeFlags) openFor(ctx context.Context, incidentID string) (*office, incident.ID, error) {
	id, err := incident.ParseID(incidentID)
	if err != nil {
		return nil, "", fmt.Errorf("%w: %w", errUsage, err)
	}
	out, err := o.open(ctx)
	return out, id, err
}

// openAt is openFor for a verb that has to know where the incident stands.
func (o *officeFlags) openAt(ctx context.Context, incidentID string) (*office, incident.State, error) {
	out, id, err := o.openFor(ctx, incidentID)
	if err != nil {
		return nil, incident.State{}, err
	}
	state, _, err := out.book.Incident(ctx, id)
	return out, state, err
}

func (o *officeFlags) furnish(ctx context.Context, out *office, settings *config.File, dir string) error {
	a, people := o.app, out.file
	location, err := time.LoadLocation(people.TimeZone)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	out.settings = incident.Settings{Location: location, InformWithin: people.Terms.InformWithin, Horizon: people.Terms.Horizon}
	since, err := incident.ParseDate(people.Since)
	if err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	out.since = since.Start(location)
	directory := peopleOf(people)
	policy := policyOf(people, directory)
	out.approval = approval.Policy{Quorum: policy.PlanQuorum, BreakGlass: policy.BreakGlass, MaxAge: people.Terms.Approval}
	post, err := a.post(people, dir)
	if err := errors.Join(directory.Validate(), policy.Validate(), out.settings.Validate(), err); err != nil {
		return fmt.Errorf("%w: %s: %w", errUsage, o.committee, err)
	}
	cfg := record.Config{DR: out.dr, Ring: out.ring, Policy: policy, Clock: a.clock, Log: a.logger()}
	if settings.Primary.Store != "" && !o.noPrimary {
		// A primary that cannot be opened is what incidents are about: go on without it.
		if cfg.Primary, err = a.stores(settings).open(ctx, settings.Primary); err != nil {
			cfg.Primary = nil
			a.logger().Warn("primary store not opened; the record is kept in the mirror's alone", "err", err)
		}
	}
	out.primary = cfg.Primary
	if out.book, err = record.New(cfg); err != nil {
		return err
	}
	out.desk = &incident.Desk{Book: out.book, Post: post, Policy: policy, Settings: out.settings, People: directory, Clock: a.clock, Log: a.logger()}
	return nil
}

func beside(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, name)
}

func peopleOf(c *config.Committee) incident.Directory {
	var d incident.Directory
	for _, p := range c.People {
		d = append(d, incident.Person{ID: p.ID, Name: p.Name, Email: p.Email, Phone: p.Phone, Roles: p.Roles, Member: p.Member})
	}
	return d
}

func policyOf(c *config.Committee, d incident.Directory) incident.Policy {
	p := incident.DefaultPolicy(incident.IDs(d.Members())...)
	p.PublicContacts = c.PublicContacts
	for _, q := range []struct {
		to   *signers.Quorum
		from [][]string
	}{{&p.PlanQuorum, c.Quorum.Plan}, {&p.MessageQuorum, c.Quorum.Message}, {&p.BreakGlass, c.Quorum.BreakGlass}} {
		if len(q.from) == 0 {
			continue
		}
		*q.to = nil
		for _, seat := range q.from {
			*q.to = append(*q.to, seat)
		}
	}
	return p
}

// post opens the channels of committee.yaml.
func (a *app) post(c *config.Committee, dir string) (*notify.Post, error) {
	custom := ""
	if c.Templates != "" {
		text, err := os.ReadFile(beside(dir, c.Templates))
		if err != nil {
			return nil, err
		}
		custom = string(text)
	}
	templates, err := notify.NewTemplates(notify.TemplateConfig{Company: c.Company, Link: c.Page.Link, Custom: custom, Contacts: c.PublicContacts})
	if err != nil {
		return nil, err
	}
	committee, err := channels(c.Notify, dir)
	customers, cerr := channels(c.Customers, dir)
	return &notify.Post{Committee: committee, Customers: customers, Templates: templates, Clock: a.clock, Log: a.logger()}, errors.Join(err, cerr)
}

func channels(c config.Channels, dir string) ([]notify.Channel, error) {
	var list []notify.Channel
	var problems []error
	for _, m := range c.Mail {
		ca, err := optional(dir, m.CA)
		mail, merr := notify.NewSMTP(notify.SMTPConfig{Name: m.Name, Host: m.Host, Port: m.Port, Security: notify.Security(m.Security),
			User: m.User, Password: notify.Secret(m.Password.Reveal()), From: m.From, To: m.To, CA: ca, Wait: m.Wait})
		problems = append(problems, err, merr)
		list = append(list, mail)
	}
	for _, h := range c.Webhooks {
		client, err := trusting(dir, h.CA)
		hook, herr := notify.NewWebhook(notify.WebhookConfig{Name: h.Name, Shape: notify.Shape(h.Shape), URL: notify.Secret(h.URL.Reveal()),
			Key: notify.Secret(h.Key.Reveal()), Wait: h.Wait, Client: client})
		problems = append(problems, err, herr)
		list = append(list, hook)
	}
	return list, errors.Join(problems...)
}

func optional(dir, name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	return os.ReadFile(beside(dir, name))
}

// trusting is an HTTP client that believes one CA instead of the system's; nil for none.
func trusting(dir, ca string) (*http.Client, error) {
	pem, err := optional(dir, ca)
	if err != nil || pem == nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", ca)
	}
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, Proxy: http.ProxyFromEnvironment}}, nil
}

// signer finds the key to sign with. The closer ends the conversation with the agent.
func (o *officeFlags) signer(ring *signers.Ring) (*signers.Key, func(), error) {
	none := func() {}
	if o.key != "" && filepath.Ext(o.key) != ".pub" {
		key, err := signers.KeyFile(o.key, nil)
		return key, none, err
	}
	want := func(k ssh.PublicKey) bool {
		_, err := ring.Identify(k, o.app.clock())
		return err == nil
	}
	if o.key != "" {
		public, err := signers.PublicFile(o.key)
		if err != nil {
			return nil, none, err
		}
		want = func(k ssh.PublicKey) bool { return signers.Same(k, public) }
	}
	socket, _ := o.app.lookup("SSH_AUTH_SOCK")
	key, closer, err := signers.AgentKey(socket, want)
	if err != nil {
		return nil, none, err
	}
	return key, func() { _ = closer.Close() }, nil // the signature is made by then
}
