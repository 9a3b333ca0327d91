package restore

import (
	"context"
	"fmt"

	"lifeboat/internal/database"
)

// Part is a share of a plan's load, of which Count processes can do one each, at once,
// without a word between them: the same plan is always divided the same way, into key
// ranges of about as many bytes. The zero Part is everything.
type Part struct {
	Index int `json:"index"` // from 0
	Count int `json:"count"`
}

// String is how a command line writes it: "0/4".
func (p Part) String() string { return fmt.Sprintf("%d/%d", p.Index, p.Count) }

// ParsePart is the inverse of String.
func ParsePart(text string) (Part, error) {
	var p Part
	if _, err := fmt.Sscanf(text, "%d/%d", &p.Index, &p.Count); err != nil || p.String() != text || p.check() != nil {
		return Part{}, fmt.Errorf("part %q is not I/N, with I from 0 to N-1, such as 0/4", text)
	}
	return p, nil
}

func (p Part) check() error {
	if p.Index < 0 || p.Count < 1 || p.Index >= p.Count {
		return fmt.Errorf("there is no part %d of %d", p.Index, p.Count)
	}
	return nil
}

// Load loads one part of a plan's rows into a target and leaves the rest of a restore to
// Run, which finds loaded what the parts have loaded, and loads what none of them has. When
// it returns nil the part's rows are in the target, each exactly once; nothing is verified
// yet. Parts may run beside each other, beside a second process of the same part, and
// beside Run: a unit is in the target once whoever loads it.
func Load(ctx context.Context, cfg Config, plan *Plan, target database.Target, part Part) (*Result, error) {
	if err := cfg.applyDefaultsAndValidate(); err != nil {
		return nil, err
	}
	if err := part.check(); err != nil {
		return nil, fmt.Errorf("restore: %w", err)
	}
	r := &restorer{cfg: cfg, plan: plan, target: target, part: part, result: &Result{PlanID: plan.ID, Point: plan.Point}}
	if !cfg.Unpinned {
		defer r.pin(ctx)()
	}
	if err := r.fill(ctx); err != nil {
		return r.result, fmt.Errorf("load part %s of a restore to seq %d: %w", part, uint64(plan.Point.Seq), err)
	}
	return r.result, nil
}

// share divides the groups of all tables among the parts and keeps this one's. Groups stay
// in order, so that a part's share of a table is a range of its keys. A table in no order
// of its own cannot be divided: its new rows are known only when all of it has been merged.
func (r *restorer) share() {
	if r.part.Count < 2 {
		return
	}
	r.mine = make([][]bool, len(r.chunks))
	type item struct {
		table, from, to int // groups
		weight          int64
	}
	var items []item
	var total int64
	for i := range r.chunks {
		ordered := r.plan.Base().Tables[i].Ordered
		groups := groupsOf(i, r.chunks[i], ordered)
		r.mine[i] = make([]bool, len(groups))
		for n, g := range groups {
			if ordered || n == 0 {
				items = append(items, item{table: i, from: n})
			}
			last := &items[len(items)-1]
			last.to = n + 1
			w := g.weight() + 1
			last.weight, total = last.weight+w, total+w
		}
	}
	var before int64
	for _, it := range items {
		owner := int((before + it.weight/2) * int64(r.part.Count) / total)
		before += it.weight
		for n := it.from; n < it.to; n++ {
			r.mine[it.table][n] = owner == r.part.Index
		}
	}
}

// owns tells whether a group is this part's to load.
func (r *restorer) owns(g group) bool { return r.mine == nil || r.mine[g.table][g.number] }

// concerned tells by table whether any of it is this part's; nil: all of them.
func (r *restorer) concerned() []bool {
	if r.mine == nil {
		return nil
	}
	some := make([]bool, len(r.mine))
	for i, groups := range r.mine {
		for _, mine := range groups {
			some[i] = some[i] || mine
		}
	}
	return some
}
