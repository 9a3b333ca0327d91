package incident

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"time"
)

// Post delivers messages; package notify is one. It always comes back within its own time
// limit with the fate of every delivery, and never fails as a whole.
type Post interface {
	// Notify tells people, each on every channel that reaches them, and channels that reach
	// nobody in particular.
	Notify(ctx context.Context, n Notice, people []Person) []Delivery
	// Publish sends an approved text to the channels that customers read.
	Publish(ctx context.Context, text string) []Delivery
}

// Desk is where the incident is handled: it records, then informs, then records who was
// informed. Nothing that happens to a message undoes or delays what was recorded.
type Desk struct {
	Book     Book
	Post     Post
	Policy   Policy
	Settings Settings
	People   Directory
	Clock    func() time.Time
	Log      *slog.Logger
	// Recorded, when set, hears of an entry as soon as it is durable, before anybody is
	// informed.
	Recorded func(Signed)
}

// Outcome is what came of one step.
type Outcome struct {
	Entry      Signed
	State      State // after it
	Event      Event // "" = nobody was to be informed
	Deliveries []Delivery
	Damage     []Finding
	// Unrecorded is why the deliveries could not be written down, when they could not.
	Unrecorded error
}

// Failed are the deliveries that did not succeed.
func (o Outcome) Failed() []Delivery {
	return slices.DeleteFunc(slices.Clone(o.Deliveries), func(d Delivery) bool { return d.OK })
}

// Open reports an incident, informs the whole committee and starts the clocks.
func (d *Desk) Open(ctx context.Context, draft Draft) (Outcome, error) {
	e, err := d.Book.Open(ctx, draft)
	if err != nil {
		return Outcome{}, err
	}
	return d.after(ctx, draft, e, State{})
}

// Do adds an entry to an incident and informs the committee of what it has to hear.
func (d *Desk) Do(ctx context.Context, id ID, draft Draft) (Outcome, error) {
	before, _, err := d.look(ctx, id)
	if err != nil {
		return Outcome{}, err
	}
	e, err := d.Book.Append(ctx, id.Stream(), draft)
	if err != nil {
		return Outcome{}, err
	}
	return d.after(ctx, draft, e, before)
}

// Release sends an approved customer message, then records that it went out.
func (d *Desk) Release(ctx context.Context, id ID, digest string, draft Draft) (Outcome, error) {
	before, _, err := d.look(ctx, id)
	if err != nil {
		return Outcome{}, err
	}
	i := slices.IndexFunc(before.Letters, func(l Letter) bool { return l.Message.Digest == digest })
	if i < 0 || !before.Letters[i].Ballot.Approved {
		return Outcome{}, permitLetter(before, digest, func(why, do string) error {
			return &OrderError{Kind: MessageSent, N: before.N + 1, Why: why, Do: do}
		})
	}
	if before.Letters[i].Sent.IsZero() {
		draft.Entry.Kind = MessageSent
		draft.Entry.Delivered = &Delivered{Message: digest, Deliveries: d.Post.Publish(ctx, before.Letters[i].Message.Text)}
	} else {
		return Outcome{}, &OrderError{Kind: MessageSent, N: before.N + 1, Why: "the message went out at " + stamp(before.Letters[i].Sent),
			Do: "draft another one to say more"}
	}
	e, err := d.Book.Append(ctx, id.Stream(), draft)
	if err != nil {
		return Outcome{}, fmt.Errorf("the message went out, but this could not be recorded: %w", err)
	}
	out, err := d.after(ctx, draft, e, before)
	out.Deliveries = append(out.Deliveries, draft.Entry.Delivered.Deliveries...)
	return out, err
}

// Remind tells how it stands to everybody, or only to whoever was not reached: members not
// informed yet, and deliveries that failed. With nobody left it informs everybody.
func (d *Desk) Remind(ctx context.Context, id ID, draft Draft, everybody bool) (Outcome, error) {
	s, r, err := d.look(ctx, id)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{State: s, Event: EventStatus}
	var missed []string
	if !everybody {
		missed = d.Policy.Uninformed(s)
		for _, f := range s.Undelivered {
			missed = append(missed, f.To)
		}
	}
	people := slices.DeleteFunc(d.People.Members(), func(p Person) bool { return len(missed) > 0 && !slices.Contains(missed, p.ID) })
	d.inform(ctx, draft, NoticeOf(EventStatus, s, r, d.Settings, d.now()), people, &out)
	return out, out.Unrecorded
}

func (d *Desk) now() time.Time {
	if d.Clock == nil {
		return time.Now()
	}
	return d.Clock()
}

func (d *Desk) look(ctx context.Context, id ID) (State, Record, error) {
	r, _, err := d.Book.Record(ctx)
	if err != nil {
		return State{}, r, err
	}
	for _, s := range r.Incidents {
		if s.ID == id {
			return s, r, nil
		}
	}
	return State{}, r, fmt.Errorf("%w: %s", ErrNoIncident, id)
}

// ErrNoIncident: there is no incident of this name.
var ErrNoIncident = errors.New("no such incident")

// after informs the committee of an entry that is durable.
func (d *Desk) after(ctx context.Context, draft Draft, e Signed, before State) (Outcome, error) {
	if d.Recorded != nil {
		d.Recorded(e)
	}
	out := Outcome{Entry: e}
	r, damage, err := d.Book.Record(ctx)
	if err != nil {
		// The entry is durable; only nobody could be told.
		out.Unrecorded = fmt.Errorf("recorded, but the committee was not informed: %w", err)
		return out, nil
	}
	id := ID(path.Base(e.Entry.Stream))
	out.Damage = damage
	for _, s := range r.Incidents {
		if s.ID == id {
			out.State = s
		}
	}
	out.Event = EventOf(before, out.State, e.Entry.Kind)
	if out.Event == "" {
		return out, nil
	}
	notice := NoticeOf(out.Event, out.State, r, d.Settings, d.now())
	notice.Damaged = len(damage) > 0
	d.inform(ctx, draft, notice, d.People.Members(), &out)
	return out, nil
}

// inform delivers and records what became of it, in the name of who caused it.
func (d *Desk) inform(ctx context.Context, draft Draft, n Notice, people []Person, out *Outcome) {
	out.Deliveries = d.Post.Notify(ctx, n, people)
	if len(out.Deliveries) == 0 {
		return
	}
	e, err := d.Book.Append(ctx, n.Incident.Stream(), Draft{Key: draft.Key, Entry: Entry{Kind: Notified,
		Delivered: &Delivered{Message: string(n.Event), Deliveries: out.Deliveries}}})
	if err != nil {
		out.Unrecorded = fmt.Errorf("messages went out, but this could not be recorded: %w", err)
		if d.Log != nil {
			d.Log.Warn("deliveries not recorded", "incident", n.Incident, "err", err)
		}
		return
	}
	out.State = d.Policy.Apply(out.State, e)
}
