package incident

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"lifeboat/internal/signers"
)

// Format is the version of an entry's text.
const Format = 1

// Roles that the policy knows. A key may hold several.
const (
	CEO    = "ceo"
	Deputy = "deputy" // of the CEO
	DPO    = "dpo"    // data protection officer
	CTO    = "cto"
	LD     = "ld" // lead developer
	Staff  = "staff"
)

// Roles lists the roles in the order in which people look for them.
func Roles() []string { return []string{CEO, Deputy, DPO, CTO, LD, Staff} }

// Kind is what an entry tells of.
type Kind string

// Kinds of entries in an incident.
const (
	Reported        Kind = "reported"
	Informed        Kind = "informed" // members were told by a person, by phone for instance
	Notified        Kind = "notified" // members were told by lifeboat
	Meeting         Kind = "meeting"  // the emergency meeting was called or held
	Assessed        Kind = "assessed"
	Planned         Kind = "planned" // the plan, or a change of plan
	Voted           Kind = "voted"   // one person's decision on the plan or on a message
	RecoveryStarted Kind = "recovery-started"
	OutageBegan     Kind = "outage-began" // again, after a recovery
	Recovered       Kind = "recovered"
	Updated         Kind = "updated" // progress, or any note
	MessageDrafted  Kind = "message-drafted"
	MessageSent     Kind = "message-sent"
	Investigated    Kind = "investigated"
	ActionAdded     Kind = "action-added"
	ActionDone      Kind = "action-done"
	ActionDropped   Kind = "action-dropped"
	Closed          Kind = "closed"
	Reopened        Kind = "reopened"
)

// Kinds of entries in the committee's register. Updated and the actions occur there, too.
const (
	MeetingHeld Kind = "meeting-held" // the committee's monthly meeting
	Drilled     Kind = "drilled"
)

// Committee is the stream of the committee's register.
const Committee = "committee"

// streamPattern admits incidents/SI-<year>-<number> and the register, and nothing else.
var streamPattern = regexp.MustCompile(`^(committee|incidents/SI-[0-9]{4}-[0-9]{4})$`)

// ID is an incident's name: SI-2026-0001 is the first one opened in 2026.
type ID string

// NewID names the n-th incident (from 1) of a year.
func NewID(year, n int) ID { return ID(fmt.Sprintf("SI-%04d-%04d", year, n)) }

// Stream is where the incident's entries are.
func (id ID) Stream() string { return "incidents/" + string(id) }

// ParseID reads what NewID writes.
func ParseID(text string) (ID, error) {
	id := ID(strings.ToUpper(text))
	if !streamPattern.MatchString(id.Stream()) {
		return "", fmt.Errorf("incident %q: want a name like SI-2026-0001", text)
	}
	return id, nil
}

// CheckStream refuses names that are no stream.
func CheckStream(stream string) error {
	if !streamPattern.MatchString(stream) {
		return fmt.Errorf("stream %q: want committee or incidents/SI-YYYY-NNNN", stream)
	}
	return nil
}

// Attachment names bytes kept beside the entries.
type Attachment struct {
	Name   string `json:"name"`
	SHA256 string `json:"sha256"` // hex
	Size   int64  `json:"size"`   // bytes
}

// Head is the end of a stream at some time: whoever quotes it can tell later that nothing up
// to there was removed or altered.
type Head struct {
	Stream string `json:"stream"`
	N      int    `json:"n"`
	Digest string `json:"digest"`
}

