package config_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/config"
)

const committeeFile = `
version: 1
company: CAREFUL
time_zone: Europe/London
since: 2026-01-01
people:
  - {id: ada@careful.example, name: Ada, email: ada@careful.example, roles: [ceo], member: true}
quorum:
  plan: [[ceo, deputy], [cto, ld]]
terms: {inform_within: 15m}
notify:
  mail: [{host: mail.careful.example, port: "${PORT}", security: starttls, user: lifeboat, password: "${SMTP_PASSWORD}", from: si@careful.example}]
  webhooks: [{shape: teams, url: "${TEAMS_URL}"}]
`

func TestParseCommittee(t *testing.T) {
	t.Parallel()
	c, err := config.ParseCommittee([]byte(committeeFile), func(name string) (string, bool) {
		if name == "PORT" {
			return "2525", true
		}
		return map[string]string{"SMTP_PASSWORD": "0123456", "TEAMS_URL": "secret: " + name}[name], true
	})
	require.NoError(t, err)
	require.Equal(t, "0123456", c.Notify.Mail[0].Password.Reveal(), "digits stay text")
	require.Equal(t, 2525, c.Notify.Mail[0].Port)
	require.Equal(t, "secret: TEAMS_URL", c.Notify.Webhooks[0].URL.Reveal())
	require.Equal(t, [][]string{{"ceo", "deputy"}, {"cto", "ld"}}, c.Quorum.Plan)
	require.Equal(t, 15*time.Minute, c.Terms.InformWithin)
	require.Equal(t, 24*time.Hour, c.Terms.Approval)
	require.Equal(t, "127.0.0.1:7118", c.Page.Listen)
	require.NotContains(t, fmt.Sprintf("%v %+v %#v", c, *c, c.Notify), "0123456")
}

func TestParseCommitteeRefuses(t *testing.T) {
	t.Parallel()
	none := func(string) (string, bool) { return "", false }
	for text, want := range map[string]string{
		committeeFile:                         "variable SMTP_PASSWORD is not set",
		"version: 1\npeeple: []":              "peeple",
		"version: 1\ntime_zone: Mars/Olympus": "is no time zone",
		"version: 1\nsince: soon":             "is no date",
		"":                                    "company",
		"version: 1\nterms: {inform_within: -1s}":                   "terms.inform_within",
		"version: 1\nnotify: {webhooks: [{shape: carrier-pigeon}]}": "carrier-pigeon",
		"{": "configuration is not valid",
	} {
		_, err := config.ParseCommittee([]byte(text), none)
		require.ErrorIs(t, err, config.ErrInvalid, text)
		require.ErrorContains(t, err, want)
	}
}
