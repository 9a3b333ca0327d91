package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func stream(t *testing.T, events ...event) string {
	t.Helper()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	for _, e := range events {
		if err := enc.Encode(e); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestFinish(t *testing.T) {
	t.Parallel()
	passed := []event{
		{Action: "pass", Package: "p", Test: "TestA", Elapsed: 2},
		{Action: "output", Package: "p", Output: "ok  \tp\t0.1s\n"},
		{Action: "pass", Package: "p"},
	}
	skipped := []event{
		{Action: "output", Package: "p", Test: "TestB", Output: "=== RUN TestB\n"},
		{Action: "output", Package: "p", Test: "TestB", Output: "    b_test.go:7: no server\n"},
		{Action: "output", Package: "p", Test: "TestB", Output: "--- SKIP: TestB (0.00s)\n"},
		{Action: "skip", Package: "p", Test: "TestB"},
	}
	failed := []event{
		{Action: "output", Package: "p", Test: "TestC", Output: "got 1, want 2\n"},
		{Action: "fail", Package: "p", Test: "TestC"},
		{Action: "fail", Package: "p"},
	}
	panicked := []event{
		{Action: "output", Package: "p", Test: "TestD", Output: "panic: oh\n"},
		{Action: "fail", Package: "p"},
	}
	tests := []struct {
		name   string
		events []event
		allow  []allowance
		want   bool
		says   string
	}{
		{"all passed", passed, nil, true, "1 passed, 0 failed, 0 skipped\n"},
		{"package line is kept", passed, nil, true, "ok  \tp\t0.1s\n"},
		{"a skip needs leave", append(skipped, passed...), nil, false, "TestB: b_test.go:7: no server (NOT ALLOWED)"},
		{"a skip with leave", append(skipped, passed...), []allowance{{"p", "TestB", "needs a server"}}, true, "needs a server"},
		{"leave by prefix", append(skipped, passed...), []allowance{{"p", "Test*", "w"}}, true, "1 skipped"},
		{"leave for another package", append(skipped, passed...), []allowance{{"q", "TestB", "w"}}, false, "NOT ALLOWED"},
		{"a failure prints its output", append(failed, passed...), nil, false, "got 1, want 2\n"},
		{"a panic prints what was said", append(panicked, passed...), nil, false, "panic: oh\n"},
		{"nothing ran", nil, nil, false, "no test ran"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(stream(t, tt.events...))); err != nil {
				t.Fatal(err)
			}
			if got := r.finish(tt.allow, 3); got != tt.want {
				t.Errorf("finish = %v, want %v", got, tt.want)
			}
			if !strings.Contains(out.String(), tt.says) {
				t.Errorf("output lacks %q:\n%s", tt.says, out.String())
			}
		})
	}
}

func TestBuildErrorIsShown(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	if err := newReport(&out).read(strings.NewReader("x.go:1: syntax error\n")); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "syntax error") {
		t.Errorf("got %q", out.String())
	}
}

func TestReadAllowed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "skips.txt")
	if err := os.WriteFile(path, []byte("# why\n\nlifeboat/x TestY needs a server\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := readAllowed(path)
	if err != nil || len(got) != 1 || got[0] != (allowance{"lifeboat/x", "TestY", "needs a server"}) {
		t.Errorf("got %v, %v", got, err)
	}
	if err := os.WriteFile(path, []byte("lifeboat/x TestY\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readAllowed(path); err == nil {
		t.Error("a line without a reason was accepted")
	}
}
