package notify

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"

	"lifeboat/failover/incident"
)

// Shape is the form of what is posted.
type Shape string

// The shapes.
const (
	Teams   Shape = "teams"   // a workflow's webhook: a message with an adaptive card
	Slack   Shape = "slack"   // an incoming webhook
	Generic Shape = "webhook" // the text and the notice as JSON, signed
)

// retries is how often a post is tried again; Post.Limit ends it earlier.
const retries = 6

// WebhookConfig is a place to post to.
type WebhookConfig struct {
	Name  string // of the channel; "" = the shape
	Shape Shape
	URL   Secret // who has it can post
	// Key signs generic posts: X-Lifeboat-Signature: sha256=<HMAC of the body, hex>.
	Key Secret
	// Wait before the second attempt; it grows with each. 0 = 1 s.
	Wait time.Duration
	// Client may bring its own transport (a proxy, a CA); nil = a new one.
	Client *http.Client
}

// Webhook posts to Teams, Slack or anything that takes JSON.
type Webhook struct {
	cfg    WebhookConfig
	client *http.Client
}

// NewWebhook checks the configuration. Its errors do not show the address.
func NewWebhook(cfg WebhookConfig) (*Webhook, error) {
	if cfg.Name == "" {
		cfg.Name = string(cfg.Shape)
	}
	u, err := url.Parse(string(cfg.URL))
	switch {
	case cfg.Shape != Teams && cfg.Shape != Slack && cfg.Shape != Generic:
		return nil, fmt.Errorf("channel %s: shape %q is not one of teams, slack, webhook", cfg.Name, cfg.Shape)
	case err != nil || u.Host == "":
		return nil, fmt.Errorf("channel %s: its address is no URL", cfg.Name)
	case u.Scheme != "https" && !(u.Scheme == "http" && loopback(u.Hostname())):
		return nil, fmt.Errorf("channel %s: its address has to be https", cfg.Name)
	}
	if cfg.Wait == 0 {
		cfg.Wait = time.Second
	}
	client := &http.Client{Timeout: attempt}
	if cfg.Client != nil {
		*client = *cfg.Client
	}
	// A redirect would take the message to somebody else.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Webhook{cfg: cfg, client: client}, nil
}

// Name implements Channel.
func (w *Webhook) Name() string { return w.cfg.Name }

// Reaches implements Channel.
func (*Webhook) Reaches(incident.Person) bool { return false }

// Send implements Channel.
func (w *Webhook) Send(ctx context.Context, _ incident.Person, t Text) (attempts int, err error) {
	body, err := w.body(t)
	if err != nil {
		return 0, err
	}
	req, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, string(w.cfg.URL), body)
	if err != nil {
		return 0, errors.New("its address is no URL")
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "lifeboat")
	if w.cfg.Shape == Generic {
		w.sign(req.Header, body)
	}
	c := retryablehttp.NewClient()
	c.HTTPClient, c.Logger, c.RetryMax = w.client, nil, retries
	c.RetryWaitMin, c.RetryWaitMax = w.cfg.Wait, 8*w.cfg.Wait
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler
	c.RequestLogHook = func(_ retryablehttp.Logger, _ *http.Request, retry int) { attempts = retry + 1 }
	resp, err := c.Do(req)
	if err != nil {
		return attempts, hide(err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // lets the connection be used again
	if resp.StatusCode/100 != 2 {
		return attempts, fmt.Errorf("the receiver answered %s", resp.Status)
	}
	return attempts, nil
}

// hide takes the address, which is a secret, out of an error.
func hide(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return fmt.Errorf("post: %w", u.Err)
	}
	return err
}

// sign lets the receiver see that it is from us, and drop what a retry sent twice.
func (w *Webhook) sign(h http.Header, body []byte) {
	h.Set("X-Lifeboat-Delivery", incident.Digest(body))
	if w.cfg.Key == "" {
		return
	}
	mac := hmac.New(sha256.New, []byte(w.cfg.Key))
	mac.Write(body)
	h.Set("X-Lifeboat-Signature", "sha256="+hex.EncodeToString(mac.Sum(nil)))
}

func (w *Webhook) body(t Text) ([]byte, error) {
	var payload any
	switch w.cfg.Shape {
	case Slack:
		payload = map[string]string{"text": "*" + slackText(t.Subject) + "*\n" + slackText(t.Body)}
	case Teams:
		payload = teamsCard(t)
	default:
		payload = struct {
			Format int `json:"format"`
			Text
		}{1, t}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(payload); err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return out.Bytes(), nil
}

// slackText escapes the three characters that Slack takes for markup of its own.
func slackText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

// teamsCard is a message with one adaptive card, as the webhook of a Teams workflow takes it.
func teamsCard(t Text) any {
	type block map[string]any
	blocks := []block{{"type": "TextBlock", "size": "Medium", "weight": "Bolder", "wrap": true, "text": t.Subject}}
	for _, paragraph := range strings.Split(strings.TrimSpace(t.Body), "\n") {
		if paragraph != "" {
			blocks = append(blocks, block{"type": "TextBlock", "wrap": true, "text": paragraph})
		}
	}
	card := block{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": blocks}
	if t.Link != "" {
		card["actions"] = []block{{"type": "Action.OpenUrl", "title": "Open", "url": t.Link}}
	}
	return block{"type": "message", "attachments": []block{{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}}}
}
