package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/failover/incident"
	"lifeboat/internal/signers"
	"lifeboat/policies"
	"lifeboat/policies/project"
)

func (a *app) policyFactsCommand() *cobra.Command {
	var out, quota string
	cmd := &cobra.Command{
		Use:   "facts",
		Short: "Write what the rules about people judge: roles, quorum, last drill and meeting, overdue actions",
		Long: `Write the facts that the rules about people and habits look at, from committee.yaml and from the signed
record in the mirror's store. People stand in it by their ids alone. A record that does not verify gives
no facts: the rules then stay unknown, and say so.

'lifeboat policy check' reads them from ` + project.FactsFile + ` in the folder of the Pulumi project.`,
		Example: "  lifeboat policy facts --out " + project.FactsFile,
		Args:    noArgs,
	}
	o := a.officeFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		of, err := o.open(cmd.Context())
		if err != nil {
			return err
		}
		file, err := a.settings(theMirror)
		if err != nil {
			return err
		}
		r, damage, err := of.record(cmd.Context())
		if err != nil {
			return err
		}
		if len(damage) > 0 {
			return fmt.Errorf("%w: %w in the record, first: %s", errRefused, errDamage, damage[0])
		}
		facts := factsOf(of, r, a.clock())
		facts.Recipients = append(slices.Clone(file.Encryption.AgeRecipients), file.Encryption.VaultKeys...)
		if err := fromJSON(quota, &facts.Quota); err != nil {
			return err
		}
		return a.writeFacts(out, facts)
	}
	cmd.Flags().StringVar(&out, "out", "", "file to write (default: standard output)")
	cmd.Flags().StringVar(&quota, "quota", "", "JSON file with what the DR region still grants: {region, sql_vcores, node_vcores}")
	return cmd
}

// factsWritten is what policy facts prints with --json when it has written a file.
type factsWritten struct {
	Version int    `json:"version"`
	File    string `json:"file"`
	*policies.Facts
}

func (a *app) writeFacts(out string, facts *policies.Facts) error {
	body, err := json.MarshalIndent(facts, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the facts: %w", err)
	}
	body = append(body, '\n')
	if out == "" {
		_, err := a.stdout.Write(body)
		return err
	}
	if err := os.WriteFile(out, body, 0o600); err != nil {
		return err
	}
	return a.report(factsWritten{1, out, facts}, func(w io.Writer) {
		line(w, "written\t%s", out)
		line(w, "people\t%d", len(facts.People))
		line(w, "last drill\t%s", utc(facts.LastDrill))
		line(w, "last meeting\t%s", utc(facts.LastMeeting))
		line(w, "overdue actions\t%d", len(facts.OverdueActions))
	})
}

// factsOf is what the company's files and its record say at a time. Only a drill that
// passed is one.
func factsOf(of *office, r incident.Record, now time.Time) *policies.Facts {
	f := &policies.Facts{Version: 1, People: []policies.Person{}, Quorum: needsOf(of.desk.Policy.PlanQuorum), OverdueActions: []string{}}
	for _, p := range of.desk.People {
		f.People = append(f.People, policies.Person{Name: p.ID, Roles: ruleRoles(p.Roles)})
	}
	for _, d := range r.Register.Drills {
		if d.Passed && d.At.After(f.LastDrill) {
			f.LastDrill = d.At.UTC()
		}
	}
	for _, m := range r.Register.Meetings {
		if m.After(f.LastMeeting) {
			f.LastMeeting = m.UTC()
		}
	}
	for _, c := range of.desk.Policy.RecordClocks(r, of.settings, now) {
		if strings.HasPrefix(c.What, "action ") && c.Status == incident.Overdue {
			f.OverdueActions = append(f.OverdueActions, c.Of+" "+c.What)
		}
	}
	return f
}

func needsOf(q signers.Quorum) (needs []policies.Need) {
	for _, seat := range q {
		needs = append(needs, policies.Need{AnyOf: ruleRoles(seat)})
	}
	return needs
}

// ruleRoles spells roles as the rules do: the four offices in capitals.
func ruleRoles(roles []string) []string {
	spelled := make([]string, len(roles))
	for i, r := range roles {
		if spelled[i] = r; slices.Contains([]string{incident.CEO, incident.DPO, incident.CTO, incident.LD}, r) {
			spelled[i] = strings.ToUpper(r)
		}
	}
	return spelled
}
