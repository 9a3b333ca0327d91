package config

import (
	"fmt"
	"net/url"
	"strings"
)

// Probe says what a user would call, to find out whether a region serves.
type Probe struct {
	Health string `yaml:"health,omitempty" doc:"URL that answers 2xx when the application is well. {host} stands for the region's own host, {public} for the name that users type. Empty: not tried." example:"https://{public}/healthz"`
	Write  string `yaml:"write,omitempty" doc:"URL that takes a text by POST and keeps it. Empty: not tried." example:"https://{public}/selftest"`
	Read   string `yaml:"read,omitempty" doc:"URL whose answer shows the text that was written last. Empty: not tried." example:"https://{public}/selftest"`
}

func (p Probe) problems() map[string]error {
	found := map[string]error{}
	for key, text := range map[string]string{"health": p.Health, "write": p.Write, "read": p.Read} {
		if text == "" {
			continue
		}
		u, err := url.Parse(strings.NewReplacer("{host}", "h", "{public}", "p").Replace(text))
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			found[key] = fmt.Errorf("%q is no address that begins with http:// or https://", text)
		}
	}
	return found
}
