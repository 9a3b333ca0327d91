package settings

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"lifeboat/infra/azure"
)

const (
	maxGeneration = 99
	logContainer  = "log"   // as package storage names it, which needs Pulumi
	agentAccount  = "agent" // as package workloads names it, likewise
)

// Half is the half of the pair that the stack of these settings is made in.
func (s *Settings) Half() Half {
	if s.Role == Primary {
		return s.Regions.Primary
	}
	return s.Regions.DR
}

// DatabaseSKU is the size of the database as the stack is now: a failover's is as large as
// its restore needs, until the application is deployed. Then it is scaled down, which cuts
// every connection off, before anybody is connected.
func (s *Settings) DatabaseSKU() string {
	if s.Failover.RestoreSKU != "" && !s.Failover.Deploy {
		return s.Failover.RestoreSKU
	}
	return s.Database.SKU
}

// Region is where the stack of these settings is made.
func (s *Settings) Region() azure.Region { return s.Half().Region }

// Names are the names of the stack of these settings.
func (s *Settings) Names() azure.Names {
	if s.Role == Failover {
		return s.names(s.Failover.ID)
	}
	return s.NamesOf(s.Half())
}

// NamesOf are the names of the standing stack in a half: what another stack needs of it
// is found by name, not in its state.
func (s *Settings) NamesOf(h Half) azure.Names { return s.names(h.part()) }

// Lent names the identities that a standing mirror lends to the failovers beside it.
type Lent struct{ Group, Agent, Application string } // resource group, and two names in it

// Lent is what the mirror lends; empty when each failover makes its own identities.
func (s *Settings) Lent() Lent {
	if !s.Agent.StandingIdentity {
		return Lent{}
	}
	mirror := s.NamesOf(s.Regions.DR)
	return Lent{mirror.Group(), mirror.Identity(agentAccount), mirror.Identity(s.Application.Name)}
}

// IsHub reports whether the stack of these settings holds the registry and the edge.
func (s *Settings) IsHub() bool { return s.Role == DR && s.Regions.DR == s.Regions.Hub }

func (s *Settings) names(part string) azure.Names {
	return azure.Names{Org: s.Organisation, Part: part, Subscription: s.Subscription}
}

// StackName is the name of the Pulumi stack: "primary", "dr" or "failover-<id>", and
// "primary-2", "dr-2" and so on for later generations.
func (s *Settings) StackName() string {
	if s.Role == Failover {
		return string(Failover) + "-" + s.Failover.ID
	}
	if g := s.Half().Generation; g > 1 {
		return string(s.Role) + "-" + strconv.Itoa(g)
	}
	return string(s.Role)
}

// ForFailover derives the settings of a failover stack beside the mirror from any of
// the pair's. A drill is isolated and unprotected, so that destroying it leaves nothing.
func (s *Settings) ForFailover(run FailoverRun) (*Settings, error) {
	d := s.clone()
	d.Role, d.Failover = Failover, run
	d.Protect = s.Protect && !run.Drill
	return d, d.Validate()
}

// HalfOf finds the half whose standing stack has the store of this URL, if it is the store
// of any that these settings could have.
func (s *Settings) HalfOf(store string) (Half, bool) {
	for _, region := range azure.RegionsIn(s.Geography) {
		for generation := 1; generation <= maxGeneration; generation++ {
			h := Half{Region: region, Generation: generation}
			if s.NamesOf(h).StoreURL(logContainer) == store {
				return h, true
			}
		}
	}
	return Half{}, false
}

// ForMirror derives the settings of a standing mirror for a half that now serves: after
// a failover the serving half is the old DR, and its mirror goes to another place. They are
// those of a failback too: a failover stack beside that mirror.
func (s *Settings) ForMirror(serving, mirror Half) (*Settings, error) {
	d := s.clone()
	d.Role, d.Failover = DR, FailoverRun{}
	if serving != s.Regions.Primary { // it has the failover's addresses, so the next one has the others
		d.Network.PrimaryCIDR, d.Network.FailoverCIDR = s.Network.FailoverCIDR, s.Network.PrimaryCIDR
	}
	d.Regions.Primary, d.Regions.DR = serving, mirror
	return d, d.Validate()
}

// ForRole derives the settings of a standing stack of the same pair.
func (s *Settings) ForRole(role Role) (*Settings, error) {
	if role == Failover {
		return nil, fmt.Errorf("%w: a failover needs an id: use ForFailover", ErrSettings)
	}
	d := s.clone()
	d.Role, d.Failover = role, FailoverRun{}
	return d, d.Validate()
}

func (s *Settings) clone() *Settings {
	d := *s
	d.Store.OperatorAddresses = slices.Clone(s.Store.OperatorAddresses)
	d.Application.Env = maps.Clone(s.Application.Env)
	d.Alerts.Emails = maps.Clone(s.Alerts.Emails)
	return &d
}
