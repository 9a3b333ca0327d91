package mirror

import (
	"iter"
	"slices"
	"strings"

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
	return s.has(name) && !s.named(name) && !slices.Contains(s.Log.Strays, name)
}

// holders are the whole objects of this region that together hold what an object of the
// log holds, nil if they do not. Any other object is held by itself alone.
func (s *Side) holders(name string) (found []string) {
	if s.whole(name) {
		return []string{name}
	}
	epoch, first, last, ok := eventlog.Holds(name)
	if !ok {
		return nil
	}
	for slot := first; slot <= last; {
		holder, through := s.holder(epoch, slot)
		if holder == "" {
			return nil
		}
		found, slot = append(found, holder), through+1
	}
	return found
}

// holder is a whole object that holds a slot, and the last slot it holds; "" for none.
func (s *Side) holder(e eventlog.Epoch, slot eventlog.Slot) (name string, through eventlog.Slot) {
	if single := eventlog.SegmentName(e, slot); s.whole(single) {
		return single, slot
	}
	for _, p := range s.packs {
		if p.epoch == e && p.first <= slot && slot <= p.last && s.whole(p.name) {
			return p.name, p.last
		}
	}
	return "", slot
}

// heals says what of this region heals a finding in the other one. A run of missing
// segments falls into parts that are here and parts that are not.
func (s *Side) heals(f Finding) (parts []Finding) {
	if f.Through == "" {
		f.From = s.holders(f.Object)
		f.Elsewhere = f.From != nil
		return []Finding{f}
	}
	epoch, slot, _, _ := eventlog.Holds(f.Object)
	_, _, last, _ := eventlog.Holds(f.Through)
	for slot <= last {
		holder, through := s.holder(epoch, slot)
		through = min(through, last)
		if n := len(parts); n == 0 || parts[n-1].Elsewhere != (holder != "") {
			part := f
			part.Object, part.Through, part.Elsewhere, part.From = eventlog.SegmentName(epoch, slot), "", holder != "", nil
			parts = append(parts, part)
		}
		part := &parts[len(parts)-1]
		if holder != "" {
			part.From = append(part.From, holder)
		}
		if end := eventlog.SegmentName(epoch, through); end != part.Object {
			part.Through = end
		}
		slot = through + 1
	}
	for i := range parts {
		parts[i].Detail = eventlog.ErrGap.Error()
		if through := parts[i].Through; through != "" {
			parts[i].Detail += ": this and all up to " + through
		}
	}
	return parts
}

// names are those that a finding is about.
func (f *Finding) names() iter.Seq[string] {
	return func(yield func(string) bool) {
		if !yield(f.Object) || f.Through == "" {
			return
		}
		epoch, first, _, _ := eventlog.Holds(f.Object)
		_, _, last, _ := eventlog.Holds(f.Through)
		for slot := first + 1; slot <= last && yield(eventlog.SegmentName(epoch, slot)); slot++ {
		}
	}
}

// about tells whether a finding is about an object, by itself or in its run.
func (f *Finding) about(name string) bool {
	return name == f.Object || f.Through != "" && strings.HasPrefix(name, segments) && f.Object <= name && name <= f.Through
}
