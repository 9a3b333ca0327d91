package webui_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

var shots = flag.String("shots", "", "folder to write the screenshots to")

// axePath is where npm ci --ignore-scripts puts the accessibility rules.
const axePath = "testdata/axe/node_modules/axe-core/axe.min.js"

// reports are the pages that package report makes, as its tests keep them.
const reports = "../../failover/incident/report/testdata/v1"

// browser starts the real headless Chromium, or skips.
func browser(t *testing.T) context.Context {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		skip(t, "needs chromium: scripts/extras/browser.sh")
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.UserDataDir(t.TempDir()), chromedp.Flag("disable-gpu", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx)) // the browser lives as long as this context
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// skip says what is missing. In CI, which installs it, that is a failure.
func skip(t *testing.T, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// call sends one protocol command.
func call[P, R any](ctx context.Context, t *testing.T, cmd cdp.Command[P, R], params P) R {
	t.Helper()
	r, err := chromedp.Call(ctx, cmd, params)
	require.NoError(t, err)
	return r
}

// emulate sets width and colour scheme.
func emulate(ctx context.Context, t *testing.T, width int64, scheme string) {
	t.Helper()
	call(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 900, DeviceScaleFactor: 1, Mobile: width < 600})
	call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
}

// complaints collects what the browser says is wrong with a page, and every request.
type complaints struct {
	mu       sync.Mutex
	texts    []string
	requests []string
}

func (c *complaints) listen(ctx context.Context, t *testing.T) {
	t.Helper()
	require.NoError(t, chromedp.Listen(ctx, func(ev any) {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch e := ev.(type) {
		case *log.EventEntryAdded:
			c.texts = append(c.texts, e.Entry.Text)
		case *runtime.EventExceptionThrown:
			c.texts = append(c.texts, e.ExceptionDetails.Text)
		case *network.EventRequestWillBeSent:
			c.requests = append(c.requests, e.Request.URL)
		}
	}))
	call(ctx, t, network.Enable, network.EnableParams{})
	call(ctx, t, log.Enable, cdp.Empty{})
}

// look opens a page at a width, in a colour scheme, without JavaScript, and photographs it.
func look(ctx context.Context, t *testing.T, url string, width int64, scheme string) image.Image {
	t.Helper()
	call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	emulate(ctx, t, width, scheme)
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(url)))
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	if *shots != "" {
		name := strings.NewReplacer("/", "_", ":", "_").Replace(url[strings.Index(url, "//")+2:])
		name = fmt.Sprintf("%s-%d-%s.png", name[strings.Index(name, "_")+1:], width, scheme)
		require.NoError(t, os.WriteFile(filepath.Join(*shots, name), shot, 0o600))
	}
	img, err := png.Decode(bytes.NewReader(shot))
	require.NoError(t, err)
	return img
}

// measure asks the laid-out page for its geometry.
type measure struct {
	Scroll  float64 `json:"scroll"`
	Inner   float64 `json:"inner"`
	Outside int     `json:"outside"` // elements that stick out and cannot be scrolled to
	Hidden  int     `json:"hidden"`  // tables of which a part has to be scrolled to
	Charts  int     `json:"charts"`
	Cards   int     `json:"cards"`
}

const measuring = `(() => { const w = document.documentElement.clientWidth;
 const stuck = [...document.querySelectorAll('main *')].filter(e => !e.closest('.wide, svg') && e.getBoundingClientRect().right > w + 1);
 const hidden = [...document.querySelectorAll('.wide')].filter(e => e.scrollWidth > e.clientWidth + 1);
 return {hidden: hidden.length, scroll: document.documentElement.scrollWidth, inner: w, outside: stuck.length,
  charts: [...document.querySelectorAll('svg')].filter(e => e.getBoundingClientRect().height > 50).length,
  cards: [...document.querySelectorAll('.card')].filter(e => e.getBoundingClientRect().height > 30).length}; })()`

func TestInARealBrowser(t *testing.T) {
	t.Parallel()
	ctx := browser(t)
	site := httptest.NewServer(newServer(t, newSource(t), nil))
	t.Cleanup(site.Close)
	var c complaints
	c.listen(ctx, t)
	want := map[string]measure{"/": {Cards: 11}, "/history": {Charts: 3}, "/incidents": {Cards: 2}, "/due": {Cards: 6}}
	for _, path := range paths() {
		for _, width := range []int64{1280, 390} {
			for _, scheme := range []string{"light", "dark"} {
				name := fmt.Sprintf("%s at %d, %s", path, width, scheme)
				img := look(ctx, t, site.URL+path, width, scheme)
				require.Equal(t, int(width), img.Bounds().Dx(), name)
				requirePainted(t, img, scheme, name)
				call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: false})
				m, err := chromedp.Run(ctx, chromedp.Evaluate[measure](measuring))
				require.NoError(t, err)
				require.LessOrEqual(t, m.Scroll, m.Inner, "%s: the page scrolls sideways", name)
				require.Zero(t, m.Outside, "%s: something sticks out", name)
				require.Zero(t, m.Hidden, "%s: a part of a table cannot be seen", name)
				require.Equal(t, want[path].Charts, m.Charts, name)
				if n := want[path].Cards; n > 0 {
					require.Equal(t, n, m.Cards, name)
				}
			}
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	require.Empty(t, c.texts, "the browser has complaints")
	for _, url := range c.requests {
		require.True(t, strings.HasPrefix(url, site.URL) || strings.HasPrefix(url, "data:"), "asked for %s", url)
	}
}

