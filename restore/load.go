package restore

import (
	"context"

	"lifeboat/restore/internal/pipeline"
)

// groupsFor lists the groups of all tables, in the order in which they are merged, and
// leaves out whole tables that are loaded already or another part's.
func (r *restorer) groupsFor(loaded *progress) []group {
	var all []group
	for i := range r.chunks {
		groups := groupsOf(i, r.chunks[i], r.plan.Base().Tables[i].Ordered)
		missing := false
		for _, g := range groups {
			missing = missing || r.owns(g) && !loaded.has(g)
		}
		if missing {
			all = append(all, groups...)
		}
	}
	return all
}

// merge walks over all groups, fetching ahead, and sends units.
func (r *restorer) merge(ctx context.Context, loaded *progress, units chan<- *unit) error {
	groups := r.groupsFor(loaded)
	skip := func(g group) bool {
		return r.plan.Base().Tables[g.table].Ordered && (loaded.has(g) || !r.owns(g))
	}
	work := pipeline.Pipeline[[][]byte]{
		Memory: pipeline.NewBudget(r.cfg.Memory / 5), Requests: readers,
		Weigh: func(i int) int64 {
			if skip(groups[i]) {
				return 0
			}
			return groups[i].weight()
		},
		Fetch: func(ctx context.Context, i int) ([][]byte, error) {
			if skip(groups[i]) {
				return nil, nil
			}
			return r.fetchGroup(ctx, groups[i])
		},
	}
	c := &cutter{ctx: ctx, units: units, loaded: loaded}
	var m *Merger
	defer func() {
		if m != nil {
			_ = m.Close() // its file has no name any more
		}
	}()
	for f, err := range work.Run(ctx, len(groups)) {
		if err != nil {
			return err
		}
		g := groups[f.Index]
		if m == nil {
			if m, err = r.net.Merger(g.table, Rows{Keep: c.add, Add: c.add}); err != nil {
				return err
			}
		}
		c.users = newUsers(f.Release)
		if skip(g) {
			err = m.Skip(g.next)
		} else {
			err = r.mergeGroup(m, c, g, f.Value)
		}
		c.users.leave()
		if err != nil {
			return err
		}
		if g.last {
			if err := m.Close(); err != nil {
				return err
			}
			m = nil
		}
	}
	return nil
}

func (r *restorer) fetchGroup(ctx context.Context, g group) ([][]byte, error) {
	payloads := make([][]byte, len(g.chunks))
	for i, c := range g.chunks {
		var err error
		if payloads[i], err = r.codec.Fetch(ctx, r.cfg.Store, KindRows, c.Ref); err != nil {
			return nil, err
		}
	}
	return payloads, nil
}

func (r *restorer) mergeGroup(m *Merger, c *cutter, g group, payloads [][]byte) error {
	c.group, c.part = g, 0
	for i, chunk := range g.chunks {
		next := g.next
		if i+1 < len(g.chunks) {
			next = g.chunks[i+1].Start
		}
		if err := m.Chunk(chunk, payloads[i], next); err != nil {
			return err
		}
	}
	if g.last {
		if err := m.Finish(); err != nil {
			return err
		}
	}
	return c.send(true)
}
