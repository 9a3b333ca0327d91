package mssql

import (
	"cmp"
	"slices"

	"lifeboat/internal/database"
)

// Ranks say what is made before what where nothing depends on anything: the order of a
// restore. Ranks below rankAfter run before the load.
const (
	rankSchema = iota
	rankXMLCollection
	rankType
	rankSequence
	rankEarlyFunction // used by computed columns
	rankClustered     // clustered indexes that are not primary keys: rows go straight into them
	rankAfter
	rankKey
	rankIndex
	rankStatistics
	rankDefault
	rankCheck
	rankForeignKey
	rankTableType
	rankSynonym
	rankFunction
	rankView
	rankViewIndex
	rankProcedure
	rankTemporal
	rankTableOption
	rankTrigger
	rankTriggerState
	rankRole
	rankUser
	rankMember
	rankOwner
	rankPermission
	rankPolicy
	rankProperty
	rankDatabaseTrigger
)

// node is an object of the schema on its way into order.
type node struct {
	database.Object
	rank int
	id   int   // object_id or user_type_id that others depend on; 0 = none
	deps []int // ids that must exist before
}

// ordered sorts nodes by rank and name, each after what it depends on. In a circle,
// which only procedures and functions with late name resolution can make, rank and name
// decide alone.
func ordered(nodes []node) []database.Object {
	slices.SortStableFunc(nodes, func(a, b node) int {
		return cmp.Or(cmp.Compare(a.rank, b.rank), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	})
	pending := map[int]int{} // how many nodes make an id
	for _, n := range nodes {
		if n.id != 0 {
			pending[n.id]++
		}
	}
	done := make([]bool, len(nodes))
	objects := make([]database.Object, 0, len(nodes))
	take := func(i int) {
		done[i] = true
		if nodes[i].id != 0 {
			pending[nodes[i].id]--
		}
		objects = append(objects, nodes[i].Object)
	}
	for len(objects) < len(nodes) {
		next := -1
		for i := range nodes {
			if done[i] {
				continue
			}
			if next < 0 {
				next = i // the first that is left, should all be waiting
			}
			if !waits(nodes[i], pending) {
				next = i
				break
			}
		}
		take(next)
	}
	return objects
}

func waits(n node, pending map[int]int) bool {
	for _, d := range n.deps {
		if d != n.id && pending[d] > 0 {
			return true
		}
	}
	return false
}