// requirePainted: the scheme's paper, and enough of something else on it.
func requirePainted(t *testing.T, img image.Image, scheme, name string) {
	t.Helper()
	r, g, b, _ := img.At(2, img.Bounds().Dy()-3).RGBA()
	light := (r+g+b)/3 > 0x8000
	require.Equal(t, scheme == "light", light, "%s: paper is %x %x %x", name, r>>8, g>>8, b>>8)
	colours := map[[3]uint32]int{}
	for y := img.Bounds().Min.Y; y < img.Bounds().Max.Y; y += 2 {
		for x := img.Bounds().Min.X; x < img.Bounds().Max.X; x += 2 {
			r, g, b, _ := img.At(x, y).RGBA()
			colours[[3]uint32{r >> 8, g >> 8, b >> 8}]++
		}
	}
	require.Greater(t, len(colours), 20, "%s: the page is blank", name)
}

// violation is what axe-core reports.
type violation struct {
	ID    string `json:"id"`
	Help  string `json:"help"`
	Nodes []struct {
		HTML    string `json:"html"`
		Summary string `json:"failureSummary"`
	} `json:"nodes"`
}

// TestAccessibility runs axe-core's rules (WCAG 2.2 A and AA, and its best practices) over
// every page, in both schemes and at both widths.
func TestAccessibility(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(axePath)
	if err != nil {
		skip(t, "needs axe-core: scripts/extras/browser.sh")
	}
	ctx := browser(t)
	site := httptest.NewServer(newServer(t, newSource(t), nil))
	t.Cleanup(site.Close)
	// axe itself is a script, which the page's own policy would stop.
	call(ctx, t, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true})
	for _, path := range append(paths(), "/nothing") {
		for _, l := range looks() {
			emulate(ctx, t, l.width, l.scheme)
			require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(site.URL+path)))
			requireAccessible(ctx, t, string(axe), fmt.Sprintf("%s at %d, %s", path, l.width, l.scheme))
		}
	}
}

func requireAccessible(ctx context.Context, t *testing.T, axe, name string) {
	t.Helper()
	var found struct {
		Violations []violation `json:"violations"`
		Passes     int         `json:"passes"`
	}
	require.NoError(t, json.Unmarshal([]byte(runAxe(ctx, t, axe)), &found))
	require.Greater(t, found.Passes, 10, "axe looked at nothing")
	for _, v := range found.Violations {
		t.Errorf("%s: %s: %s: %+v", name, v.ID, v.Help, v.Nodes)
	}
}

// TestReportsAreAccessible runs the same rules over the pages that package report makes.
func TestReportsAreAccessible(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(axePath)
	if err != nil {
		skip(t, "needs axe-core: scripts/extras/browser.sh")
	}
	pages, err := filepath.Glob(reports + "/*.html")
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	ctx := browser(t)
	site := httptest.NewServer(http.FileServer(http.Dir(reports)))
	t.Cleanup(site.Close)
	call(ctx, t, page.SetBypassCSP, page.SetBypassCSPParams{Enabled: true})
	for _, file := range pages {
		for _, l := range looks() {
			emulate(ctx, t, l.width, l.scheme)
			require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(site.URL+"/"+filepath.Base(file))))
			requireAccessible(ctx, t, string(axe), fmt.Sprintf("%s at %d, %s", filepath.Base(file), l.width, l.scheme))
			m, err := chromedp.Run(ctx, chromedp.Evaluate[measure](measuring))
			require.NoError(t, err)
			require.LessOrEqual(t, m.Scroll, m.Inner, file)
		}
	}
}

// looks are a width and a colour scheme each, so that both of both are seen.
func looks() []struct {
	width  int64
	scheme string
} {
	return []struct {
		width  int64
		scheme string
	}{{1280, "light"}, {390, "dark"}}
}

// TestAxeBites proves that the check above can fail.
func TestAxeBites(t *testing.T) {
	t.Parallel()
	axe, err := os.ReadFile(axePath)
	if err != nil {
		skip(t, "needs axe-core: scripts/extras/browser.sh")
	}
	ctx := browser(t)
	require.NoError(t, chromedp.Do(ctx,
		chromedp.Navigate("data:text/html,<body><img src='data:,'><p style='color:%23999;background:%23fff'>pale</p><a href='/'></a>")))
	require.Contains(t, runAxe(ctx, t, string(axe)), "color-contrast")
}

func runAxe(ctx context.Context, t *testing.T, axe string) string {
	t.Helper()
	result, err := chromedp.Run(ctx, chromedp.Evaluate[string](axe+`;
axe.run(document).then(r => JSON.stringify({violations: r.violations, passes: r.passes.length}))`, chromedp.EvalAwaitPromise))
	require.NoError(t, err)
	return result
}
