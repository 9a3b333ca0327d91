package report

import (
	"encoding/xml"
	"fmt"
	"io"

	"lifeboat/policies"
)

// SARIF 2.1.0 (OASIS), only what code scanning reads.
type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool struct {
		Driver sarifDriver `json:"driver"`
	} `json:"tool"`
	Results []sarifResult `json:"results"`
}

type sarifDriver struct {
	Name  string      `json:"name"`
	Rules []sarifRule `json:"rules"`
}

type sarifText struct {
	Text string `json:"text"`
}

type sarifRule struct {
	ID            string    `json:"id"`
	Short         sarifText `json:"shortDescription"`
	Full          sarifText `json:"fullDescription"`
	Help          sarifText `json:"help"`
	Configuration struct {
		Level string `json:"level"`
	} `json:"defaultConfiguration"`
}

type sarifResult struct {
	RuleID       string             `json:"ruleId"`
	RuleIndex    int                `json:"ruleIndex"`
	Level        string             `json:"level"`
	Message      sarifText          `json:"message"`
	Locations    []sarifLocation    `json:"locations"`
	Fingerprints map[string]string  `json:"partialFingerprints"`
	Suppressions []sarifSuppression `json:"suppressions,omitempty"`
}

type sarifLocation struct {
	Physical struct {
		Artifact struct {
			URI string `json:"uri"`
		} `json:"artifactLocation"`
	} `json:"physicalLocation"`
	Logical []sarifLogical `json:"logicalLocations,omitempty"`
}

type sarifLogical struct {
	Name string `json:"fullyQualifiedName"`
}

type sarifSuppression struct {
	Kind          string `json:"kind"`
	Justification string `json:"justification"`
}

func sarif(w io.Writer, results []policies.Result) error {
	run := sarifRun{Results: []sarifResult{}}
	run.Tool.Driver = sarifDriver{Name: "lifeboat policy", Rules: []sarifRule{}}
	index := map[string]int{}
	for _, r := range results {
		if _, ok := index[r.Rule.ID]; !ok {
			index[r.Rule.ID] = len(run.Tool.Driver.Rules)
			run.Tool.Driver.Rules = append(run.Tool.Driver.Rules, describe(r.Rule))
		}
		for _, f := range r.Findings {
			run.Results = append(run.Results, sarifFinding(r, f, index[r.Rule.ID]))
		}
		for _, x := range r.Waived {
			s := sarifFinding(r, x.Finding, index[r.Rule.ID])
			s.Suppressions = []sarifSuppression{{"external", x.Waiver.Who + ": " + x.Waiver.Reason}}
			run.Results = append(run.Results, s)
		}
	}
	return indent(w, sarifLog{
		Schema:  "https://json.schemastore.org/sarif-2.1.0.json",
		Version: "2.1.0", Runs: []sarifRun{run},
	})
}

func describe(rule policies.Rule) sarifRule {
	s := sarifRule{ID: rule.ID, Short: sarifText{rule.Title}, Full: sarifText{rule.Why}, Help: sarifText{rule.Fix}}
	s.Configuration.Level = rule.Severity.String()
	return s
}

func sarifFinding(r policies.Result, f policies.Finding, index int) sarifResult {
	level := r.Rule.Severity.String()
	if f.Outcome == policies.Unknown {
		level = "warning"
	}
	s := sarifResult{
		RuleID: r.Rule.ID, RuleIndex: index, Level: level, Message: sarifText{where(f) + f.Message},
		Fingerprints: map[string]string{"finding/v1": r.Stack + "|" + r.Rule.ID + "|" + f.Resource},
	}
	var place sarifLocation
	// Code scanning wants a file: the one that holds the stack's settings.
	place.Physical.Artifact.URI = "Pulumi." + r.Stack + ".yaml"
	if f.Resource != "" {
		place.Logical = []sarifLogical{{f.Resource}}
	}
	s.Locations = []sarifLocation{place}
	return s
}

// JUnit's de facto schema, as CI systems read it.
type junitSuites struct {
	XMLName xml.Name     `xml:"testsuites"`
	Suites  []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name     string      `xml:"name,attr"`
	Tests    int         `xml:"tests,attr"`
	Failures int         `xml:"failures,attr"`
	Skipped  int         `xml:"skipped,attr"`
	Cases    []junitCase `xml:"testcase"`
}

type junitCase struct {
	Class   string       `xml:"classname,attr"`
	Name    string       `xml:"name,attr"`
	Failure *junitDetail `xml:"failure"`
	Skipped *junitDetail `xml:"skipped"`
}

type junitDetail struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// junit makes one suite a stack and one case a rule; what is unknown is not a pass, so it
// is a failure as well.
func junit(w io.Writer, results []policies.Result) error {
	var doc junitSuites
	for _, r := range results {
		if n := len(doc.Suites); n == 0 || doc.Suites[n-1].Name != r.Stack {
			doc.Suites = append(doc.Suites, junitSuite{Name: r.Stack})
		}
		suite := &doc.Suites[len(doc.Suites)-1]
		c := junitCase{Class: r.Stack, Name: r.Rule.ID}
		switch {
		case r.Outcome() != policies.Pass:
			suite.Failures++
			c.Failure = &junitDetail{Message: r.Outcome().String() + ": " + r.Rule.Title}
			for _, f := range r.Findings {
				c.Failure.Text += where(f) + f.Message + "\n"
			}
		case len(r.Waived) > 0:
			suite.Skipped++
			c.Skipped = &junitDetail{Message: "waived by " + r.Waived[0].Waiver.Who}
		}
		suite.Tests++
		suite.Cases = append(suite.Cases, c)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(doc); err != nil {
		return fmt.Errorf("write JUnit report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}
