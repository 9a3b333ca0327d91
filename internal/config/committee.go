package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strconv"
	"time"

	"go.yaml.in/yaml/v3"
)

// CommitteeVersion is the version of committee.yaml.
const CommitteeVersion = 1

// Secret never prints itself; Reveal returns it.
type Secret string

// Reveal returns the secret, for whoever sends it. Never print the result.
func (s Secret) Reveal() string { return string(s) }

// String hides the secret.
func (Secret) String() string { return "***" }

// GoString hides the secret.
func (Secret) GoString() string { return "***" }

// LogValue hides the secret.
func (Secret) LogValue() slog.Value { return slog.StringValue("***") }

// MarshalText hides the secret.
func (Secret) MarshalText() ([]byte, error) { return []byte("***"), nil }

// UnmarshalText reads it as it is.
func (s *Secret) UnmarshalText(text []byte) error { *s = Secret(text); return nil }

// Committee is the file committee.yaml: people, who decides, terms, and how to reach
// everybody. It stands beside lifeboat.yaml because other people write it, and because it
// holds contact data. What makes the people and quorums acceptable is checked by their users.
type Committee struct {
	Version        int        `yaml:"version"`
	Company        string     `yaml:"company"`
	TimeZone       string     `yaml:"time_zone"`       // of the company's days, months and years; IANA name
	Since          string     `yaml:"since"`           // YYYY-MM-DD: when the monthly and yearly duties began
	AllowedSigners string     `yaml:"allowed_signers"` // file, beside this one
	People         []Contact  `yaml:"people"`
	Quorum         Quorums    `yaml:"quorum"`
	Terms          Terms      `yaml:"terms"`
	Notify         Channels   `yaml:"notify"`    // the committee
	Customers      Channels   `yaml:"customers"` // approved messages go here
	PublicContacts []string   `yaml:"public_contacts"`
	Templates      string     `yaml:"templates"` // file of message templates that replace the standard ones
	Page           StatusPage `yaml:"page"`
	PeopleTable    string     `yaml:"people_table"` // the table whose keys stand for people
	Notes          []string   `yaml:"notes"`        // printed on the contact list
}

// Contact is one person.
type Contact struct {
	ID     string   `yaml:"id"` // the principal in allowed_signers
	Name   string   `yaml:"name"`
	Email  string   `yaml:"email"`
	Phone  string   `yaml:"phone"`
	Roles  []string `yaml:"roles"`
	Member bool     `yaml:"member"`
}

// Quorums are lists of seats; a seat is a list of roles. Empty: the standard ones.
type Quorums struct {
	Plan       [][]string `yaml:"plan"`
	Message    [][]string `yaml:"message"`
	BreakGlass [][]string `yaml:"break_glass"`
}

// Terms are the times that the company may choose.
type Terms struct {
	InformWithin time.Duration `yaml:"inform_within"`
	Horizon      time.Duration `yaml:"horizon"`  // how far ahead 'lifeboat due' looks
	Approval     time.Duration `yaml:"approval"` // how long an approval holds
}

// Channels are ways to reach people.
type Channels struct {
	Mail     []Mail    `yaml:"mail"`
	Webhooks []Webhook `yaml:"webhooks"`
}

// Mail is a mail server.
type Mail struct {
	Name     string        `yaml:"name"`
	Host     string        `yaml:"host"`
	Port     int           `yaml:"port"`
	Security string        `yaml:"security"` // starttls, tls, or none for a relay on this machine
	User     string        `yaml:"user"`
	Password Secret        `yaml:"password"`
	From     string        `yaml:"from"`
	To       string        `yaml:"to"` // one list instead of people
	CA       string        `yaml:"ca"` // PEM file
	Wait     time.Duration `yaml:"wait"`
}

// Webhook is a place to post to.
type Webhook struct {
	Name  string        `yaml:"name"`
	Shape string        `yaml:"shape"` // teams, slack or webhook
	URL   Secret        `yaml:"url"`
	Key   Secret        `yaml:"key"`
	CA    string        `yaml:"ca"` // PEM file
	Wait  time.Duration `yaml:"wait"`
}

// StatusPage is what lifeboat serve serves.
type StatusPage struct {
	Listen string   `yaml:"listen"`
	Hosts  []string `yaml:"hosts"`
	Link   string   `yaml:"link"` // where people open it; stands in messages
}

// ParseCommittee reads committee.yaml over its defaults. In its values ${NAME} stands for a
// variable that lookup finds. Unknown keys and every problem are reported at once.
func ParseCommittee(text []byte, lookup Lookup) (*Committee, error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var head struct{ Version int }
	if root.Decode(&head) == nil && head.Version > CommitteeVersion {
		return nil, fmt.Errorf("%w: it is %d; this program knows version %d", ErrNewer, head.Version, CommitteeVersion)
	}
	w := walker{lookup: lookup, lines: map[string]int{}}
	w.expandAll(&root)
	if len(w.found) > 0 {
		return nil, asError(w.found)
	}
	expanded, err := yaml.Marshal(&root)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	c := &Committee{TimeZone: "UTC", AllowedSigners: "allowed_signers", Page: StatusPage{Listen: "127.0.0.1:7118"},
		Terms: Terms{InformWithin: 30 * time.Minute, Horizon: 14 * 24 * time.Hour, Approval: 24 * time.Hour}}
	dec := yaml.NewDecoder(bytes.NewReader(expanded))
	dec.KnownFields(true)
	if err := dec.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return c, asError(c.check())
}

// expandAll replaces ${NAME} in every scalar.
func (w *walker) expandAll(n *yaml.Node) {
	if n.Kind == yaml.ScalarNode {
		before := n.Value
		w.expand(n, "")
		if _, err := strconv.Atoi(n.Value); err == nil && before != n.Value {
			n.Tag, n.Style = "!!int", 0 // port: "${PORT}" is a number; where text is wanted it stays what it is
		}
	}
	for _, child := range n.Content {
		w.expandAll(child)
	}
}

func (c *Committee) check() (found []problem) {
	bad := func(key, format string, args ...any) {
		found = append(found, problem{key: key, text: fmt.Sprintf(format, args...)})
	}
	if c.Version != CommitteeVersion {
		bad("version", "is %d; this program knows version %d", c.Version, CommitteeVersion)
	}
	if c.Company == "" {
		bad("company", "is not set; it heads messages and reports")
	}
	if _, err := time.LoadLocation(c.TimeZone); err != nil {
		bad("time_zone", "%q is no time zone; want a name like Europe/London", c.TimeZone)
	}
	if _, err := time.Parse(time.DateOnly, c.Since); err != nil {
		bad("since", "%q is no date; want YYYY-MM-DD, the day from which meetings and drills are due", c.Since)
	}
	if len(c.People) == 0 {
		bad("people", "is empty; nobody would be informed")
	}
	for name, channels := range map[string]Channels{"notify": c.Notify, "customers": c.Customers} {
		for i, hook := range channels.Webhooks {
			if !slices.Contains([]string{"teams", "slack", "webhook"}, hook.Shape) {
				bad(name+".webhooks", "number %d: shape %q is not one of teams, slack, webhook", i+1, hook.Shape)
			}
		}
	}
	for key, d := range map[string]time.Duration{"terms.inform_within": c.Terms.InformWithin, "terms.approval": c.Terms.Approval} {
		if d <= 0 {
			bad(key, "%s is not a time to come", d)
		}
	}
	return found
}
