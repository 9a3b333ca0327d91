package mirror

import (
	"slices"

	"lifeboat/eventlog"
)

// A segment may be an object of its own in one region and part of a pack in the other,
// because each store is compacted by itself. So what a region holds is asked by slot.

// packed is a pack as its name describes it.
type packed struct {
	name        string
	epoch       eventlog.Epoch
	first, last eventlog.Slot
}

func (s *Side) packsOf() (list []packed) {
	for name := range s.names {
		if e, first, last, ok := eventlog.Holds(name); ok && name != eventlog.SegmentName(e, first) {
			list = append(list, packed{name, e, first, last})
		}
	}
	return list
}

// whole tells whether the region has an object and nothing was found wrong with it. A
// stray fence is no form of the segment whose name it has.
func (s *Side) whole(name string) bool {
	return s.names[name] && !s.named(name) && !slices.Contains(s.Log.Strays, name)
}

// holders are the whole objects of this region that together hold what an object of the
// log holds, nil if they do not. Any other object is held by itself alone.
func (s *Side) holders(name string) []string {
	if s.whole(name) {
		return []string{name}
	}
	epoch, first, last, ok := eventlog.Holds(name)
	if !ok {
		return nil
	}
	var found []string
	for slot := first; slot <= last; {
		if single := eventlog.SegmentName(epoch, slot); s.whole(single) {
			found = append(found, single)
			slot++
			continue
		}
		at := slices.IndexFunc(s.packs, func(p packed) bool {
			return p.epoch == epoch && p.first <= slot && slot <= p.last && s.whole(p.name)
		})
		if at < 0 {
			return nil
		}
		found = append(found, s.packs[at].name)
		slot = s.packs[at].last + 1
	}
	return found
}