// Entry is one thing that happened. Exactly the part that its Kind asks for is present.
type Entry struct {
	Format      int          `json:"format"`
	Stream      string       `json:"stream"`
	N           int          `json:"n"`              // from 1, without gaps
	Prev        string       `json:"prev,omitempty"` // SHA-256 of the entry before, hex; none for the first
	Kind        Kind         `json:"kind"`
	At          time.Time    `json:"at"`       // when it happened
	Recorded    time.Time    `json:"recorded"` // when it was written down; never before the entry before
	By          string       `json:"by"`       // the signer
	Role        string       `json:"role"`     // in which the signer acts
	Text        string       `json:"text,omitempty"`
	Attachments []Attachment `json:"attachments,omitempty"`
	Heads       []Head       `json:"heads,omitempty"`  // of the other streams, in an incident's first entry
	Damage      []string     `json:"damage,omitempty"` // what the writer found wrong with the chain: not vouched for

	Report        *Report        `json:"report,omitempty"`
	Told          *Told          `json:"told,omitempty"`
	Delivered     *Delivered     `json:"delivered,omitempty"`
	Gathering     *Gathering     `json:"gathering,omitempty"`
	Assessment    *Assessment    `json:"assessment,omitempty"`
	Plan          *Plan          `json:"plan,omitempty"`
	Vote          *Vote          `json:"vote,omitempty"`
	Recovery      *Recovery      `json:"recovery,omitempty"`
	Message       *Message       `json:"message,omitempty"`
	Investigation *Investigation `json:"investigation,omitempty"`
	Action        *Action        `json:"action,omitempty"`
	Drill         *Drill         `json:"drill,omitempty"`
}

// Report opens an incident.
type Report struct {
	Title       string     `json:"title"`                  // short; no personal data
	From        string     `json:"from"`                   // who noticed
	Verbal      bool       `json:"verbal"`                 // told to the signer, who writes it down
	OutageBegan *time.Time `json:"outage_began,omitempty"` // none = no outage is known
}

// Told says which people a person has informed.
type Told struct {
	People []string `json:"people"`
	How    string   `json:"how"` // phone, in person, …
}

// Delivery is the fate of one message on one channel.
type Delivery struct {
	Channel  string    `json:"channel"`
	To       string    `json:"to,omitempty"` // the person; none = whoever reads the channel
	OK       bool      `json:"ok"`
	Attempts int       `json:"attempts"`
	At       time.Time `json:"at"`
	Error    string    `json:"error,omitempty"` // without secrets
}

// Delivered is what became of one notification, or of a customer message being sent.
type Delivered struct {
	Message    string     `json:"message"` // the template, or the digest of the customer message
	Deliveries []Delivery `json:"deliveries"`
}

// Gathering is a meeting.
type Gathering struct {
	Present []string `json:"present"` // who came, or who is called
	Held    bool     `json:"held"`    // false = called
}

// Breach is whether personal data was breached.
type Breach string

// The answers; the DPO has 72 hours to notify the authority of a breach (GDPR Art. 33).
const (
	BreachUnknown Breach = "unknown"
	BreachYes     Breach = "yes"
	BreachNo      Breach = "no"
)

// Assessment is what the CTO or LD find.
type Assessment struct {
	Extent      string     `json:"extent"`
	Cause       string     `json:"cause"`
	Breach      Breach     `json:"breach"`
	OutageBegan *time.Time `json:"outage_began,omitempty"` // corrects what was reported
	NoOutage    bool       `json:"no_outage,omitempty"`    // there was none after all
}

// Plan is a recovery plan, known by its hash.
type Plan struct {
	Digest      string `json:"digest"` // SHA-256 of the plan's canonical bytes, hex
	LostCommits int64  `json:"lost_commits"`
	LostSeconds int64  `json:"lost_seconds"`
	RTOSeconds  int64  `json:"rto_seconds"`
}

// Decision is what a vote says.
type Decision string

// The decisions.
const (
	Approve    Decision = "approve"
	Withdraw   Decision = "withdraw"
	BreakGlass Decision = "break-glass" // on plans only; Text holds the reason
)

// Subject is what a vote is on.
type Subject string

// The subjects.
const (
	OnPlan    Subject = "plan"
	OnMessage Subject = "message"
)

// Vote is one person's decision.
type Vote struct {
	On       Subject  `json:"on"`
	Digest   string   `json:"digest"` // of the plan or message; empty to break the glass without any plan
	Decision Decision `json:"decision"`
}

