package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/failover"
	"lifeboat/failover/approval"
	"lifeboat/failover/incident"
)

// approveOptions are the flags of failover approve.
type approveOptions struct {
	withdraw, glass           string
	print                     bool
	by, statement, importFile string
	incident                  string
}

func (a *app) failoverApproveCommand() *cobra.Command {
	var o approveOptions
	cmd := &cobra.Command{
		Use:   "approve PLAN",
		Short: "Sign a plan's hash with your SSH key",
		Long: `Sign a plan, by its id or in a file, and keep the signature in the mirror's store. The key is a
file (--key), or the one in ssh-agent that the allowed_signers file knows. Read the plan first:
'lifeboat failover show PLAN'.

Without lifeboat's help: --print --by YOU prints the exact text to sign; sign it with
'ssh-keygen -Y sign -n lifeboat-approval', and hand text and signature in with --statement and --import.

--break-glass REASON agrees to go on without the quorum: it takes two people, and the DPO gets a case.`,
		Example: `  lifeboat failover approve f2603011030 --key ~/.ssh/id_ed25519
  lifeboat failover approve f2603011030 --print --by ada@example.org > statement
  ssh-keygen -Y sign -n lifeboat-approval -f ~/.ssh/id_ed25519 statement
  lifeboat failover approve f2603011030 --statement statement --import statement.sig`,
		Args: planArg(1),
	}
	b := a.bridgeFlags(cmd, true)
	f := cmd.Flags()
	f.StringVar(&o.withdraw, "withdraw", "", "take an earlier approval back, with the reason")
	f.StringVar(&o.glass, "break-glass", "", "go on without the quorum, with the reason")
	f.BoolVar(&o.print, "print", false, "print the text to sign, and do nothing")
	f.StringVar(&o.by, "by", "", "who will sign what --print prints, as in allowed_signers")
	f.StringVar(&o.statement, "statement", "", "file with the text that was signed elsewhere")
	f.StringVar(&o.importFile, "import", "", "file with its signature, from ssh-keygen -Y sign")
	f.StringVar(&o.incident, "incident", "", "incident that a broken glass is entered in (default: the one with an outage)")
	cmd.MarkFlagsMutuallyExclusive("withdraw", "break-glass")
	cmd.MarkFlagsMutuallyExclusive("print", "import")
	cmd.MarkFlagsRequiredTogether("statement", "import")
	cmd.MarkFlagsRequiredTogether("print", "by")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.failoverApprove(cmd.Context(), b, o, args[0]) }
	return cmd
}

func (a *app) failoverApprove(ctx context.Context, b *bridgeFlags, o approveOptions, arg string) error {
	br, err := b.open(ctx)
	if err != nil {
		return err
	}
	p, err := br.plan(ctx, arg)
	if err != nil {
		return err
	}
	if err := genuine(ctx, br, p); err != nil {
		return err
	}
	s, err := a.statement(br, o, p)
	if err != nil {
		return err
	}
	var doc []byte
	switch {
	case o.print:
		s.By = o.by
		text, err := s.Text()
		if err == nil {
			_, err = a.stdout.Write(text)
		}
		return err
	case o.importFile != "":
		doc, err = imported(o)
	default:
		doc, err = a.signed(b, br, s)
	}
	if err != nil {
		return err
	}
	if err := acceptable(br, s, doc, a.clock()); err != nil {
		return err
	}
	if err := approval.Keep(ctx, br.dr, doc); err != nil {
		return err
	}
	if o.glass != "" {
		a.openCase(ctx, b, br, p, o)
	}
	return a.afterApproval(ctx, br, p)
}

// genuine refuses to have anything signed but the plan that is kept under its id.
func genuine(ctx context.Context, b *bridge, p *failover.Plan) error {
	kept, err := failover.Kept(ctx, b.dr, p.ID)
	if err != nil {
		return err
	}
	changes, err := failover.Compare(kept, p)
	if err != nil {
		return err
	}
	if len(changes) > 0 {
		return fmt.Errorf("%w: %s; sign the plan by its id %s instead", failover.ErrTampered, changes[0], p.ID)
	}
	return nil
}

func (a *app) statement(b *bridge, o approveOptions, p *failover.Plan) (approval.Statement, error) {
	hash, err := p.Hash()
	if err != nil {
		return approval.Statement{}, err
	}
	now := a.clock().UTC()
	s := approval.Statement{Kind: failover.SubjectKind, Subject: hash, Decision: approval.Approve, At: now, Expires: p.Expires}
	if end := now.Add(b.approval.MaxAge); b.approval.MaxAge > 0 && end.Before(s.Expires) {
		s.Expires = end
	}
	switch {
	case o.withdraw != "":
		s.Decision, s.Reason = approval.Withdraw, o.withdraw
	case o.glass != "":
		s.Decision, s.Reason = approval.BreakGlass, o.glass
	}
	if !s.Expires.After(now) {
		return s, fmt.Errorf("%w at %s: plan again", failover.ErrExpired, utc(p.Expires))
	}
	return s, nil
}

