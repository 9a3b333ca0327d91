package policies

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"lifeboat/infra/azure"
)

const resourceGroup = "azure-native:resources:ResourceGroup"

var everywhere = []Role{Primary, DR, Failover}

func regionRules() []Rule {
	return []Rule{
		{
			ID: "region-pair", Title: "The mirror is in another region of the same geography",
			Why:      "One disaster takes a region; the law keeps the data in its geography.",
			Fix:      "Choose regions.primary and regions.dr apart, both inside geography.",
			Severity: Error, Clauses: []string{"policy 5", "ISO 22301 8.5", "NHS DSPT 7.3"}, Roles: everywhere,
			Pass: "primary uksouth, dr ukwest, geography uk", Fail: "primary uksouth, dr northeurope",
			Check: regionPair,
		},
		{
			ID: "region-residency", Title: "Every resource lies in the allowed geography",
			Why:      "A resource elsewhere takes data out of its legal home, or fails with a region nobody watches.",
			Fix:      "Put the resource into the stack's region.",
			Severity: Error, Clauses: []string{"policy 5", "NHS DSPT 7.3"}, Roles: everywhere,
			Pass: "location: ukwest", Fail: "location: eastus2",
			Check: residency,
		},
		{
			ID: "region-of-role", Title: "The stack is where its role says",
			Why:      "A mirror beside the primary is lost with it.",
			Fix:      "The primary stack belongs in regions.primary, the others in regions.dr.",
			Severity: Error, Clauses: []string{"policy 5"}, Roles: everywhere,
			Pass: "stack dr: resource group in ukwest", Fail: "stack dr: resource group in uksouth",
			Check: regionOfRole,
		},
	}
}

func regionPair(s *Stack) []Finding {
	if !s.Settings.Found() {
		return unknown(nil, "the pair of regions (lifeboat:settings)")
	}
	primary, dr := azure.Region(s.Settings.At("regions.primary.region").Text()), azure.Region(s.Settings.At("regions.dr.region").Text())
	home := s.Settings.At("geography").Text()
	switch {
	case !primary.Known() || !dr.Known():
		return fail(nil, "regions %q and %q are not both known", primary, dr)
	case primary == dr:
		return fail(nil, "primary and mirror are both in %s", primary)
	case string(primary.Geography()) != home || string(dr.Geography()) != home:
		return fail(nil, "regions %s (%s) and %s (%s) are not both in %s", primary, primary.Geography(), dr, dr.Geography(), home)
	}
	return nil
}

// global is the location of services that live in no region.
const global = "global"

func residency(s *Stack) []Finding {
	if !s.Settings.Found() {
		return unknown(nil, "the geography (lifeboat:settings)")
	}
	home := s.Settings.At("geography").Text()
	var found []Finding
	for i := range s.Resources {
		r := &s.Resources[i]
		v := r.At("location")
		if r.Change == Delete || !v.Found() || v.Text() == global {
			continue
		}
		if v.Unknown() {
			found = append(found, unknown(r, "location")...)
		} else if string(azure.Region(v.Text()).Geography()) != home {
			found = append(found, fail(r, "location %q is outside %s", v.Text(), home)...)
		}
	}
	return found
}

func regionOfRole(s *Stack) []Finding {
	path := "regions.dr.region"
	if s.Role == Primary {
		path = "regions.primary.region"
	}
	if !s.Settings.Found() {
		return unknown(nil, path)
	}
	return each(resourceGroup, "location", is(s.Settings.At(path).Text()))(s)
}

func mirrorRules() []Rule {
	return []Rule{
		{
			ID: "mirror-passive", Title: "The standing mirror runs no database and no cluster",
			Why:      "The policy asks for a passive mirror; what runs there unwatched costs money and can be broken into.",
			Fix:      "Remove the server, database, cluster or workload from role dr; a failover builds its own.",
			Severity: Error, Clauses: []string{"policy 5"}, Roles: []Role{DR},
			Pass: "storage, vault, registry replica", Fail: "a ManagedCluster in stack dr",
			Check: both(
				none(sqlServer, "a database server runs in the standing mirror"),
				none(sqlDatabase, "a database runs in the standing mirror"),
				none(managedCluster, "a cluster runs in the standing mirror"),
			),
		},
		{
			ID: "snapshot-interval", Title: "Snapshots are at most 24 hours apart",
			Why:      "The policy asks for it, and a longer interval makes every restore slower.",
			Fix:      "Set agent.snapshotInterval to 24h or less.",
			Severity: Error, Clauses: []string{"policy 4"}, Roles: running,
			Pass: `snapshotInterval: "6h"`, Fail: `snapshotInterval: "48h"`,
			Check: setting("agent.snapshotInterval", intervalWithin(24*time.Hour)),
		},
		{
			ID: "mirror-blocks", Title: "Without the mirror nothing is acknowledged",
			Why:      "An agent that degrades trades lost commits for uptime; the policy puts data first.",
			Fix:      `Set agent.mirror to "block".`,
			Severity: Warning, Clauses: []string{"policy 1"}, Roles: running,
			Pass: `mirror: "block"`, Fail: `mirror: "degrade"`,
			Check: setting("agent.mirror", is("block")),
		},
	}
}

func intervalWithin(most time.Duration) test {
	return func(v Value) (bool, string) {
		d, err := time.ParseDuration(v.Text())
		return err == nil && d > 0 && d <= most, fmt.Sprintf("over 0 and at most %s", most)
	}
}

