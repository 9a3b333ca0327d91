package report

import (
	"fmt"
	"io"
	"strings"

	"lifeboat/policies"
)

// policyRows are the rows of the company's policy that a clause "policy N" means, in short.
var policyRows = []string{
	"no committed database activity may be lost; protecting it comes before being up",
	"an outage lasts at most 8 h; 99.95 % of a year",
	"a relational database, and an event log that restores it up to and including a point in time",
	"incremental snapshots at least every 24 h",
	"a passive mirror of the log and the latest snapshot in another, remote data centre",
	"everything in containers, their structure made automatically from code",
	"code and automation backed up in GitHub and in Azure",
	"CEO, DPO, CTO, Lead Developer and a Risk Committee that meets monthly",
	"an incident is reported, and the whole committee informed at once",
	"a plan of recovery that the committee approves",
	"an investigation and remedial actions within 7 days",
	"every process documented, and tested at least once a year",
}

// Markdown writes docs/policies.md: every rule, from the rules themselves.
func Markdown(w io.Writer, rules []policies.Rule) error {
	var b strings.Builder
	b.WriteString(`# Policies

<!-- Made from the rules by: go test ./policies/report -update. Do not edit. -->

These rules guard every change of the stacks. They run in each pull request, in
` + "`pulumi preview`" + ` and ` + "`pulumi up`" + ` through the policy pack, and by hand:

` + "```" + `
pulumi preview -s primary --json --show-sames > primary.json
lifeboat policy check --preview primary.json
lifeboat policy explain store-immutable
` + "```" + `

A rule ends as *pass*, *fail* or *unknown*: a value that a preview cannot know yet is never taken
for a pass. A waiver in policies/waivers.json names the rule, the resource, a reason, a person and
a day; after that day the rule fails again, and until then every report shows it.

The rules about people and habits judge policies/facts.json, which
` + "`lifeboat policy facts`" + ` writes from the company's files and its signed record. Without it they are
unknown.

"policy N" is row N of the company's disaster-recovery policy:

| Row | The policy asks for |
|---|---|
`)
	for i, row := range policyRows {
		fmt.Fprintf(&b, "| %d | %s |\n", i+1, row)
	}
	b.WriteString(`
| Rule | Stacks | Severity | What must hold |
|---|---|---|---|
`)
	for _, r := range rules {
		fmt.Fprintf(&b, "| [%s](#%s) | %s | %s | %s |\n", r.ID, r.ID, roles(r), r.Severity, r.Title)
	}
	for _, r := range rules {
		fmt.Fprintf(&b, "\n## %s\n\n%s.\n\n", r.ID, r.Title)
		explain(&b, r, "- **%s**: %s\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Explain writes one rule for a person at a terminal.
func Explain(w io.Writer, r policies.Rule) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s.\n\n", r.ID, r.Title)
	explain(&b, r, "%-9s %s\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func explain(b *strings.Builder, r policies.Rule, format string) {
	for _, row := range [][2]string{
		{"why", r.Why},
		{"fix", r.Fix},
		{"severity", r.Severity.String()},
		{"stacks", roles(r)},
		{"serves", strings.Join(r.Clauses, ", ")},
		{"passes", "`" + r.Pass + "`"},
		{"fails", "`" + r.Fail + "`"},
	} {
		fmt.Fprintf(b, format, row[0], row[1])
	}
}

func roles(r policies.Rule) string {
	names := make([]string, len(r.Roles))
	for i, role := range r.Roles {
		names[i] = string(role)
	}
	return strings.Join(names, ", ")
}
