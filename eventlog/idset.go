package eventlog

import (
	"cmp"
	"iter"
	"slices"
	"sort"
)

// IDRange is inclusive on both sides.
type IDRange struct{ First, Last int64 }

// IDSet is a set of change ids kept as sorted ranges, since ids are handed out in
// runs. The zero value is empty. It is not safe for concurrent use.
type IDSet struct{ ranges []IDRange } // sorted, disjoint, not adjacent

// Contains reports whether id is in the set.
func (s *IDSet) Contains(id int64) bool {
	i := s.search(id)
	return i < len(s.ranges) && s.ranges[i].First <= id
}

// search returns the first range whose Last is not below id.
func (s *IDSet) search(id int64) int {
	return sort.Search(len(s.ranges), func(i int) bool { return s.ranges[i].Last >= id })
}

// Add puts ids into the set.
func (s *IDSet) Add(ids ...int64) {
	var add IDSet
	add.ranges = rangesOf(ids)
	s.AddSet(&add)
}

// AddSet puts all of o into the set.
func (s *IDSet) AddSet(o *IDSet) {
	if len(o.ranges) == 0 {
		return
	}
	if n := len(s.ranges); n == 0 || s.ranges[n-1].Last < o.ranges[0].First {
		s.ranges = coalesce(append(s.ranges, o.ranges...), max(n-1, 0))
		return
	}
	all := append(slices.Clone(s.ranges), o.ranges...)
	slices.SortFunc(all, func(a, b IDRange) int { return cmp.Compare(a.First, b.First) })
	s.ranges = coalesce(all, 0)
}

// Remove takes ids out of the set; ids that are not in it are ignored.
func (s *IDSet) Remove(ids ...int64) {
	gone := rangesOf(ids)
	if len(gone) == 0 || len(s.ranges) == 0 {
		return
	}
	kept := make([]IDRange, 0, len(s.ranges)+len(gone))
	j := 0
	for _, r := range s.ranges {
		for j < len(gone) && gone[j].Last < r.First {
			j++
		}
		whole := true
		for k := j; k < len(gone) && gone[k].First <= r.Last; k++ {
			if gone[k].First > r.First {
				kept = append(kept, IDRange{r.First, gone[k].First - 1})
			}
			if gone[k].Last >= r.Last {
				whole = false
				break
			}
			r.First = max(r.First, gone[k].Last+1)
		}
		if whole {
			kept = append(kept, r)
		}
	}
	s.ranges = kept
}

// Len is how many ids are in the set.
func (s *IDSet) Len() uint64 {
	var n uint64
	for _, r := range s.ranges {
		n += uint64(r.Last) - uint64(r.First) + 1
	}
	return n
}

// All yields the ids in ascending order.
func (s *IDSet) All() iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for _, r := range s.ranges {
			for id := r.First; ; id++ {
				if !yield(id) {
					return
				}
				if id == r.Last {
					break
				}
			}
		}
	}
}

// Ranges returns the set as sorted, disjoint ranges.
func (s *IDSet) Ranges() []IDRange { return slices.Clone(s.ranges) }

// Clone returns a copy.
func (s *IDSet) Clone() *IDSet { return &IDSet{ranges: slices.Clone(s.ranges)} }

func rangesOf(ids []int64) []IDRange {
	if !slices.IsSorted(ids) {
		ids = slices.Clone(ids)
		slices.Sort(ids)
	}
	var out []IDRange
	for _, id := range ids {
		if n := len(out); n > 0 && (out[n-1].Last == id || out[n-1].Last+1 == id) {
			out[n-1].Last = id
			continue
		}
		out = append(out, IDRange{id, id})
	}
	return out
}

// coalesce joins ranges that touch, in place, from index `from` on. They are sorted by First.
func coalesce(r []IDRange, from int) []IDRange {
	out := r[:from+1]
	for _, next := range r[from+1:] {
		last := &out[len(out)-1]
		if next.First <= last.Last || next.First == last.Last+1 {
			last.Last = max(last.Last, next.Last)
			continue
		}
		out = append(out, next)
	}
	return out
}
