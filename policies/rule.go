package policies

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Severity says what a failing rule does to a pull request.
type Severity int

// The severities. A Warning is shown; an Error stops the change.
const (
	Warning Severity = iota + 1
	Error
)

func (s Severity) String() string {
	switch s {
	case Warning:
		return "warning"
	case Error:
		return "error"
	default:
		return fmt.Sprintf("severity(%d)", int(s))
	}
}

// Role is what a stack is for.
type Role string

// The roles, as the stacks name them.
const (
	Primary  Role = "primary"
	DR       Role = "dr"
	Failover Role = "failover"
)

// Rule is one thing that must hold.
type Rule struct {
	ID       string // kebab-case, never reused
	Title    string // what must hold, one line
	Why      string // what happens otherwise
	Fix      string // what to change
	Severity Severity
	Clauses  []string // of the company's policy (DESIGN's rows as "policy 4") or of a standard
	Roles    []Role   // the stacks it is about
	Pass     string   // an example that passes
	Fail     string   // an example that fails
	// Check returns what is wrong; nothing means that the rule holds.
	Check func(*Stack) []Finding
}

// About reports whether the rule says anything about stacks of this role.
func (r Rule) About(role Role) bool { return slices.Contains(r.Roles, role) }

// Outcome is what a rule found.
type Outcome int

// The outcomes. Unknown: the preview does not know the value yet.
const (
	Pass Outcome = iota
	Unknown
	Fail
)

func (o Outcome) String() string {
	switch o {
	case Pass:
		return "pass"
	case Unknown:
		return "unknown"
	case Fail:
		return "fail"
	default:
		return fmt.Sprintf("outcome(%d)", int(o))
	}
}

// Finding is one thing that is wrong, or cannot be known.
type Finding struct {
	Outcome  Outcome // Unknown or Fail
	Resource string  // URN; empty when something is missing from the stack
	Message  string
}

// Result is the verdict on one rule for one stack.
type Result struct {
	Rule     Rule
	Stack    string
	Findings []Finding // open ones
	Waived   []Waived  // those a waiver covers
}

// Outcome is the worst of the open findings.
func (r Result) Outcome() Outcome {
	worst := Pass
	for _, f := range r.Findings {
		worst = max(worst, f.Outcome)
	}
	return worst
}

// Waived is a finding that somebody took responsibility for.
type Waived struct {
	Finding
	Waiver Waiver
}

// Evaluate runs every rule that is about the stack's role, in order of the rules.
func Evaluate(rules []Rule, stack *Stack, waivers []Waiver) []Result {
	var results []Result
	for _, rule := range rules {
		if !rule.About(stack.Role) {
			continue
		}
		result := Result{Rule: rule, Stack: stack.Name}
		for _, f := range rule.Check(stack) {
			if w, ok := covering(waivers, rule.ID, f.Resource, stack); ok {
				result.Waived = append(result.Waived, Waived{f, w})
			} else {
				result.Findings = append(result.Findings, f)
			}
		}
		results = append(results, result)
	}
	return results
}

// Worst returns the most severe rule's severity that is not met, and the worst outcome
// among its peers; zero and Pass when everything holds. A failing rule that only warns does not hide
// an unknown one that would stop the change: the severity is counted first.
func Worst(results []Result) (Severity, Outcome) {
	var severity Severity
	outcome := Pass
	for _, r := range results {
		o := r.Outcome()
		if o == Pass {
			continue
		}
		if r.Rule.Severity > severity || r.Rule.Severity == severity && o > outcome {
			severity, outcome = r.Rule.Severity, o
		}
	}
	return severity, outcome
}

// Find returns the rule of that id.
func Find(id string) (Rule, bool) {
	i := slices.IndexFunc(All(), func(r Rule) bool { return r.ID == id })
	if i < 0 {
		return Rule{}, false
	}
	return All()[i], true
}

// All returns every rule, by topic.
func All() []Rule {
	return slices.Concat(
		regionRules(), mirrorRules(), capacityRules(), storeRules(), databaseRules(), clusterRules(), workloadRules(),
		keyRules(), networkRules(), edgeRules(), alertRules(), stackRules(), peopleRules(), changeRules(),
	)
}

func fail(r *Resource, format string, args ...any) []Finding {
	return []Finding{{Outcome: Fail, Resource: urnOf(r), Message: fmt.Sprintf(format, args...)}}
}

func unknown(r *Resource, path string) []Finding {
	return []Finding{{Outcome: Unknown, Resource: urnOf(r), Message: path + " is not known before the update"}}
}

func urnOf(r *Resource) string {
	if r == nil {
		return ""
	}
	return r.URN
}

// Waiver takes responsibility for one rule not being met by one resource, until a day.
type Waiver struct {
	Rule     string    `json:"rule"`
	Resource string    `json:"resource"` // URN, or the resource's name; empty: the stack as a whole
	Stack    string    `json:"stack"`    // empty: any
	Reason   string    `json:"reason"`
	Who      string    `json:"who"`
	Expires  time.Time `json:"expires"` // UTC; the waiver holds before this instant
}

// Validate reports everything that is wrong with the waiver, given the known rules.
func (w Waiver) Validate(rules []Rule) []string {
	var problems []string
	if !slices.ContainsFunc(rules, func(r Rule) bool { return r.ID == w.Rule }) {
		problems = append(problems, fmt.Sprintf("rule %q does not exist", w.Rule))
	}
	if strings.TrimSpace(w.Reason) == "" {
		problems = append(problems, "no reason is given")
	}
	if strings.TrimSpace(w.Who) == "" {
		problems = append(problems, "nobody answers for it")
	}
	if w.Expires.IsZero() {
		problems = append(problems, "it has no day of expiry")
	}
	return problems
}

// covering finds a waiver for the finding that has not expired.
func covering(waivers []Waiver, rule, urn string, stack *Stack) (Waiver, bool) {
	for _, w := range waivers {
		about := w.Resource == urn || w.Resource != "" && strings.HasSuffix(urn, "::"+w.Resource)
		if w.Rule == rule && about && (w.Stack == "" || w.Stack == stack.Name) && stack.Now.Before(w.Expires) {
			return w, true
		}
	}
	return Waiver{}, false
}
