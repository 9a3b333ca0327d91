package inventory

import (
	"fmt"
	"slices"
	"strings"

	"lifeboat/infra/record"
)

// Mermaid draws a stack: a box for each component with its kinds of resources counted,
// and an arrow where something in one component needs something in another. Resources
// that only sit inside their component (records, rules, grants) are in the counts.
func Mermaid(stack string, made []record.Resource) string {
	home := make(map[string]string) // resource to component
	boxes := make(map[string]map[string]int)
	for _, r := range made {
		if strings.HasPrefix(r.Type, "lifeboat:infra:") {
			boxes[r.Name] = make(map[string]int)
		}
	}
	for _, r := range made {
		if strings.HasPrefix(r.Type, "lifeboat:infra:") {
			continue
		}
		box := r.Parent[strings.LastIndexByte(r.Parent, ' ')+1:]
		if boxes[box] == nil {
			box = "stack"
			if boxes[box] == nil {
				boxes[box] = make(map[string]int)
			}
		}
		home[r.Key()] = box
		boxes[box][r.Type[strings.LastIndexByte(r.Type, ':')+1:]]++
	}
	var b strings.Builder
	fmt.Fprintf(&b, "flowchart LR\n  subgraph %s\n", stack)
	for _, box := range sorted(boxes) {
		var lines []string
		for _, kind := range sorted(boxes[box]) {
			if n := boxes[box][kind]; n > 1 {
				kind = fmt.Sprintf("%d × %s", n, kind)
			}
			lines = append(lines, kind)
		}
		fmt.Fprintf(&b, "    %s[\"<b>%s</b><br/>%s\"]\n", box, box, strings.Join(lines, "<br/>"))
	}
	b.WriteString("  end\n")
	for _, edge := range edges(made, home) {
		fmt.Fprintf(&b, "  %s --> %s\n", edge[0], edge[1])
	}
	return b.String()
}

// edges are the pairs of components of which the first needs the second, without those
// that follow from others.
func edges(made []record.Resource, home map[string]string) [][2]string {
	needs := make(map[string]map[string]bool)
	for _, r := range made {
		for _, d := range r.DependsOn {
			from, to := home[r.Key()], home[d]
			if from == "" || to == "" || from == to || to == "stack" {
				continue
			}
			if needs[from] == nil {
				needs[from] = make(map[string]bool)
			}
			needs[from][to] = true
		}
	}
	var all [][2]string
	for _, from := range sorted(needs) {
		for _, to := range sorted(needs[from]) {
			if !follows(needs, from, to) {
				all = append(all, [2]string{from, to})
			}
		}
	}
	return all
}

// follows reports whether one step between the two leads there as well.
func follows(needs map[string]map[string]bool, from, to string) bool {
	for via := range needs[from] {
		if via != to && needs[via][to] && !needs[to][via] && !needs[via][from] {
			return true
		}
	}
	return false
}

func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
