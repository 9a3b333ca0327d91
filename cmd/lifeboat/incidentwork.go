package main

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/failover/approval"
	"lifeboat/failover/incident"
	"lifeboat/internal/signers"
)

func (a *app) incidentAssessCommand() *cobra.Command {
	var as incident.Assessment
	var breach, began string
	cmd := &cobra.Command{
		Use:   "assess ID",
		Short: "Record extent and cause, and whether personal data was breached (CTO or LD)",
		Args:  incidentArg,
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		at, err := parseTime(began)
		if err != nil {
			return err
		}
		if !at.IsZero() {
			as.OutageBegan = &at
		}
		as.Breach = incident.Breach(breach)
		return e.do(cmd, args[0], incident.Entry{Kind: incident.Assessed, Assessment: &as})
	}
	f := cmd.Flags()
	f.StringVar(&as.Extent, "extent", "", "what is affected")
	f.StringVar(&as.Cause, "cause", "", "why, as far as is known ('unknown' is an answer)")
	f.StringVar(&breach, "breach", string(incident.BreachUnknown), "breach of personal data: yes, no or unknown")
	f.StringVar(&began, "outage-began", "", "correct when the service failed, RFC 3339")
	f.BoolVar(&as.NoOutage, "no-outage", false, "there was no outage after all")
	required(cmd, "extent", "cause")
	return cmd
}

func (a *app) incidentPlanCommand() *cobra.Command {
	var p incident.Plan
	var file string
	var rto, lost time.Duration
	cmd := &cobra.Command{
		Use:   "plan ID",
		Short: "Propose the recovery plan, or a change of it, to the committee (CTO or LD)",
		Long: `Propose the plan in a file: the one that 'lifeboat failover plan' wrote, or any other. The file is
kept with the entry and known by its SHA-256, which the committee signs. A second plan is a change of
plan: earlier approvals do not count for it.`,
		Args: incidentArg,
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		body, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		e.attach = append(e.attach, file)
		p.Digest, p.RTOSeconds, p.LostSeconds = incident.Digest(body), int64(rto.Seconds()), int64(lost.Seconds())
		return e.do(cmd, args[0], incident.Entry{Kind: incident.Planned, Plan: &p})
	}
	f := cmd.Flags()
	f.StringVar(&file, "file", "", "the plan")
	f.Int64Var(&p.LostCommits, "lost-commits", 0, "transactions that will be lost")
	f.DurationVar(&lost, "lost", 0, "time of which transactions will be lost")
	f.DurationVar(&rto, "rto", 0, "predicted time until the service is back")
	required(cmd, "file")
	return cmd
}

func (a *app) incidentApproveCommand() *cobra.Command {
	var message, withdraw, glass string
	cmd := &cobra.Command{
		Use:   "approve ID",
		Short: "Sign the current plan, or with --message a draft to customers",
		Long: `Sign your decision. Without --message it is about the current plan: the signature is also kept
where 'lifeboat failover run' looks for approvals. Who has to agree is in committee.yaml.

--withdraw REASON takes an approval back. --break-glass REASON agrees to recover without the full
quorum: it takes two people, and the DPO gets a case to look into.`,
		Example: `  lifeboat incident approve SI-2026-0001
  lifeboat incident approve SI-2026-0001 --message latest
  lifeboat incident approve SI-2026-0001 --break-glass "CEO and deputy cannot be reached"`,
		Args: incidentArg,
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		v := &incident.Vote{On: incident.OnPlan, Decision: incident.Approve}
		switch {
		case withdraw != "" && glass != "":
			return fmt.Errorf("%w: --withdraw and --break-glass exclude each other", errUsage)
		case withdraw != "":
			v.Decision, e.text = incident.Withdraw, withdraw
		case glass != "":
			v.Decision, e.text = incident.BreakGlass, glass
		}
		return e.vote(cmd, args[0], message, v)
	}
	f := cmd.Flags()
	f.StringVar(&message, "message", "", "decide on the customer message of this digest instead; 'latest' for the newest")
	f.StringVar(&withdraw, "withdraw", "", "take an earlier approval back, with the reason")
	f.StringVar(&glass, "break-glass", "", "go on without the quorum, with the reason")
	return cmd
}

// vote looks up what is voted on, keeps the approval for failover run, and adds the entry.
func (e *entryFlags) vote(cmd *cobra.Command, arg, message string, v *incident.Vote) error {
	o, state, err := e.openAt(cmd.Context(), arg)
	if err != nil {
		return err
	}
	v.Digest = state.Plan.Digest
	if message != "" {
		if v.Digest, err = letter(state, message); err != nil {
			return err
		}
		v.On = incident.OnMessage
	}
	if err := e.do(cmd, arg, incident.Entry{Kind: incident.Voted, Vote: v}); err != nil {
		return err
	}
	if v.On == incident.OnMessage || v.Digest == "" {
		return nil
	}
	key, done, err := e.signer(o.ring)
	if err != nil {
		return err
	}
	defer done()
	return e.keepApproval(cmd, o, key, v)
}

// keepApproval signs the same decision for the run of the plan itself.
func (e *entryFlags) keepApproval(cmd *cobra.Command, o *office, key *signers.Key, v *incident.Vote) error {
	now := e.app.clock().UTC()
	who, err := o.ring.Identify(key.Public(), now)
	if err != nil {
		return err
	}
	doc, err := approval.Sign(key, approval.Statement{Kind: "failover-plan", Subject: v.Digest, Decision: approval.Decision(v.Decision),
		By: who.Person, Reason: e.text, At: now, Expires: now.Add(o.approval.MaxAge)})
	if err != nil {
		return err
	}
	return approval.Keep(cmd.Context(), o.dr, doc)
}

func (a *app) incidentRecoverCommand() *cobra.Command {
	var r incident.Recovery
	var finished bool
	var lost time.Duration
	var report string
	cmd := &cobra.Command{
		Use:   "recover ID",
		Short: "Record that recovery starts (needs an approved plan), or with --done that the service is back",
		Args:  incidentArg,
	}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		_, state, err := e.openAt(cmd.Context(), args[0])
		if err != nil {
			return err
		}
		r.Plan = state.Plan.Digest
		entry := incident.Entry{Kind: incident.RecoveryStarted, Recovery: &r}
		if finished {
			entry.Kind, r.LostSeconds = incident.Recovered, int64(lost.Seconds())
		}
		if report != "" {
			body, err := os.ReadFile(report)
			if err != nil {
				return fmt.Errorf("%w: %w", errUsage, err)
			}
			r.Report = incident.Digest(body)
			e.attach = append(e.attach, filepath.Clean(report))
		}
		return e.do(cmd, args[0], entry)
	}
	f := cmd.Flags()
	f.BoolVar(&finished, "done", false, "the service is back (at --at)")
	f.Int64Var(&r.LostCommits, "lost-commits", 0, "transactions that were lost")
	f.DurationVar(&lost, "lost", 0, "time of which transactions were lost")
	f.StringVar(&report, "report", "", "the report of the failover, kept with the entry")
	return cmd
}

func (a *app) incidentOutageCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "outage ID", Short: "Record that the service failed again (at --at)", Args: incidentArg}
	e := a.entryFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		return e.do(cmd, args[0], incident.Entry{Kind: incident.OutageBegan})
	}
	return cmd
}
