package notify

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"text/template"
	"time"

	_ "embed"

	"lifeboat/failover/incident"
)

//go:embed messages.tmpl
var standard string

// ErrPersonalData: the finished text holds what looks like data about a person.
var ErrPersonalData = errors.New("message holds what looks like personal data")

// Text is a finished message.
type Text struct {
	Event   string           `json:"event"`
	Subject string           `json:"subject"` // one line
	Body    string           `json:"body"`
	Notice  *incident.Notice `json:"notice,omitempty"`
	Link    string           `json:"link,omitempty"`
}

// Templates make texts of notices. For each event there is a template of its name; the text
// up to its first line break is the subject.
type Templates struct {
	set      *template.Template
	company  string
	link     string
	contacts []string
}

// TemplateConfig is what a company may change.
type TemplateConfig struct {
	Company  string   // stands in every subject
	Link     string   // to the status page, without the incident; "" = none
	Custom   string   // templates that replace the standard ones, by their names
	Contacts []string // the company's own addresses, which are no personal data
}

// NewTemplates parses the standard templates and the custom ones over them, and tries each
// on a notice of every event, so that a mistake shows now and not in an emergency.
func NewTemplates(cfg TemplateConfig) (*Templates, error) {
	set, err := template.New("messages").Option("missingkey=error").Funcs(template.FuncMap{
		"clock": Clock, "join": strings.Join, "short": func(s string) string { return s[:min(12, len(s))] },
		"utc": func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") },
	}).Parse(standard)
	if err == nil && cfg.Custom != "" {
		set, err = set.Parse(cfg.Custom)
	}
	if err != nil {
		return nil, fmt.Errorf("message templates: %w", err)
	}
	t := &Templates{set: set, company: cfg.Company, link: strings.TrimSuffix(cfg.Link, "/"), contacts: cfg.Contacts}
	for _, ev := range incident.Events() {
		sample := incident.Notice{Event: ev, Incident: incident.NewID(2026, 1), Entry: 7, Head: strings.Repeat("ab", 32),
			At:    time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC),
			Phase: "reported", Outage: true, Breach: incident.BreachUnknown, Year: 2026, Plan: strings.Repeat("cd", 32),
			Missing: []string{"cto or ld"}, Damaged: true}
		if _, err := t.Compose(sample); err != nil {
			return nil, fmt.Errorf("message template %q: %w", ev, err)
		}
	}
	return t, nil
}

// Compose makes the text of a notice, or ErrPersonalData.
func (t *Templates) Compose(n incident.Notice) (Text, error) {
	var out bytes.Buffer
	data := struct {
		incident.Notice
		Company, Link string
	}{n, t.company, t.page(n.Incident)}
	if t.set.Lookup(string(n.Event)) == nil {
		return Text{}, fmt.Errorf("there is no template for %q", n.Event)
	}
	if err := t.set.ExecuteTemplate(&out, string(n.Event), data); err != nil {
		return Text{}, err
	}
	subject, body, _ := strings.Cut(strings.TrimSpace(out.String()), "\n")
	text := Text{Event: string(n.Event), Subject: strings.TrimSpace(subject), Body: strings.TrimSpace(body) + "\n", Notice: &n, Link: data.Link}
	if found := incident.PersonalData(text.Subject+"\n"+withoutDigests(text.Body, n), t.contacts...); len(found) > 0 {
		return Text{}, fmt.Errorf("%w: %s", ErrPersonalData, found[0].What)
	}
	return text, nil
}

// withoutDigests leaves out what is made of hexadecimal digits by design.
func withoutDigests(body string, n incident.Notice) string {
	for _, digest := range []string{n.Head, n.Plan} {
		if digest == "" {
			continue
		}
		body = strings.ReplaceAll(body, digest, "")
		body = strings.ReplaceAll(body, digest[:min(12, len(digest))], "")
	}
	return body
}

func (t *Templates) page(id incident.ID) string {
	if t.link == "" {
		return ""
	}
	return t.link + "/incidents/" + string(id)
}

// CustomerSubject heads what customers get.
func (t *Templates) CustomerSubject() string {
	return strings.TrimSpace(t.company + " service message")
}

// Clock prints a duration as people read a stopwatch: 4 h 22 m 48 s; negative ones say so.
func Clock(d time.Duration) string {
	sign := ""
	if d < 0 {
		sign, d = "minus ", -d
	}
	s := int64(d / time.Second)
	return fmt.Sprintf("%s%d h %02d m %02d s", sign, s/3600, s/60%60, s%60)
}
