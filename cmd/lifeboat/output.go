package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// report prints a result: v as JSON with --json, else what text writes, in aligned
// columns where it uses tabs.
func (a *app) report(v any, text func(w io.Writer)) error {
	if a.json {
		return writeJSON(a.stdout, v)
	}
	w := tabwriter.NewWriter(a.stdout, 0, 8, 2, ' ', 0)
	text(w)
	return w.Flush()
}

func writeJSON(w io.Writer, v any) error {
	b, err := json.MarshalIndent(withLists(v), "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

// bar draws progress on standard error, if that is a terminal and nobody asked for quiet.
// Its methods do nothing otherwise.
type bar struct{ b *progressbar.ProgressBar }

// progress begins a bar; total < 0 if it is not known.
func (a *app) progress(what string, total int64) *bar {
	file, ok := a.stderr.(*os.File)
	if !ok || a.quiet || a.json || !term.IsTerminal(int(file.Fd())) {
		return &bar{}
	}
	return &bar{progressbar.NewOptions64(total,
		progressbar.OptionSetWriter(a.stderr), progressbar.OptionSetDescription(what),
		progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionClearOnFinish(), progressbar.OptionSpinnerType(14),
	)}
}

func (b *bar) set(n, total int64) {
	if b.b == nil {
		return
	}
	b.b.ChangeMax64(total)
	_ = b.b.Set64(n) // drawing only
}

func (b *bar) done() {
	if b.b != nil {
		_ = b.b.Finish() // drawing only
	}
}

// utc is how times are printed: RFC 3339, full precision, UTC; "-" for none.
func utc(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format(time.RFC3339Nano)
}

func line(w io.Writer, format string, args ...any) { fmt.Fprintf(w, format+"\n", args...) }