// Recovery tells of its start (with the plan followed) or its end (with what it cost).
type Recovery struct {
	Plan        string `json:"plan,omitempty"` // digest; none under broken glass without a plan
	LostCommits int64  `json:"lost_commits,omitempty"`
	LostSeconds int64  `json:"lost_seconds,omitempty"`
	Report      string `json:"report,omitempty"` // digest of the failover's report
}

// Message is text for customers.
type Message struct {
	Digest string `json:"digest"` // SHA-256 of Text, hex
	Text   string `json:"text"`
}

// Investigation is what the DPO finds.
type Investigation struct {
	Cause    string `json:"cause"`
	Breach   Breach `json:"breach"`
	Affected string `json:"affected"` // rows and people, in numbers; never names
}

// Action is a remedial action. Done and dropped ones carry the ID alone.
type Action struct {
	ID    string `json:"id"` // A1, A2, …
	What  string `json:"what,omitempty"`
	Owner string `json:"owner,omitempty"` // person or role
	Due   Date   `json:"due,omitzero"`
}

// Drill is a drill that was held.
type Drill struct {
	Report      string `json:"report"` // digest of its report
	Passed      bool   `json:"passed"`
	LostCommits int64  `json:"lost_commits"`
	LostSeconds int64  `json:"lost_seconds"`
	RTOSeconds  int64  `json:"rto_seconds"`
}

// Signed is an entry whose signature was checked.
type Signed struct {
	Entry  Entry            `json:"entry"`
	Who    signers.Identity `json:"who"`
	Digest string           `json:"digest"` // SHA-256 of the sealed entry, hex
}

// Digest is the SHA-256 of bytes, in hex, as it is used for plans, messages and entries.
func Digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// NewMessage makes a customer message of a text.
func NewMessage(text string) *Message { return &Message{Digest: Digest([]byte(text)), Text: text} }

// ErrEntry: an entry is incomplete or contradicts itself.
var ErrEntry = errors.New("entry not accepted")

