package config

import (
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"
	"go.yaml.in/yaml/v3"
)

// URL names a database or a store: KIND:PLACE. It may hold a password or a signature, so
// every way of printing it shows Redacted; only Reveal returns it whole.
type URL string

// Reveal returns the whole URL, for whoever opens it. Never print the result.
func (u URL) Reveal() string { return string(u) }

// Scheme is what stands before the first colon: "sqlite", "dir"; "" if there is none.
func (u URL) Scheme() string {
	scheme, _, ok := strings.Cut(string(u), ":")
	if !ok || strings.ContainsAny(scheme, `/\@?& `) {
		return ""
	}
	return scheme
}

// secretParameters are query parameters that are, or stand for, a credential.
var secretParameters = []string{
	"sig", "password", "pwd", "secret", "token", "key", "clientcertpassword",
	"changepassword", "clientsecret", "clientassertion", "userassertion", "systemtoken", "accesstoken",
}

// Redacted is the URL without its secrets. A URL that cannot be taken apart shows its
// scheme alone, since there is no telling where in it a secret stands.
func (u URL) Redacted() string {
	if u == "" {
		return ""
	}
	if rest := string(u)[len(u.Scheme()):]; u.Scheme() != "" && !strings.HasPrefix(rest, "://") {
		place, query, has := strings.Cut(string(u), "?") // a path: no user and no host in it
		if !has {
			return place
		}
		return place + "?" + redactQuery(query)
	}
	p, err := url.Parse(string(u))
	if err != nil || misread(p) {
		return u.Scheme() + ":***"
	}
	if p.User != nil {
		if _, has := p.User.Password(); has {
			p.User = url.UserPassword(p.User.Username(), "***")
		}
	}
	if p.RawQuery != "" {
		p.RawQuery = redactQuery(p.RawQuery)
	}
	return strings.ReplaceAll(p.String(), "%2A%2A%2A", "***")
}

// misread tells whether part of a password may stand where the URL's reader sees something
// else: a special character in it that was not escaped ends the user's part early.
func misread(p *url.URL) bool {
	return p.Fragment != "" || strings.Contains(p.Path, "@") ||
		slices.ContainsFunc(strings.Split(p.RawQuery, "&"), func(part string) bool {
			name, _, _ := strings.Cut(part, "=")
			return strings.Contains(name, "@")
		})
}

func redactQuery(raw string) string {
	parts := strings.Split(raw, "&")
	for i, part := range parts {
		name, _, _ := strings.Cut(part, "=")
		plain, err := url.QueryUnescape(name)
		if err != nil {
			plain = name
		}
		for _, secret := range secretParameters {
			if strings.EqualFold(strings.ReplaceAll(plain, " ", ""), secret) {
				parts[i] = name + "=***"
			}
		}
	}
	return strings.Join(parts, "&")
}

// HoldsSecret reports whether a password or a signature is written out in the URL, or whether
// there is no telling.
func (u URL) HoldsSecret() bool {
	_, query, _ := strings.Cut(string(u), "?")
	if strings.Contains(string(u), "://") {
		p, err := url.Parse(string(u))
		if err != nil {
			return true
		}
		if password, has := p.User.Password(); has && password != "" {
			return true
		}
		query = p.RawQuery
	}
	for part := range strings.SplitSeq(query, "&") {
		if name, value, _ := strings.Cut(part, "="); value != "" && redactQuery(part) != part && name != "" {
			return true
		}
	}
	return false
}

// String is Redacted.
func (u URL) String() string { return u.Redacted() }

// Format prints Redacted for every verb.
func (u URL) Format(s fmt.State, verb rune) {
	if verb == 'q' || verb == 'v' && s.Flag('#') {
		fmt.Fprintf(s, "%q", u.Redacted())
		return
	}
	_, _ = io.WriteString(s, u.Redacted()) // a fmt.State has nowhere to report to
}

// LogValue is Redacted.
func (u URL) LogValue() slog.Value { return slog.StringValue(u.Redacted()) }

// MarshalText is Redacted, so that JSON and YAML are safe too.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.Redacted()), nil }

// UnmarshalText takes the text as it is.
func (u *URL) UnmarshalText(text []byte) error { *u = URL(text); return nil }

// Size is a number of bytes.
type Size int64

// ParseSize reads "512MiB", "1.5 GB", "4096".
func ParseSize(s string) (Size, error) {
	n, err := humanize.ParseBytes(s)
	if err != nil || n > 1<<62 {
		return 0, fmt.Errorf("%q is not a size such as 512MiB", s)
	}
	return Size(n), nil
}

// String prints the size in binary units, exactly where that is short.
func (s Size) String() string {
	for shift, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if one := Size(1) << (40 - 10*shift); s >= one && s%one == 0 {
			return fmt.Sprintf("%d%s", s/one, unit)
		}
	}
	return fmt.Sprintf("%dB", int64(s))
}

// UnmarshalYAML reads a number of bytes or a text that ParseSize takes.
func (s *Size) UnmarshalYAML(n *yaml.Node) error {
	v, err := ParseSize(n.Value)
	if n.Kind != yaml.ScalarNode || err != nil {
		return &yaml.TypeError{Errors: []string{fmt.Sprintf("line %d: %q is not a size such as 512MiB", n.Line, n.Value)}}
	}
	*s = v
	return nil
}

// MarshalYAML is String.
func (s Size) MarshalYAML() (any, error) { return s.String(), nil }

// Set and Type make a Size a command-line flag.
func (s *Size) Set(text string) (err error) { *s, err = ParseSize(text); return err }

// Type names the value in help texts.
func (s *Size) Type() string { return "size" }