func (a *app) signed(b *bridgeFlags, br *bridge, s approval.Statement) ([]byte, error) {
	key, done, err := b.signer(br.ring)
	if err != nil {
		return nil, err
	}
	defer done()
	who, err := br.ring.Identify(key.Public(), a.clock())
	if err != nil {
		return nil, err
	}
	s.By = who.Person
	return approval.Sign(key, s)
}

func imported(o approveOptions) ([]byte, error) {
	text, terr := os.ReadFile(o.statement)
	sig, serr := os.ReadFile(o.importFile)
	if err := errors.Join(terr, serr); err != nil {
		return nil, fmt.Errorf("%w: %w", errUsage, err)
	}
	return approval.Import(text, sig)
}

// acceptable refuses a document that would not count, before it is kept.
func acceptable(b *bridge, s approval.Statement, doc []byte, now time.Time) error {
	v := approval.Judge(b.ring, b.approval, approval.Question{Kind: s.Kind, Subject: s.Subject, At: now.UTC()}, [][]byte{doc})
	if len(v.Refused) > 0 {
		return &approval.NotApproved{Verdict: v}
	}
	return nil
}

// afterApproval says what the signatures come to now. It asks for nothing but them: whether
// the plan is still true is for show and run.
func (a *app) afterApproval(ctx context.Context, b *bridge, p *failover.Plan) error {
	hash, err := p.Hash()
	if err != nil {
		return err
	}
	docs, err := approval.Kept(ctx, b.dr, hash)
	if err != nil {
		return err
	}
	v := approval.Judge(b.ring, b.approval, approval.Question{Kind: failover.SubjectKind, Subject: hash, At: a.clock().UTC()}, docs)
	r := approved{1, p.ID, hash, v}
	return a.report(r, func(w io.Writer) {
		line(w, "plan\t%s\t%s", p.ID, hash)
		printVerdict(w, v)
	})
}

// approved is what failover approve prints with --json.
type approved struct {
	Version int              `json:"version"`
	ID      string           `json:"id"`
	Hash    string           `json:"hash"`
	Verdict approval.Verdict `json:"approvals"`
}

func printVerdict(w io.Writer, v approval.Verdict) {
	for _, vote := range v.Votes {
		line(w, "%s\t%s\tuntil %s", vote.Statement.Decision, vote.Who.Person, utc(vote.Statement.Expires))
	}
	for _, r := range v.Refused {
		line(w, "not counted\t%s\t%s", r.By, r.Reason)
	}
	switch {
	case v.Approved:
		line(w, "approved\tyes")
	case v.BrokenGlass:
		line(w, "approved\tno: glass broken\tthe DPO has a case")
	default:
		for _, seat := range v.Missing {
			line(w, "still needed\t%s", seat)
		}
	}
}

// openCase enters a broken glass in the incident record, where the DPO finds it as a case.
// Whatever goes wrong with that is said and holds nothing up.
func (a *app) openCase(ctx context.Context, b *bridgeFlags, br *bridge, p *failover.Plan, o approveOptions) {
	if err := a.tryCase(ctx, b, br, p, o); err != nil {
		a.logger().Warn("the broken glass could not be entered in the incident record; recovery goes on: tell the DPO, and enter it "+
			"with 'lifeboat incident note' when you can", "plan", p.ID, "err", err)
	}
}

func (a *app) tryCase(ctx context.Context, b *bridgeFlags, br *bridge, p *failover.Plan, o approveOptions) error {
	id, err := outageOf(ctx, br, o.incident)
	if err != nil {
		return err
	}
	key, done, err := b.signer(br.ring)
	if err != nil {
		return err
	}
	defer done()
	hash, err := p.Hash()
	if err != nil {
		return err
	}
	vote := incident.Entry{Kind: incident.Voted, Text: o.glass, Vote: &incident.Vote{On: incident.OnPlan, Digest: hash, Decision: incident.BreakGlass}}
	_, err = br.desk.Do(ctx, id, incident.Draft{Key: key, Role: b.role, Entry: vote})
	if !errors.Is(err, incident.ErrOrder) {
		return err
	}
	// The plan is not the incident's own: a note says the same.
	note := incident.Entry{Kind: incident.Updated, Text: fmt.Sprintf("Glass broken for plan %s (SHA-256 %s): %s", p.ID, hash, o.glass)}
	_, err = br.desk.Do(ctx, id, incident.Draft{Key: key, Entry: note})
	return err
}

// outageOf finds the incident whose outage lasts.
func outageOf(ctx context.Context, b *bridge, name string) (incident.ID, error) {
	if name != "" {
		return incident.ParseID(name)
	}
	r, _, err := b.record(ctx)
	if err != nil {
		return "", err
	}
	for _, s := range r.Incidents {
		if s.InOutage() {
			return s.ID, nil
		}
	}
	return "", fmt.Errorf("%w with an outage is on record", incident.ErrNoIncident)
}
