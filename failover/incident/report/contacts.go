package report

import (
	"fmt"
	"strings"
	"time"

	"lifeboat/failover/incident"
)

// Contacts is the contact list, to be printed and kept where no network is needed.
type Contacts struct {
	Company string             `json:"company"`
	Printed time.Time          `json:"printed"`
	People  incident.Directory `json:"people"`
	Quorum  string             `json:"quorum"`
	Glass   string             `json:"break_glass"`
	Signers string             `json:"allowed_signers_sha256"`
	Notes   []string           `json:"notes"`
}

func (Contacts) kind() Kind { return KindContacts }

func (c Contacts) document() document {
	t := &table{Head: []string{"Name", "Roles", "Telephone", "Email", "Committee"}}
	for _, p := range c.People {
		member := "–"
		if p.Member {
			member = "member"
		}
		t.add(p.Name, strings.ToUpper(strings.Join(p.Roles, ", ")), dash(p.Phone), dash(p.Email), member)
	}
	return document{
		Title:    c.Company + ": contacts for a disaster",
		Subtitle: fmt.Sprintf("Printed %s. Replace it when anything changes, and after each drill.", c.Printed.UTC().Format("2006-01-02")),
		Sections: []section{
			{Heading: "People", Table: t},
			{Heading: "Who decides", List: []string{
				"A recovery plan needs: " + c.Quorum, "To go around that (break the glass): " + dash(c.Glass) + ", with a reason",
				"Keys: allowed_signers with SHA-256 " + c.Signers}},
			{Heading: "First steps", List: append([]string{
				"Whoever notices a significant incident tells the CEO, DPO, CTO or LD at once, by telephone.",
				"Whoever is told runs: lifeboat incident open", "What then: docs/incident.md"}, c.Notes...)},
		},
	}
}
