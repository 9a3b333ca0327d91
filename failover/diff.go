package failover

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"lifeboat/restore"
)

// Reasons why a plan is not true any more, to test for with errors.Is.
var (
	// ErrStale: the mirror is further behind the loss than the limit, and nobody accepted that.
	ErrStale = errors.New("mirror is stale beyond the limit")
	// ErrMoved: the mirror's log is not where it was.
	ErrMoved = errors.New("mirror has moved since the plan was made")
	// ErrCode: the code in the mirror is another.
	ErrCode = errors.New("code has changed since the plan was made")
	// ErrConfig: stack settings, images, database, region, or what lifeboat.yaml says.
	ErrConfig = errors.New("configuration has changed since the plan was made")
	// ErrKeys: the mirror's objects are under another root key.
	ErrKeys = errors.New("root keys have changed since the plan was made")
	// ErrQuorum: who has to sign, or the allowed_signers file, is another.
	ErrQuorum = errors.New("who may approve has changed since the plan was made")
	// ErrQuota: the DR region has no longer room for the stack.
	ErrQuota = errors.New("quota in the DR region does not suffice")
)

// Change is one field of a plan that is no longer so.
type Change struct {
	Field   string `json:"field"` // dotted, as in the plan's JSON; list items by their number from 0
	Planned string `json:"planned"`
	Now     string `json:"now"`
	// Refuses is whether a run has to be refused for it. Forecasts, for one, may change.
	Refuses bool  `json:"refuses"`
	reason  error // sentinel, when it refuses
}

func (c Change) String() string { return fmt.Sprintf("%s was %s, is %s", c.Field, c.Planned, c.Now) }

// rules say what a change of a field means: the first whose prefix fits. A nil reason is
// told and does not refuse.
var rules = []struct {
	prefix string
	reason error
}{
	{"code.", ErrCode}, {"images", ErrConfig}, {"stack.", ErrConfig}, {"database.", ErrConfig}, {"limits.", ErrConfig},
	{"keys", ErrKeys}, {"quorum.", ErrQuorum}, {"point.", ErrMoved}, {"mirror.epoch", ErrMoved}, {"mirror.end", ErrMoved},
	{"mirror.newest", nil}, {"mirror.lost", nil}, {"mirror.stale_seconds", nil}, {"quotas", nil}, {"loss.", nil}, {"forecast.", nil},
}

// Diff names every field of the plan that the facts of a later time contradict, in the
// plan's order. facts.Restore has to be to the plan's target.
//
// A mirror that has moved refuses a failover or failback that goes to the latest point: the
// side that was to be replaced still writes, or its log has another end than the one whose
// loss was approved. A drill, and a run to a given Seq or time, only tell it, as long as the
// point itself is the same.
func Diff(p *Plan, facts Facts, now time.Time) ([]Change, error) {
	again, err := NewPlan(facts, Request{ID: p.ID, Kind: p.Kind, Target: p.Target, Created: now, Validity: time.Second,
		StaleAccepted: p.Mirror.StaleAccepted})
	if err != nil {
		return nil, fmt.Errorf("compare plan %s with how it is now: %w", p.ID, err)
	}
	again.Created, again.Expires = p.Created, p.Expires
	changes, err := Compare(p, again)
	if err != nil {
		return nil, err
	}
	for i := range changes {
		c := &changes[i]
		c.reason = reasonFor(c.Field)
		if errors.Is(c.reason, ErrMoved) && tolerant(p, again, c.Field) {
			c.reason = nil
		}
		c.Refuses = c.reason != nil
	}
	return append(changes, present(again)...), nil
}

func reasonFor(field string) error {
	for _, r := range rules {
		if field == strings.TrimSuffix(r.prefix, ".") || strings.HasPrefix(field, r.prefix) {
			return r.reason
		}
	}
	return ErrConfig // a field that no rule knows is never let pass
}

// tolerant tells whether a move of the mirror leaves the plan what it was.
func tolerant(p, again *Plan, field string) bool {
	forward := again.Mirror.End.Seq >= p.Mirror.End.Seq && again.Mirror.Epoch >= p.Mirror.Epoch
	fixed := p.Target != restore.Latest()
	switch {
	case p.Kind == Drill:
		return forward // it restores to the point as planned, which the run proves to be there
	case fixed && !strings.HasPrefix(field, "point.seq"):
		// Newer snapshots and packs make other restore plans for the same point.
		return forward && again.Point.Seq == p.Point.Seq
	}
	return field == "point.restore_plan" && again.Mirror.End == p.Mirror.End
}

// present are what the facts say is wrong by itself, whatever the plan says.
func present(again *Plan) []Change {
	var found []Change
	m := again.Mirror
	if again.Kind != Drill && again.Limits.StaleSeconds > 0 && m.StaleSeconds > again.Limits.StaleSeconds && m.StaleAccepted == "" {
		found = append(found, Change{Field: "mirror.stale_seconds", Refuses: true, reason: ErrStale,
			Planned: fmt.Sprintf("at most %g", again.Limits.StaleSeconds),
			Now:     fmt.Sprintf("%g (newest commit %s)", m.StaleSeconds, m.Newest.Format(time.RFC3339Nano))})
	}
	for i, q := range again.Quotas {
		if q.Free != nil && *q.Free < q.Need {
			found = append(found, Change{Field: fmt.Sprintf("quotas.%d.free", i), Refuses: true, reason: ErrQuota,
				Planned: fmt.Sprintf("at least %d of %s", q.Need, q.Name), Now: fmt.Sprint(*q.Free)})
		}
	}
	return found
}

// Compare names every field in which two plans differ, in the order of the first.
func Compare(a, b *Plan) ([]Change, error) {
	left, err := flatten(a)
	if err != nil {
		return nil, err
	}
	right, err := flatten(b)
	if err != nil {
		return nil, err
	}
	var changes []Change
	for _, f := range left {
		if now, ok := right.find(f.path); !ok || now != f.value {
			if !ok {
				now = absent
			}
			changes = append(changes, Change{Field: f.path, Planned: f.value, Now: now})
		}
	}
	for _, f := range right {
		if _, ok := left.find(f.path); !ok {
			changes = append(changes, Change{Field: f.path, Planned: absent, Now: f.value})
		}
	}
	return changes, nil
}

const absent = "absent"

// field is one leaf of a plan's JSON.
type field struct{ path, value string }

type fields []field

func (f fields) find(path string) (string, bool) {
	i := slices.IndexFunc(f, func(x field) bool { return x.path == path })
	if i < 0 {
		return "", false
	}
	return f[i].value, true
}

func flatten(p *Plan) (fields, error) {
	c := *p
	c.normalise()
	text, err := json.Marshal(&c)
	if err != nil {
		return nil, fmt.Errorf("encode plan: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var out fields
	return out, walk(d, "", &out)
}

// walk reads one JSON value and appends its leaves under path.
func walk(d *json.Decoder, path string, out *fields) error {
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("read plan: %w", err)
	}
	delim, ok := token.(json.Delim)
	if !ok {
		*out = append(*out, field{path, fmt.Sprint(token)})
		return nil
	}
	n := 0
	for ; d.More(); n++ {
		key := fmt.Sprint(n)
		if delim == '{' {
			token, err := d.Token()
			if err != nil {
				return fmt.Errorf("read plan: %w", err)
			}
			key = fmt.Sprint(token)
		}
		if err := walk(d, strings.TrimPrefix(path+"."+key, "."), out); err != nil {
			return err
		}
	}
	if n == 0 {
		*out = append(*out, field{path, "none"})
	}
	_, err = d.Token() // the closing bracket
	return err
}
