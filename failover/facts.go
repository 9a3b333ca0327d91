package failover

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"lifeboat/eventlog"
	"lifeboat/restore"
)

// ErrRequest: the request cannot be planned as it was made.
var ErrRequest = errors.New("plan request not accepted")

// Request is what a person asks for.
type Request struct {
	ID       string
	Kind     Kind
	Target   restore.Target
	Created  time.Time
	Validity time.Duration // until the plan expires
	// StaleAccepted is the reason to use a mirror that is stale beyond the limit; "" = refuse it.
	StaleAccepted string
}

// Facts are what the DR side knows at a time: everything else a plan is made from. What
// could not be learnt is absent.
type Facts struct {
	Restore *restore.Plan // to the request's target
	Epoch   eventlog.Epoch
	End     eventlog.Position // of the mirror
	// Primary is the end of the primary's log; nil when its store cannot be read.
	Primary *eventlog.Position
	// Lost is when the primary was lost; zero = not known, or it was not.
	Lost time.Time
	// CommitsPerSecond is the recent rate of the log; nil when there is too little of it.
	CommitsPerSecond *float64

	Code     Code
	Images   []Image
	Settings string // SHA-256 of the stack settings, hex
	Region   string
	Backend  string
	Config   string // SHA-256 of what lifeboat.yaml says about failovers
	Database Database
	Keys     []Key
	Quotas   []Quota
	Quorum   Quorum
	Limits   Limits
	Steps    []Step // forecast
	Year     Year
}

// NewPlan makes the plan of a request from the facts. It is pure. It reads no clock: the
// request's Created is now.
func NewPlan(f Facts, r Request) (*Plan, error) {
	if err := f.check(r); err != nil {
		return nil, err
	}
	created := r.Created.UTC()
	p := &Plan{
		Format: Format, ID: r.ID, Kind: r.Kind, Created: created, Expires: created.Add(r.Validity), Target: r.Target,
		Point:  Point{Seq: f.Restore.Point.Seq, Time: f.Restore.Point.Time.UTC(), RestorePlan: f.Restore.ID},
		Mirror: Mirror{Epoch: f.Epoch, End: f.End, Newest: f.End.Time.UTC(), Lost: f.Lost.UTC(), StaleAccepted: r.StaleAccepted},
		Code:   f.Code, Images: slices.Clone(f.Images), Database: f.Database, Keys: slices.Clone(f.Keys), Quotas: slices.Clone(f.Quotas),
		Stack:  Stack{Name: "failover-" + r.ID, Settings: f.Settings, Region: f.Region, Backend: f.Backend, Config: f.Config},
		Quorum: f.Quorum, Limits: f.Limits,
	}
	p.Mirror.End.Time = p.Mirror.Newest
	p.Mirror.StaleSeconds = staleness(p.Mirror.Newest, f.Lost, created)
	p.Loss = f.loss(p)
	p.Forecast = f.forecast(created)
	p.normalise()
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return p, nil
}

func (f Facts) check(r Request) error {
	var problems []error
	bad := func(text string, args ...any) { problems = append(problems, fmt.Errorf(text, args...)) }
	if f.Restore == nil {
		bad("there is no restore plan to make it from")
	}
	if r.Validity <= 0 {
		bad("a plan has to be valid for some time, not %s", r.Validity)
	}
	if r.Created.IsZero() {
		bad("it has no time")
	}
	if !slices.Contains([]Kind{Failover, Drill, Failback}, r.Kind) {
		bad("kind %q is not one of failover, drill, failback", r.Kind)
	}
	problems = append(problems, CheckID(r.ID))
	if err := errors.Join(problems...); err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return nil
}

// staleness is how far the mirror's newest commit is behind the loss, or behind now while
// nobody said when that was. A database that nobody writes to looks stale, too; who plans
// can accept it with a reason.
func staleness(newest, lost, now time.Time) float64 {
	end := now
	if !lost.IsZero() {
		end = lost
	}
	if newest.IsZero() {
		return 0
	}
	return millis(max(0, end.Sub(newest).Seconds()))
}

// loss predicts what is lost: exactly where the primary's log can be read, as a bound in
// seconds and an estimate where it cannot.
func (f Facts) loss(p *Plan) Loss {
	l := Loss{Seconds: p.Mirror.StaleSeconds}
	if p.Mirror.End.Seq > p.Point.Seq {
		l.GivenUp = uint64(p.Mirror.End.Seq - p.Point.Seq)
	}
	switch {
	case p.Kind == Drill:
		var none uint64
		l.Transactions, l.Seconds = &none, 0
		l.Basis = "a drill loses nothing: the primary goes on"
	case f.Primary != nil:
		var ahead uint64
		l.Seconds = 0
		if f.Primary.Seq > f.End.Seq {
			ahead = uint64(f.Primary.Seq - f.End.Seq)
			l.Seconds = millis(max(0, f.Primary.Time.Sub(f.End.Time).Seconds()))
		}
		l.Transactions = &ahead
		l.Basis = "the primary's log can be read: these are what it has more than the mirror; the fence saves what it still can. " +
			"Commits that the database has and its log does not are not known"
	default:
		l.Basis = "the primary's log cannot be read: how many commits it held alone is not known. " +
			"None of them was acknowledged by a barrier unless the writer had been let go on without the mirror"
		if f.CommitsPerSecond != nil {
			n := uint64(math.Ceil(*f.CommitsPerSecond * l.Seconds))
			l.Estimated = &n
			l.Basis += fmt.Sprintf("; estimated from the recent %.3g commits a second", *f.CommitsPerSecond)
		}
	}
	return l
}

func (f Facts) forecast(created time.Time) Forecast {
	c := Forecast{Steps: slices.Clone(f.Steps), LimitSeconds: OutageLimit.Seconds(), Year: f.Year}
	for i := range c.Steps {
		s := &c.Steps[i]
		s.Start, s.Seconds = millis(s.Start), millis(s.Seconds)
		c.TotalSeconds = max(c.TotalSeconds, millis(s.Start+s.Seconds))
	}
	outage := c.TotalSeconds
	if !f.Lost.IsZero() {
		elapsed := millis(max(0, created.Sub(f.Lost).Seconds()))
		c.ElapsedSeconds = &elapsed
		outage += elapsed
	}
	c.Year.LeftSeconds = c.Year.AllowanceSeconds - c.Year.UsedSeconds
	c.WithinLimit = outage <= c.LimitSeconds
	// An outage that the ledger counts already is in UsedSeconds up to now.
	c.WithinYear = c.TotalSeconds <= c.Year.LeftSeconds
	return c
}

// millis rounds to what a plan writes down.
func millis(seconds float64) float64 { return math.Round(seconds*1000) / 1000 }
