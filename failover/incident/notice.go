package incident

import "time"

// Event is what a notice is about.
type Event string

// The events that the committee hears of.
const (
	EventReported     Event = "reported"
	EventAssessed     Event = "assessed"
	EventPlanned      Event = "plan-proposed"
	EventPlanChanged  Event = "plan-changed"
	EventApproved     Event = "plan-approved"
	EventGlassBroken  Event = "glass-broken"
	EventRecovering   Event = "recovery-started"
	EventOutage       Event = "outage-again"
	EventRecovered    Event = "recovered"
	EventDraft        Event = "message-drafted"
	EventSent         Event = "message-sent"
	EventInvestigated Event = "investigated"
	EventClosed       Event = "closed"
	EventReopened     Event = "reopened"
	EventStatus       Event = "status" // on request: how it stands
)

// Events lists all of them.
func Events() []Event {
	return []Event{EventReported, EventAssessed, EventPlanned, EventPlanChanged, EventApproved, EventGlassBroken,
		EventRecovering, EventOutage, EventRecovered, EventDraft, EventSent, EventInvestigated, EventClosed,
		EventReopened, EventStatus}
}

// EventOf is what the committee has to hear of after an entry; "" = nothing.
func EventOf(before, after State, k Kind) Event {
	switch k {
	case Planned:
		if len(after.Plans) > 1 {
			return EventPlanChanged
		}
		return EventPlanned
	case Voted:
		wasApproved := len(before.Plans) > 0 && before.Plans[len(before.Plans)-1].Approved
		isApproved := len(after.Plans) > 0 && after.Plans[len(after.Plans)-1].Approved
		switch {
		case isApproved && !wasApproved:
			return EventApproved
		case !after.GlassBroken.IsZero() && before.GlassBroken.IsZero() && !isApproved:
			return EventGlassBroken
		}
		return ""
	}
	return map[Kind]Event{Reported: EventReported, Assessed: EventAssessed, RecoveryStarted: EventRecovering,
		OutageBegan: EventOutage, Recovered: EventRecovered, MessageDrafted: EventDraft, MessageSent: EventSent,
		Investigated: EventInvestigated, Closed: EventClosed, Reopened: EventReopened}[k]
}

// Notice is everything that a message may say: figures and states, nothing that anybody
// typed. So no name, no patient and no secret can get into a message by mistake.
type Notice struct {
	Event    Event         `json:"event"`
	Incident ID            `json:"incident"`
	Entry    int           `json:"entry"` // the last one, with its digest: quoting it guards the record
	Head     string        `json:"head"`
	At       time.Time     `json:"at"`
	Phase    string        `json:"phase"`
	Outage   bool          `json:"outage"` // one lasts
	Breach   Breach        `json:"breach,omitempty"`
	Used     time.Duration `json:"outage_used_ns"`
	Left     time.Duration `json:"outage_left_ns"` // of 8 h
	Year     int           `json:"year"`
	Ledger   time.Duration `json:"ledger_used_ns"`
	YearLeft time.Duration `json:"ledger_left_ns"` // of 4 h 22 m 48 s, or the leap year's
	Plan     string        `json:"plan,omitempty"` // digest
	Missing  []string      `json:"missing,omitempty"`
	Actions  int           `json:"open_actions"`
	Damaged  bool          `json:"damaged"` // the record does not verify
}

// Allowance is the whole year's.
func (n Notice) Allowance() time.Duration { return n.Ledger + n.YearLeft }

// NoticeOf takes the figures from the record.
func NoticeOf(ev Event, s State, r Record, set Settings, now time.Time) Notice {
	n := Notice{Event: ev, Incident: s.ID, Entry: s.N, Head: s.Head, At: now.UTC(), Phase: s.Phase(), Outage: s.InOutage(),
		Breach: s.Assessment.Breach, Plan: s.Plan.Digest, Actions: len(s.OpenTodos()), Left: OutageLimit}
	if c, ok := OutageClock(s, now); ok {
		n.Used, n.Left = c.Used, c.Left()
	}
	ledger := YearLedger(now.In(set.Location).Year(), r.Incidents, set, now)
	n.Year, n.Ledger, n.YearLeft = ledger.Year, ledger.Used, ledger.Left()
	if len(s.Plans) > 0 {
		for _, seat := range s.Plans[len(s.Plans)-1].Missing {
			n.Missing = append(n.Missing, seat.String())
		}
	}
	return n
}