// Validate checks the entry by itself, without what came before it, and reports every
// problem. The number, the chain and the stream are the keeper's.
func (e *Entry) Validate() error {
	var problems []error
	bad := func(text string, args ...any) { problems = append(problems, fmt.Errorf(text, args...)) }
	if e.By == "" || e.Role == "" {
		bad("by and role have to be given")
	}
	if e.At.IsZero() || e.Recorded.IsZero() || e.At.After(e.Recorded) {
		bad("it happened at %s and was recorded at %s: it cannot be recorded before it happens", stamp(e.At), stamp(e.Recorded))
	}
	want, known := partOf(e.Kind)
	if !known {
		bad("kind %q is not known", e.Kind)
	}
	for name, present := range e.parts() {
		if known && present != (name == want) {
			bad("%s: part %q is %s", e.Kind, name, map[bool]string{true: "not wanted", false: "missing"}[present])
		}
	}
	if len(problems) == 0 {
		problems = append(problems, e.checkPart()...)
	}
	for _, a := range e.Attachments {
		if !isDigest(a.SHA256) || a.Name == "" || a.Size < 0 {
			bad("attachment %q is not named by its SHA-256", a.Name)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%w: %w", ErrEntry, errors.Join(problems...))
	}
	return nil
}

// partOf names the part that a kind needs; "" = text alone.
func partOf(k Kind) (part string, known bool) {
	switch k {
	case Reported:
		return "report", true
	case Informed:
		return "told", true
	case Notified, MessageSent:
		return "delivered", true
	case Meeting, MeetingHeld:
		return "gathering", true
	case Assessed:
		return "assessment", true
	case Planned:
		return "plan", true
	case Voted:
		return "vote", true
	case RecoveryStarted, Recovered:
		return "recovery", true
	case MessageDrafted:
		return "message", true
	case Investigated:
		return "investigation", true
	case ActionAdded, ActionDone, ActionDropped:
		return "action", true
	case Drilled:
		return "drill", true
	case Updated, Closed, Reopened, OutageBegan:
		return "", true
	}
	return "", false
}

func (e *Entry) parts() map[string]bool {
	return map[string]bool{
		"report": e.Report != nil, "told": e.Told != nil, "delivered": e.Delivered != nil,
		"gathering": e.Gathering != nil, "assessment": e.Assessment != nil, "plan": e.Plan != nil,
		"vote": e.Vote != nil, "recovery": e.Recovery != nil, "message": e.Message != nil,
		"investigation": e.Investigation != nil, "action": e.Action != nil, "drill": e.Drill != nil,
	}
}

// checkPart checks the one part that is present.
func (e *Entry) checkPart() (problems []error) {
	bad := func(when bool, text string, args ...any) {
		if when {
			problems = append(problems, fmt.Errorf(text, args...))
		}
	}
	blank := func(s string) bool { return strings.TrimSpace(s) == "" }
	switch e.Kind {
	case Reported:
		bad(blank(e.Report.Title) || blank(e.Report.From), "a report needs a title and who noticed")
		bad(e.Report.OutageBegan != nil && e.Report.OutageBegan.After(e.At), "the outage begins after its report")
		bad(len(PersonalData(e.Report.Title)) > 0, "the title holds personal data: put it into the text")
	case Informed:
		bad(len(e.Told.People) == 0 || blank(e.Told.How), "say who was informed, and how")
	case Assessed:
		bad(blank(e.Assessment.Extent) || blank(e.Assessment.Cause), "an assessment needs extent and cause (unknown is an answer)")
		bad(!e.Assessment.Breach.valid(), "breach has to be yes, no or unknown")
		bad(e.Assessment.NoOutage && e.Assessment.OutageBegan != nil, "no outage, and when it began, exclude each other")
		bad(e.Assessment.OutageBegan != nil && e.Assessment.OutageBegan.After(e.At), "the outage begins after its assessment")
	case Planned:
		bad(!isDigest(e.Plan.Digest), "a plan is known by its SHA-256, not by %q", e.Plan.Digest)
	case Voted:
		problems = append(problems, e.checkVote()...)
	case MessageDrafted:
		bad(e.Message.Digest != Digest([]byte(e.Message.Text)) || blank(e.Message.Text), "the message is empty or not what its digest says")
	case Investigated:
		bad(blank(e.Investigation.Cause) || !e.Investigation.Breach.valid(), "an investigation needs a cause, and breach yes, no or unknown")
	case ActionAdded:
		a := e.Action
		bad(blank(a.ID) || blank(a.What) || blank(a.Owner) || a.Due.IsZero(), "an action needs an id, what, an owner and a due date")
	case ActionDone, ActionDropped:
		bad(blank(e.Action.ID) || blank(e.Text), "say which action, and what was done or why it is dropped")
	case Reopened, Updated:
		bad(blank(e.Text), "%s without a text says nothing", e.Kind)
	case Drilled:
		bad(!isDigest(e.Drill.Report), "a drill is proved by the SHA-256 of its report")
	}
	return problems
}

func (e *Entry) checkVote() (problems []error) {
	v := e.Vote
	if v.On != OnPlan && v.On != OnMessage {
		problems = append(problems, fmt.Errorf("vote on %q: want plan or message", v.On))
	}
	if !slices.Contains([]Decision{Approve, Withdraw, BreakGlass}, v.Decision) {
		problems = append(problems, fmt.Errorf("decision %q: want approve, withdraw or break-glass", v.Decision))
	}
	noPlan := v.Decision == BreakGlass && v.Digest == ""
	if !noPlan && !isDigest(v.Digest) {
		problems = append(problems, fmt.Errorf("a vote is on a SHA-256, not on %q", v.Digest))
	}
	if v.Decision != Approve && strings.TrimSpace(e.Text) == "" {
		problems = append(problems, fmt.Errorf("to %s needs a reason", v.Decision))
	}
	if v.Decision == BreakGlass && v.On != OnPlan {
		problems = append(problems, errors.New("only a plan can be gone around, no message"))
	}
	return problems
}

func (b Breach) valid() bool { return b == BreachUnknown || b == BreachYes || b == BreachNo }

func isDigest(s string) bool {
	b, err := hex.DecodeString(s)
	return err == nil && len(b) == sha256.Size && strings.ToLower(s) == s
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