func stackRules() []Rule {
	return []Rule{
		{
			ID: "state-backend", Title: "Pulumi's state is kept in the DR region",
			Why:      "State in the lost region is no state: the failover could not even list what it made.",
			Fix:      "Log in to azblob://state?storage_account=… of the DR region's state account.",
			Severity: Error, Clauses: []string{"policy 6", "policy 7"}, Roles: everywhere,
			Pass: "azblob://state?storage_account=stcarefulukwops1a2b", Fail: "file://~/.pulumi",
			Check: stateBackend,
		},
		{
			ID: "state-container", Title: "The DR region holds the container for Pulumi's state",
			Why:      "The failover stack keeps its state there, and cannot make it first.",
			Fix:      "Declare the state account and its container in role dr.",
			Severity: Error, Clauses: []string{"policy 7"}, Roles: []Role{DR},
			Pass: `containerName: "state"`, Fail: "no such container",
			Check: func(s *Stack) []Finding {
				if slices.ContainsFunc(s.OfType(blobContainer), func(r *Resource) bool { return r.At("containerName").Text() == "state" }) {
					return nil
				}
				return fail(nil, "no container named state")
			},
		},
		{
			ID: "tags", Title: "Every taggable resource says its owner, data class, RPO and RTO",
			Why:      "In an incident people must see at a glance what a resource is and who answers for it.",
			Fix:      "Pass the scope's tags to the resource.",
			Severity: Warning, Clauses: []string{"policy 12", "ISO 22301 8.5"}, Roles: everywhere,
			Pass: "tags: {owner, dataClass, rpo, rto}", Fail: "no tags",
			Check: tagged,
		},
		{
			ID: "protected", Title: "What holds data is protected from deletion by Pulumi",
			Why:      "A mistyped name or a removed line must not delete the log.",
			Fix:      "Set protect to true; infra's Scope.Data does the rest.",
			Severity: Error, Clauses: []string{"policy 1"}, Roles: standing,
			Pass: "protect: true on the storage account", Fail: "protect: false",
			Check: protected,
		},
		{
			ID: "database-locked", Title: "The database's server carries a lock against deletion in Azure itself",
			Why:      "The portal and the CLI do not ask Pulumi before they delete, and a server takes its databases with it.",
			Fix:      "Keep the CanNotDelete lock of infra/sql.",
			Severity: Error, Clauses: []string{"policy 1"}, Roles: []Role{Primary},
			Pass: `level: "CanNotDelete"`, Fail: "no lock",
			Check: ifDatabase(each(managementLock, "level", is("CanNotDelete", "ReadOnly"))),
		},
	}
}

func stateBackend(s *Stack) []Finding {
	if s.Backend == "" {
		return unknown(nil, "the state's backend")
	}
	if !strings.HasPrefix(s.Backend, "azblob://") {
		return fail(nil, "the state is kept in %s, want azblob:// in the DR region", s.Backend)
	}
	dr := azure.Region(s.Settings.At("regions.dr.region").Text())
	if !dr.Known() {
		return unknown(nil, "regions.dr")
	}
	// The state account's name ends in the region's code, its generation, "ops" and a salt.
	if !regexp.MustCompile(dr.Code() + `[0-9]*ops[0-9a-f]{4}$`).MatchString(s.Backend) {
		return fail(nil, "the state is kept in %s, which is not the state account of %s", s.Backend, dr)
	}
	return nil
}

// wantedTags are the keys infra puts on everything.
var wantedTags = []string{"owner", "dataClass", "rpo", "rto"}

func tagged(s *Stack) []Finding {
	var found []Finding
	for i := range s.Resources {
		r := &s.Resources[i]
		// What has a location of its own takes tags, but for the few that only carry one along.
		if r.Change == Delete || !strings.HasPrefix(r.Type, "azure-native:") || !r.At("location").Found() {
			continue
		}
		tags := r.At("tags")
		if tags.Unknown() {
			found = append(found, unknown(r, "tags")...)
			continue
		}
		for _, key := range wantedTags {
			if v := tags.At(key); v.Text() == "" && !v.Unknown() {
				found = append(found, fail(r, "tag %q is not set", key)...)
			}
		}
	}
	return found
}

// dataTypes are the resources whose loss loses data or the way to it.
var dataTypes = []string{storageAccount, blobContainer, sqlServer, sqlDatabase, vault, vaultKey}

func protected(s *Stack) []Finding {
	var found []Finding
	for i := range s.Resources {
		r := &s.Resources[i]
		if r.Change != Delete && slices.Contains(dataTypes, r.Type) && !r.Protect {
			found = append(found, fail(r, "is not protected")...)
		}
	}
	return found
}

func changeRules() []Rule {
	return []Rule{{
		ID: "no-destruction", Title: "No update deletes or replaces what holds data",
		Why:      "A replacement is a deletion first: the log, the keys or the database would be gone.",
		Fix:      "Find what forces it (a name, a region) and undo that; or add a waiver with a day.",
		Severity: Error, Clauses: []string{"policy 1", "HIPAA 164.308(a)(7)"}, Roles: standing,
		Pass: "update of a storage account", Fail: "replacement of a storage account",
		Check: func(s *Stack) []Finding {
			var found []Finding
			for i := range s.Resources {
				if r := &s.Resources[i]; r.Change != Keep && slices.Contains(dataTypes, r.Type) {
					found = append(found, fail(r, "this update would %s it", r.Change)...)
				}
			}
			return found
		},
	}}
}
