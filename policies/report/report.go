package report

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"lifeboat/policies"
)

// Format names a way of printing.
type Format string

// The formats.
const (
	Table  Format = "table"
	JSON   Format = "json"
	SARIF  Format = "sarif"
	JUnit  Format = "junit"
	GitHub Format = "github"
)

// formats maps each to its printer; never written to.
var formats = map[Format]func(io.Writer, []policies.Result) error{
	Table: table, JSON: asJSON, SARIF: sarif, JUnit: junit, GitHub: github,
}

// Write prints the results in a format.
func Write(w io.Writer, format Format, results []policies.Result) error {
	write, ok := formats[format]
	if !ok {
		return fmt.Errorf("unknown report format %q: use table, json, sarif, junit or github", format)
	}
	return write(w, results)
}

func table(w io.Writer, results []policies.Result) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	counts := map[policies.Outcome]int{}
	waived := 0
	for _, r := range results {
		counts[r.Outcome()]++
		for _, f := range r.Findings {
			fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", r.Stack, f.Outcome, r.Rule.Severity, r.Rule.ID, where(f)+f.Message)
		}
		for _, x := range r.Waived {
			waived++
			fmt.Fprintf(tw, "%s\twaived\t%s\t%s\t%s%s (%s until %s: %s)\n", r.Stack, r.Rule.Severity, r.Rule.ID,
				where(x.Finding), x.Message, x.Waiver.Who, x.Waiver.Expires.UTC().Format(time.DateOnly), x.Waiver.Reason)
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%d rules: %d pass, %d unknown, %d fail; %d findings waived\n",
		len(results), counts[policies.Pass], counts[policies.Unknown], counts[policies.Fail], waived)
	return err
}

// where is the resource's name, which a person knows it by.
func where(f policies.Finding) string {
	if f.Resource == "" {
		return ""
	}
	return f.Resource[strings.LastIndex(f.Resource, "::")+2:] + ": "
}

// Verdict is the JSON form.
type Verdict struct {
	Version int           `json:"version"` // 1
	Rules   []RuleVerdict `json:"rules"`
}

// RuleVerdict is one rule's verdict on one stack.
type RuleVerdict struct {
	Rule     string           `json:"rule"`
	Stack    string           `json:"stack"`
	Severity string           `json:"severity"`
	Outcome  string           `json:"outcome"`
	Findings []FindingVerdict `json:"findings"`
}

// FindingVerdict is one finding; Waiver is set when somebody answers for it.
type FindingVerdict struct {
	Outcome  string           `json:"outcome"`
	Resource string           `json:"resource"`
	Message  string           `json:"message"`
	Waiver   *policies.Waiver `json:"waiver,omitempty"`
}

func asJSON(w io.Writer, results []policies.Result) error {
	v := Verdict{Version: 1, Rules: []RuleVerdict{}}
	for _, r := range results {
		rv := RuleVerdict{Rule: r.Rule.ID, Stack: r.Stack, Severity: r.Rule.Severity.String(), Outcome: r.Outcome().String(), Findings: []FindingVerdict{}}
		for _, f := range r.Findings {
			rv.Findings = append(rv.Findings, FindingVerdict{f.Outcome.String(), f.Resource, f.Message, nil})
		}
		for _, x := range r.Waived {
			rv.Findings = append(rv.Findings, FindingVerdict{"waived", x.Resource, x.Message, &x.Waiver})
		}
		v.Rules = append(v.Rules, rv)
	}
	return indent(w, v)
}

func indent(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// github prints workflow commands: GitHub shows each as an annotation.
// https://docs.github.com/actions/reference/workflow-commands-for-github-actions
func github(w io.Writer, results []policies.Result) error {
	for _, r := range results {
		for _, f := range r.Findings {
			level := "warning"
			if r.Rule.Severity == policies.Error && f.Outcome == policies.Fail {
				level = "error"
			}
			_, err := fmt.Fprintf(w, "::%s title=%s::%s\n", level, property(r.Rule.ID+" ("+r.Stack+")"), message(where(f)+f.Message+". "+r.Rule.Fix))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

var (
	escapeMessage  = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	escapeProperty = strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
)

func message(s string) string  { return escapeMessage.Replace(s) }
func property(s string) string { return escapeProperty.Replace(s) }
