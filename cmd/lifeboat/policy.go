package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"lifeboat/policies"
	"lifeboat/policies/effect"
	"lifeboat/policies/preview"
	"lifeboat/policies/project"
	"lifeboat/policies/report"
	"lifeboat/stacks/stackfile"
)

// Ends of a policy check, by the worst rule that is not met.
var (
	errPolicy        = errors.New("a rule is not met")
	errPolicyWarning = errors.New("a rule is unknown, or one that only warns is not met")
)

func (a *app) policyCommand() *cobra.Command {
	return group("policy", "Judge a change of the stacks by the rules", a.policyCheckCommand(), a.policyFactsCommand(), a.policyEffectCommand(), a.policyListCommand(), a.policyExplainCommand())
}

// policyCheck is what the flags of policy check say.
type policyCheck struct {
	file, stack, dir, pulumi, format, backend string
}

func (a *app) policyCheckCommand() *cobra.Command {
	var c policyCheck
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check a preview, an export, or the stack as it would become",
		Long: `Check the resources of a stack against every rule. The resources come from a file that
'pulumi preview --json --show-sames' or 'pulumi stack export' wrote (--preview, - for standard input), or from
a preview that this command runs itself (--stack).`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.policyCheck(cmd, c) },
	}
	f := cmd.Flags()
	f.StringVar(&c.file, "preview", "", "file with the JSON of a preview or of a stack export; - for standard input")
	f.StringVar(&c.stack, "stack", "", "stack to preview instead")
	f.StringVar(&c.dir, "project", ".", "folder of the Pulumi project")
	f.StringVar(&c.pulumi, "pulumi", "pulumi", "the Pulumi command")
	f.StringVar(&c.format, "format", string(report.Table), "table, json, sarif, junit or github")
	f.StringVar(&c.backend, "backend", "", "where the state is kept (default $PULUMI_BACKEND_URL)")
	return cmd
}

func (a *app) policyCheck(cmd *cobra.Command, c policyCheck) error {
	if (c.file == "") == (c.stack == "") {
		return fmt.Errorf("%w: give either --preview FILE or --stack NAME", errUsage)
	}
	rules := policies.All()
	folder, err := project.Open(c.dir, rules)
	if err != nil {
		return err
	}
	stack, err := a.policyStack(cmd, c)
	if err != nil {
		return err
	}
	if err := folder.Complete(stack); err != nil {
		return err
	}
	if stack.Backend = c.backend; stack.Backend == "" {
		stack.Backend, _ = a.lookup("PULUMI_BACKEND_URL")
	}
	stack.Now = a.clock().UTC()
	results := policies.Evaluate(rules, stack, folder.Waivers)
	format := report.Format(c.format)
	if a.json {
		format = report.JSON
	}
	if err := report.Write(a.stdout, format, results); err != nil {
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	return policyVerdict(results)
}

func (a *app) policyStack(cmd *cobra.Command, c policyCheck) (*policies.Stack, error) {
	if c.stack != "" {
		return preview.Run(cmd.Context(), c.pulumi, c.dir, c.stack)
	}
	in := a.stdin
	if c.file != "-" {
		file, err := os.Open(c.file)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errUsage, err)
		}
		defer file.Close() //nolint:errcheck // only read
		in = file
	}
	s, err := preview.Read(in)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.file, err)
	}
	return s, nil
}

func policyVerdict(results []policies.Result) error {
	switch severity, outcome := policies.Worst(results); {
	case outcome == policies.Pass:
		return nil
	case severity == policies.Error && outcome == policies.Fail:
		return errPolicy
	default:
		return errPolicyWarning
	}
}

func (a *app) policyEffectCommand() *cobra.Command {
	var base, dir string
	cmd := &cobra.Command{
		Use:   "effect",
		Short: "Say what a change of the settings does to RPO, RTO and cost, as Markdown",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			before, err := stackfile.Read(filepath.Join(base, "Pulumi.primary.yaml"))
			if err != nil {
				return err
			}
			now, err := stackfile.Read(filepath.Join(dir, "Pulumi.primary.yaml"))
			if err != nil {
				return err
			}
			rows, err := effect.Of(before, now)
			if err != nil {
				return err
			}
			return effect.Markdown(a.stdout, rows)
		},
	}
	cmd.Flags().StringVar(&base, "base", "", "folder of the Pulumi project before the change")
	cmd.Flags().StringVar(&dir, "project", ".", "folder of the Pulumi project with the change")
	_ = cmd.MarkFlagRequired("base") // fails only for a flag that does not exist
	return cmd
}

// ruleList is what policy list prints with --json.
type ruleList struct {
	Version int       `json:"version"`
	Rules   []ruleRow `json:"rules"`
}

// ruleRow is one rule as policy list prints it with --json.
type ruleRow struct {
	ID       string   `json:"id"`
	Title    string   `json:"title"`
	Severity string   `json:"severity"`
	Stacks   []string `json:"stacks"`
	Serves   []string `json:"serves"`
}

func (a *app) policyListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the rules",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			var rows []ruleRow
			for _, r := range policies.All() {
				row := ruleRow{ID: r.ID, Title: r.Title, Severity: r.Severity.String(), Serves: r.Clauses}
				for _, role := range r.Roles {
					row.Stacks = append(row.Stacks, string(role))
				}
				rows = append(rows, row)
			}
			result := ruleList{1, rows}
			return a.report(result, func(w io.Writer) {
				for _, r := range rows {
					line(w, "%s\t%s\t%s", r.ID, r.Severity, r.Title)
				}
			})
		},
	}
}

func (a *app) policyExplainCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "explain ID",
		Short: "Say what a rule wants, why, and how to meet it",
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("%w: %s takes the id of one rule; 'lifeboat policy list' shows them", errUsage, cmd.CommandPath())
			}
			r, ok := policies.Find(args[0])
			if !ok {
				return fmt.Errorf("%w: there is no rule %q; 'lifeboat policy list' shows them", errUsage, args[0])
			}
			return report.Explain(a.stdout, r)
		},
	}
}
