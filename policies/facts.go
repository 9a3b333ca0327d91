package policies

import "time"

// Facts are what the rules about people and habits look at: the roles of the company,
// the quorum that approves a recovery, and when things were last done.
type Facts struct {
	Version        int       `json:"version"` // 1
	People         []Person  `json:"people"`
	Quorum         []Need    `json:"quorum"`
	LastDrill      time.Time `json:"last_drill"`      // UTC; zero: never
	LastMeeting    time.Time `json:"last_meeting"`    // of the Risk Committee
	OverdueActions []string  `json:"overdue_actions"` // remedial actions past their day
	// Quota is what the DR region still grants, as the nightly preflight found it.
	Quota *Quota `json:"quota"`
	// Recipients of the encryption: "azkv://…" for a vault's key, "age1…" for an offline one.
	Recipients []string `json:"recipients"`
}

// Person holds roles: "CEO", "DPO", "CTO", "LD", …
type Person struct {
	Name  string   `json:"name"`
	Roles []string `json:"roles"`
}

// Need is one signature that an approval must have, by anyone with one of the roles.
type Need struct {
	AnyOf []string `json:"any_of"`
}

// Quota is what a region grants beyond what is used there.
type Quota struct {
	Region     string         `json:"region"`
	SQLVCores  int            `json:"sql_vcores"`
	NodeVCores map[string]int `json:"node_vcores"` // by VM family
}
