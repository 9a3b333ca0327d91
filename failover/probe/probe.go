package probe

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"lifeboat/failover/run"
)

// Defaults of Probe.
const (
	Patience = 5 * time.Minute // three health probes at 30 s, a minute's time to live, and a cold start
	Every    = 2 * time.Second
)

// maxAnswer bounds what is read of an answer, bytes.
const maxAnswer = 1 << 20

// Probe is how to ask. In its URLs {host} stands for the region's host, {public} for the
// name that users type, and {token} for a text that is another one each time. Empty URLs
// are not tried.
type Probe struct {
	Health string // GET answers 2xx
	Write  string // POST of the token answers 2xx
	Read   string // GET answers 2xx and the token
	// Login opens a session in the region's database and asks something of it.
	Login    func(ctx context.Context, at run.Place) error
	Client   *http.Client  // nil: one with a time limit of 30 s
	Patience time.Duration // 0: Patience
	Every    time.Duration // 0: Every
}

var _ run.Service = (*Probe)(nil)

// Probe implements run.Service.
func (p *Probe) Probe(ctx context.Context, at run.Place) (run.Probed, error) {
	patience, every := p.Patience, p.Every
	if patience == 0 {
		patience = Patience
	}
	if every == 0 {
		every = Every
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	tick := time.NewTicker(every)
	defer tick.Stop()
	var last error // that was not only the end of the patience
	for {
		found, err := p.once(ctx, at)
		if err == nil {
			return found, nil
		}
		if last == nil || ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			return found, fmt.Errorf("%w (asked again and again for %s)", last, patience)
		case <-tick.C:
		}
	}
}

// once tries everything, in the order in which a user would notice.
func (p *Probe) once(ctx context.Context, at run.Place) (run.Probed, error) {
	token := "lifeboat-" + strings.ToLower(rand.Text())
	fill := strings.NewReplacer("{host}", at.Host, "{public}", at.Public, "{token}", token)
	var out run.Probed
	for _, try := range []struct {
		name string
		do   func() (string, error)
	}{
		{"name", func() (string, error) { return resolve(ctx, fill.Replace(p.Health)) }},
		{"health", func() (string, error) { return p.call(ctx, http.MethodGet, fill.Replace(p.Health), "", "") }},
		{"login", func() (string, error) { return p.login(ctx, at) }},
		{"write", func() (string, error) { return p.call(ctx, http.MethodPost, fill.Replace(p.Write), token, "") }},
		{"read", func() (string, error) { return p.call(ctx, http.MethodGet, fill.Replace(p.Read), "", token) }},
	} {
		found, err := try.do()
		if err != nil {
			return out, fmt.Errorf("probe, %s: %w", try.name, err)
		}
		out.Checks = append(out.Checks, run.Check{Name: try.name, Found: found})
	}
	return out, nil
}

const untried = "not tried: not configured"

func (p *Probe) login(ctx context.Context, at run.Place) (string, error) {
	if p.Login == nil {
		return untried, nil
	}
	return "answered", p.Login(ctx, at)
}

func resolve(ctx context.Context, address string) (string, error) {
	if address == "" {
		return untried, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	found, err := net.DefaultResolver.LookupHost(ctx, u.Hostname())
	if err != nil {
		return "", err
	}
	return u.Hostname() + " is " + strings.Join(found, ", "), nil
}

// call makes one request. want has to be in the answer.
func (p *Probe) call(ctx context.Context, method, address, body, want string) (found string, err error) {
	if address == "" {
		return untried, nil
	}
	request, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return "", err
	}
	client := p.Client
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	answer, err := client.Do(request)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, answer.Body.Close()) }()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return "", err
	}
	if answer.StatusCode/100 != 2 {
		return "", fmt.Errorf("%s %s: %s", method, address, answer.Status)
	}
	if !strings.Contains(string(text), want) {
		return "", fmt.Errorf("%s %s does not show what was just written", method, address)
	}
	return answer.Status, nil
}
