package chart_test

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/chart"
)

var t0 = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

func wellFormed(t *testing.T, svg string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			return
		}
		require.NoError(t, err)
	}
}

func TestSteps(t *testing.T) {
	t.Parallel()
	svg := string(chart.Steps("Recovery", []chart.Step{
		{Name: "fence <old>", Began: t0, Took: 2 * time.Second, Forecast: 3 * time.Second},
		{Name: "restore", Began: t0.Add(2 * time.Second), Took: 8 * time.Second, Failed: true},
	}))
	wellFormed(t, svg)
	require.Contains(t, svg, "fence &lt;old&gt;")
	require.Contains(t, svg, `aria-label="Recovery: 2 steps in 10.0 s"`)
	require.Contains(t, svg, `width="108.0" height="12"`, "2 of 10 s over 540 units")
	require.Contains(t, svg, "var(--bad)")
	require.Empty(t, chart.Steps("none", nil))
}

func TestLine(t *testing.T) {
	t.Parallel()
	svg := string(chart.Line(chart.Lines{Title: "Exposure & lag", Unit: "s", Limit: 10,
		Points: []chart.Point{{At: t0, Value: 0}, {At: t0.Add(time.Hour), Value: 5}, {At: t0.Add(2 * time.Hour), Value: 2.5}}}))
	wellFormed(t, svg)
	require.Contains(t, svg, "0.0,180.0 360.0,100.0 720.0,140.0")
	require.Contains(t, svg, "limit 10 s")
	require.Contains(t, svg, "highest 5 s, last 2.5 s")
	require.Contains(t, svg, "Exposure &amp; lag")
	wellFormed(t, string(chart.Line(chart.Lines{Points: []chart.Point{{At: t0}}})))
	require.Empty(t, chart.Line(chart.Lines{}))
}

func TestSpan(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		0: "0.0 s", 67 * time.Microsecond: "67 µs", 350 * time.Millisecond: "350 ms", time.Second: "1.0 s", 4200 * time.Millisecond: "4.2 s", 59900 * time.Millisecond: "59.9 s", 130 * time.Second: "2 min 10 s",
		3*time.Hour + 5*time.Minute: "3 h 05 min", -time.Minute: "minus 1 min 00 s",
	} {
		require.Equal(t, want, chart.Span(d))
	}
}
