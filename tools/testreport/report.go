package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// event is one line of `go test -json`, as `go doc test2json` describes it.
type event struct {
	Action  string
	Package string
	Test    string
	Output  string
	Elapsed float64 // seconds
}

type testID struct{ pkg, name string }

type report struct {
	out     io.Writer
	output  map[testID][]string // of tests that have not ended; of packages under name ""
	took    map[testID]float64
	skipped map[testID]string // the reason
	passed  int
	failed  int
	broken  []string // packages that failed, by whatever cause
}

func newReport(out io.Writer) *report {
	return &report{out: out, output: map[testID][]string{}, took: map[testID]float64{}, skipped: map[testID]string{}}
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 64<<20) // a failing property test prints megabytes on one line
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			fmt.Fprintln(r.out, lines.Text()) // a build error comes as plain text
			continue
		}
		r.take(e)
	}
	return lines.Err()
}

func (r *report) take(e event) {
	id := testID{e.Package, e.Test}
	switch e.Action {
	case "output", "build-output":
		r.output[id] = append(r.output[id], e.Output)
	case "pass", "fail", "skip":
		if e.Test == "" {
			r.endPackage(e)
		} else {
			r.endTest(id, e)
		}
		delete(r.output, id)
	}
}

func (r *report) endTest(id testID, e event) {
	r.took[id] = e.Elapsed
	switch e.Action {
	case "pass":
		r.passed++
	case "skip":
		r.skipped[id] = reason(r.output[id])
	case "fail":
		r.failed++
		fmt.Fprint(r.out, strings.Join(r.output[id], ""))
	}
}

func (r *report) endPackage(e event) {
	output := r.output[testID{e.Package, ""}]
	if e.Action == "fail" {
		r.broken = append(r.broken, e.Package)
		for id, lines := range r.output { // a panic ends a package without ending its tests
			if id.pkg == e.Package && id.name != "" {
				fmt.Fprint(r.out, strings.Join(lines, ""))
			}
		}
		fmt.Fprint(r.out, strings.Join(output, ""))
		return
	}
	for _, line := range output {
		if strings.HasPrefix(line, "ok ") || strings.HasPrefix(line, "? ") || strings.Contains(line, "[no test files]") {
			fmt.Fprint(r.out, line)
		}
	}
}

// reason is the last line a skipped test said before go test's own.
func reason(output []string) string {
	for _, line := range slices.Backward(output) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "---") && !strings.HasPrefix(line, "===") {
			return line
		}
	}
	return "no reason given"
}

// finish prints the closing part and tells whether all is well.
func (r *report) finish(allowed []allowance, slow int) bool {
	r.printSlowest(slow)
	refused := r.printSkipped(allowed)
	for _, pkg := range r.broken {
		fmt.Fprintln(r.out, "FAIL", pkg)
	}
	fmt.Fprintf(r.out, "%d passed, %d failed, %d skipped\n", r.passed, r.failed, len(r.skipped))
	if r.passed == 0 {
		fmt.Fprintln(r.out, "FAIL: no test ran")
	}
	if refused > 0 {
		fmt.Fprintf(r.out, "FAIL: %d tests were skipped that .ci/skips.txt does not allow\n", refused)
	}
	return r.failed == 0 && len(r.broken) == 0 && refused == 0 && r.passed > 0
}

func (r *report) printSlowest(n int) {
	ids := make([]testID, 0, len(r.took))
	for id := range r.took {
		if !strings.Contains(id.name, "/") {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b testID) int {
		if d := r.took[b] - r.took[a]; d != 0 {
			return int(d * 1000)
		}
		return strings.Compare(a.pkg+a.name, b.pkg+b.name)
	})
	fmt.Fprintln(r.out, "slowest tests:")
	for _, id := range ids[:min(n, len(ids))] {
		fmt.Fprintf(r.out, "  %7.2f s  %s %s\n", r.took[id], id.pkg, id.name)
	}
}

func (r *report) printSkipped(allowed []allowance) (refused int) {
	ids := make([]testID, 0, len(r.skipped))
	for id := range r.skipped {
		ids = append(ids, id)
	}
	slices.SortFunc(ids, func(a, b testID) int { return strings.Compare(a.pkg+" "+a.name, b.pkg+" "+b.name) })
	if len(ids) == 0 {
		fmt.Fprintln(r.out, "no test was skipped")
		return 0
	}
	fmt.Fprintln(r.out, "skipped tests:")
	for _, id := range ids {
		verdict := "allowed: "
		why, ok := permit(allowed, id)
		if !ok {
			verdict = "NOT ALLOWED"
			refused++
		}
		fmt.Fprintf(r.out, "  %s %s: %s (%s%s)\n", id.pkg, id.name, r.skipped[id], verdict, why)
	}
	return refused
}

// allowance is one line of the allow list.
type allowance struct{ pkg, test, why string }

func readAllowed(path string) ([]allowance, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var list []allowance
	for n, line := range strings.Split(string(text), "\n") {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 3 {
			return nil, fmt.Errorf("%s line %d: want PACKAGE TEST REASON", path, n+1)
		}
		list = append(list, allowance{fields[0], fields[1], strings.Join(fields[2:], " ")})
	}
	return list, nil
}

func permit(allowed []allowance, id testID) (why string, ok bool) {
	for _, a := range allowed {
		prefix, wild := strings.CutSuffix(a.test, "*")
		if a.pkg == id.pkg && (a.test == id.name || wild && strings.HasPrefix(id.name, prefix)) {
			return a.why, true
		}
	}
	return "", false
}
