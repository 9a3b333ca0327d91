package notify

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"lifeboat/failover/incident"
)

// limit is how long informing everybody may take in all: people wait for the prompt.
const limit = 20 * time.Second

// parallel bounds the deliveries under way at once: mail servers refuse crowds.
const parallel = 8

// Secret prints as [secret] in every format.
type Secret string

// String implements fmt.Stringer, GoString fmt.GoStringer, LogValue slog.LogValuer.
func (Secret) String() string { return "[secret]" }

// GoString keeps %#v from showing it.
func (Secret) GoString() string { return "[secret]" }

// LogValue keeps slog from showing it.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// MarshalText keeps JSON and YAML from showing it.
func (Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// Channel delivers one text. Send tries until it succeeds, until trying again is no use, or
// until ctx ends; it returns how often it tried. It is safe for concurrent use, and no error
// of it holds a secret.
type Channel interface {
	Name() string
	// Reaches reports whether the channel can reach this person. A channel that reaches
	// nobody in particular (a webhook) says no to everybody and gets each message once.
	Reaches(p incident.Person) bool
	Send(ctx context.Context, p incident.Person, t Text) (attempts int, err error)
}

// Post sends notices to the committee and messages to customers. It implements
// incident.Post.
type Post struct {
	Committee []Channel
	Customers []Channel
	Templates *Templates
	Limit     time.Duration    // of one Notify or Publish; 0 = 20 s
	Clock     func() time.Time // nil = time.Now
	Log       *slog.Logger     // nil = discard
}

// Notify implements incident.Post.
func (p *Post) Notify(ctx context.Context, n incident.Notice, people []incident.Person) []incident.Delivery {
	text, err := p.Templates.Compose(n)
	var jobs []job
	for _, c := range p.Committee {
		var personal bool
		for _, person := range people {
			if c.Reaches(person) {
				personal = true
				jobs = append(jobs, job{channel: c, person: person})
			}
		}
		if !personal && !slices.ContainsFunc(people, c.Reaches) && isShared(c) {
			jobs = append(jobs, job{channel: c})
		}
	}
	return p.deliver(ctx, jobs, text, err)
}

// isShared tells a webhook from a mail server that simply knows nobody's address.
func isShared(c Channel) bool { _, ok := c.(*Webhook); return ok }

// Publish implements incident.Post. With no channel for customers it says that the text is
// to be sent by hand.
func (p *Post) Publish(ctx context.Context, text string) []incident.Delivery {
	if len(p.Customers) == 0 {
		return []incident.Delivery{{Channel: "by hand", OK: true, At: p.now()}}
	}
	var jobs []job
	for _, c := range p.Customers {
		jobs = append(jobs, job{channel: c})
	}
	return p.deliver(ctx, jobs, Text{Event: "customer-message", Subject: p.Templates.CustomerSubject(), Body: text}, nil)
}

type job struct {
	channel Channel
	person  incident.Person
}

func (p *Post) deliver(ctx context.Context, jobs []job, text Text, cause error) []incident.Delivery {
	most := p.Limit
	if most == 0 {
		most = limit
	}
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	fates := make([]incident.Delivery, len(jobs))
	var group errgroup.Group
	group.SetLimit(parallel)
	for i, j := range jobs {
		group.Go(func() error {
			fates[i] = p.send(ctx, j, text, cause)
			return nil
		})
	}
	_ = group.Wait() // no job returns an error: its fate is in the delivery
	return fates
}

func (p *Post) send(ctx context.Context, j job, text Text, cause error) incident.Delivery {
	d := incident.Delivery{Channel: j.channel.Name(), To: j.person.ID}
	if cause == nil {
		d.Attempts, cause = within(ctx, func() (int, error) { return j.channel.Send(ctx, j.person, text) })
	}
	d.At, d.OK = p.now(), cause == nil
	if cause != nil {
		d.Error = cause.Error()
		if errors.Is(cause, context.DeadlineExceeded) {
			d.Error = "no answer in time; try again with lifeboat incident notify"
		}
	}
	if p.Log != nil {
		p.Log.Info("delivered", "channel", d.Channel, "to", d.To, "ok", d.OK, "attempts", d.Attempts, "err", d.Error)
	}
	return d
}

// within gives up on a channel when ctx ends, even if it hangs in a call that knows no
// context; it then ends by its own timeout, and what it still achieves is not counted.
func within(ctx context.Context, send func() (int, error)) (int, error) {
	type fate struct {
		attempts int
		err      error
	}
	done := make(chan fate, 1)
	go func() {
		attempts, err := send()
		done <- fate{attempts, err}
	}()
	select {
	case f := <-done:
		return f.attempts, f.err
	case <-ctx.Done():
	}
	select {
	case f := <-done: // it noticed, too, and knows more
		return f.attempts, f.err
	default:
		return 0, ctx.Err()
	}
}

func (p *Post) now() time.Time {
	now := time.Now
	if p.Clock != nil {
		now = p.Clock
	}
	return now().UTC().Truncate(time.Millisecond)
}
