package report_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/incident/report"
)

var update = flag.Bool("update", false, "write the golden files")

func TestGoldenReports(t *testing.T) {
	t.Parallel()
	for name, data := range samples(t) {
		src, err := report.NewSource(t0.AddDate(0, 0, 28), data)
		require.NoError(t, err)
		for _, form := range report.Forms() {
			t.Run(name+"."+string(form), func(t *testing.T) {
				t.Parallel()
				got, err := src.Render(form)
				require.NoError(t, err)
				file := fmt.Sprintf("testdata/v1/%s.%s", name, form)
				if *update {
					require.NoError(t, os.MkdirAll("testdata/v1", 0o755))
					require.NoError(t, os.WriteFile(file, got, 0o644))
				}
				want, err := os.ReadFile(file)
				require.NoError(t, err)
				require.Equal(t, string(want), string(got))
				found, is, err := report.Verify(want)
				require.NoError(t, err)
				require.Equal(t, form, is)
				require.Equal(t, src.SHA256, found.SHA256)
			})
		}
	}
}

// TestEveryAlteredLineIsFound changes each line of each form by one character.
func TestEveryAlteredLineIsFound(t *testing.T) {
	t.Parallel()
	for name, data := range samples(t) {
		src, err := report.NewSource(t0, data)
		require.NoError(t, err)
		for _, form := range report.Forms() {
			t.Run(name+"."+string(form), func(t *testing.T) {
				t.Parallel()
				body, err := src.Render(form)
				require.NoError(t, err)
				lines := strings.SplitAfter(string(body), "\n")
				for i := 0; i < len(lines); i += 1 + len(lines)/60 {
					if lines[i] == "" {
						continue
					}
					changed := append([]string{}, lines...)
					middle := len(lines[i]) / 2
					changed[i] = lines[i][:middle] + "7" + lines[i][middle:]
					_, _, err := report.Verify([]byte(strings.Join(changed, "")))
					require.Error(t, err, "line %d", i+1)
				}
				_, _, err = report.Verify(body[:len(body)-1])
				require.Error(t, err, "cut")
				_, _, err = report.Verify(append(bytes.Clone(body), '\n'))
				require.Error(t, err, "added")
			})
		}
	}
}

func TestVerifyNamesWhatDiffers(t *testing.T) {
	t.Parallel()
	src, err := report.NewSource(t0, exercise(t))
	require.NoError(t, err)
	md, err := src.Render(report.Markdown)
	require.NoError(t, err)
	prettier := bytes.Replace(md, []byte("1 h 35 m 00 s"), []byte("0 h 35 m 00 s"), 1)
	_, _, err = report.Verify(prettier)
	require.ErrorIs(t, err, report.ErrAltered)
	require.ErrorContains(t, err, "line 7 is not what its evidence")

	text, err := src.Render(report.JSON)
	require.NoError(t, err)
	_, _, err = report.Verify(bytes.Replace(text, []byte(`"rto_ns": 5700000000000`), []byte(`"rto_ns": 100`), 1))
	require.ErrorIs(t, err, report.ErrAltered)
	require.ErrorContains(t, err, "it says hash")
	_, _, err = report.Verify(bytes.Replace(text, []byte(`"format": 1`), []byte(`"format": 2`), 1))
	require.ErrorIs(t, err, report.ErrNewerFormat)
	for _, other := range []string{"", "hello", "{}", `{"a":1}`} {
		_, _, err = report.Verify([]byte(other))
		require.ErrorIs(t, err, report.ErrNotReport, other)
	}
}

// TestPagesNeedNothingElse: no script runs, nothing is loaded, what people typed is text.
func TestPagesNeedNothingElse(t *testing.T) {
	t.Parallel()
	outside := regexp.MustCompile(`(?i)(src|href|action|data)=|@import|url\(|<link|<iframe|<script(?: type="application/json")? (?:src|async)`)
	for name, data := range samples(t) {
		src, err := report.NewSource(t0, data)
		require.NoError(t, err)
		page, err := src.Render(report.HTML)
		require.NoError(t, err)
		visible, _, _ := strings.Cut(string(page), `<script type="application/json"`)
		require.Empty(t, outside.FindAllString(visible, -1), name)
		require.NotContains(t, visible, "<unreachable>")
		md, err := src.Render(report.Markdown)
		require.NoError(t, err)
		require.NotContains(t, string(md), "<unreachable>")
		require.Equal(t, 1, strings.Count(string(md), "-->"))
	}
}

// TestBothFiguresAreAlwaysShown: the policy's 8 h and the year's allowance stand together.
func TestBothFiguresAreAlwaysShown(t *testing.T) {
	t.Parallel()
	for name, data := range samples(t) {
		if name == "contacts" {
			continue
		}
		src, err := report.NewSource(t0, data)
		require.NoError(t, err)
		md, err := src.Render(report.Markdown)
		require.NoError(t, err)
		require.Contains(t, string(md), "8 h 00 m 00 s", name)
		require.Contains(t, string(md), "4 h 22 m 48 s", name)
	}
}

func TestVerdictsThatAreNo(t *testing.T) {
	t.Parallel()
	tests := map[string]func(*report.Exercise){
		"failed":               func(e *report.Exercise) { e.Succeeded = false },
		"an acknowledged loss": func(e *report.Exercise) { e.AckedLost = 1 },
		"a second over 8 h":    func(e *report.Exercise) { e.RTO = 8*time.Hour + time.Second },
		"a table differs":      func(e *report.Exercise) { e.Tables[0].Actual = "x" },
		"no table was checked": func(e *report.Exercise) { e.Tables = nil },
	}
	for name, change := range tests {
		e := exercise(t)
		change(&e)
		src, err := report.NewSource(t0, e)
		require.NoError(t, err)
		md, err := src.Render(report.Markdown)
		require.NoError(t, err)
		require.Contains(t, string(md), "> **✗", name)
	}
	e := exercise(t)
	e.RTO = 8 * time.Hour
	src, err := report.NewSource(t0, e)
	require.NoError(t, err)
	md, err := src.Render(report.Markdown)
	require.NoError(t, err)
	require.Contains(t, string(md), "> **✓", "8 h exactly is at most 8 h")
}

func FuzzVerify(f *testing.F) {
	src, err := report.NewSource(t0, contacts())
	require.NoError(f, err)
	for _, form := range report.Forms() {
		body, err := src.Render(form)
		require.NoError(f, err)
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		s, form, err := report.Verify(body)
		if err != nil {
			return
		}
		again, err := s.Render(form)
		if err != nil || !bytes.Equal(again, body) {
			t.Fatal("accepted what it would not make")
		}
	})
}
