// Command testreport reads `go test -json` on standard input and prints what a person
// wants of it: one line a package as go test prints it, the whole output of tests that
// failed, every skipped test with its reason, and the totals. It fails if a test failed,
// if a test was skipped that the allow list does not name, or if no test ran at all.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	allow := flag.String("allow", "", "file with the tests that may be skipped")
	slow := flag.Int("slow", 10, "how many of the slowest tests to list")
	flag.Parse()
	allowed, err := readAllowed(*allow)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	r := newReport(os.Stdout)
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
		os.Exit(2)
	}
	if !r.finish(allowed, *slow) {
		os.Exit(1)
	}
}
