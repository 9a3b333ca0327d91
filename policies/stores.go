package policies

import "slices"

const (
	storageAccount = "azure-native:storage:StorageAccount"
	blobContainer  = "azure-native:storage:BlobContainer"
	blobService    = "azure-native:storage:BlobServiceProperties"
	lifecycle      = "azure-native:storage:ManagementPolicy"
	deployment     = "azure-native:resources:Deployment"
	managementLock = "azure-native:authorization:ManagementLockByScope"
)

// Containers that hold what a restore needs; the stacks make one store with all of them.
var recoveryContainers = []string{"log", "snapshots", "records", "code"}

var standing = []Role{Primary, DR}

func storeRules() []Rule {
	return []Rule{
		{
			ID: "store-containers", Title: "The store has its containers for log, snapshots, records and code",
			Why:      "Without the container there is nowhere to write, and nothing to restore from.",
			Fix:      "Declare the missing container in infra/storage.",
			Severity: Error, Clauses: []string{"policy 3", "policy 5", "policy 7"}, Roles: standing,
			Pass: "containers log, snapshots, records, code", Fail: "no container snapshots",
			Check: hasContainers,
		},
		{
			ID: "store-immutable", Title: "The store of log and snapshots is immutable and the policy is locked",
			Why:      "An unlocked policy protects nothing: whoever breaks in can lift it and delete the log.",
			Fix:      "Set store.lock to true; the retention patch must end in the state Locked.",
			Severity: Error, Clauses: []string{"policy 1", "HIPAA 164.308(a)(7)(ii)(A)", "NHS DSPT 7.3"}, Roles: standing,
			Pass: `immutabilityPolicy.state: "Locked"`, Fail: `immutabilityPolicy.state: "Unlocked"`,
			Check: lockedStore,
		},
		{
			ID: "store-versioned", Title: "Blobs are versioned",
			Why:      "Immutability by version, and undoing a bad overwrite, need versioning.",
			Fix:      "Set isVersioningEnabled on the blob service.",
			Severity: Error, Clauses: []string{"policy 1"}, Roles: standing,
			Pass: "isVersioningEnabled: true", Fail: "isVersioningEnabled: false",
			Check: each(blobService, "isVersioningEnabled", isTrue),
		},
		{
			ID: "store-soft-delete", Title: "Deleted blobs and containers can be brought back for 7 days or more",
			Why:      "The first sign of a wrong deletion often comes days later.",
			Fix:      "Enable deleteRetentionPolicy and containerDeleteRetentionPolicy with days >= 7.",
			Severity: Error, Clauses: []string{"policy 1"}, Roles: standing,
			Pass: "deleteRetentionPolicy: {enabled: true, days: 30}", Fail: "deleteRetentionPolicy: {enabled: false}",
			Check: both(
				each(blobService, "deleteRetentionPolicy.enabled", isTrue),
				each(blobService, "deleteRetentionPolicy.days", atLeast(7)),
				each(blobService, "containerDeleteRetentionPolicy.enabled", isTrue),
				each(blobService, "containerDeleteRetentionPolicy.days", atLeast(7)),
			),
		},
		{
			ID: "store-no-lifecycle", Title: "No lifecycle rule touches the store",
			Why:      "A rule that deletes or archives by age breaks the chain of the log; retention is lifeboat's, on the graph.",
			Fix:      "Remove the management policy; use `lifeboat` retention instead.",
			Severity: Error, Clauses: []string{"policy 3", "policy 5"}, Roles: []Role{Primary, DR, Failover},
			Pass: "no ManagementPolicy", Fail: "a ManagementPolicy that deletes blobs after 30 days",
			Check: none(lifecycle, "a lifecycle policy may delete or archive what a restore needs"),
		},
		{
			ID: "store-no-public-blobs", Title: "No blob can be made public",
			Why:      "One wrong container setting would publish patients' data.",
			Fix:      "Set allowBlobPublicAccess to false and publicAccess to None.",
			Severity: Error, Clauses: []string{"policy 5", "NHS DSPT 7.3"}, Roles: []Role{Primary, DR, Failover},
			Pass: "allowBlobPublicAccess: false", Fail: "allowBlobPublicAccess: true",
			Check: both(inStore("allowBlobPublicAccess", isFalse), every(blobContainer, "publicAccess", is("None"))),
		},
		{
			ID: "store-no-shared-key", Title: "Storage is reached with identities, never with account keys",
			Why:      "A key is a password for everything, cannot be told apart in a log, and is easily leaked.",
			Fix:      "Set allowSharedKeyAccess to false.",
			Severity: Error, Clauses: []string{"policy 5", "SOC 2 A1.3"}, Roles: []Role{Primary, DR, Failover},
			Pass: "allowSharedKeyAccess: false", Fail: "allowSharedKeyAccess: true",
			Check: inStore("allowSharedKeyAccess", isFalse),
		},
		{
			ID: "store-tls", Title: "Storage speaks TLS 1.2 or newer, HTTPS only",
			Why:      "Health data must not travel in the clear or under a broken protocol.",
			Fix:      "Set minimumTlsVersion to TLS1_2 and enableHttpsTrafficOnly to true.",
			Severity: Error, Clauses: []string{"NHS DSPT 7.3"}, Roles: []Role{Primary, DR, Failover},
			Pass: `minimumTlsVersion: "TLS1_2"`, Fail: `minimumTlsVersion: "TLS1_0"`,
			Check: both(inStore("minimumTlsVersion", is("TLS1_2", "TLS1_3")), inStore("enableHttpsTrafficOnly", isTrue)),
		},
		{
			ID: "store-firewall", Title: "Storage denies every network that is not named",
			Why:      "A stolen token is of no use from where the store cannot be reached.",
			Fix:      "Set networkRuleSet.defaultAction to Deny.",
			Severity: Error, Clauses: []string{"policy 5"}, Roles: []Role{Primary, DR, Failover},
			Pass: `networkRuleSet: {defaultAction: "Deny"}`, Fail: `networkRuleSet: {defaultAction: "Allow"}`,
			Check: inStore("networkRuleSet.defaultAction", is("Deny")),
		},
	}
}

// inStore asks of every storage account. A failover region may have none: it goes on with
// the mirror's.
func inStore(path string, ask test) func(*Stack) []Finding {
	return func(s *Stack) []Finding {
		if s.Role == Failover {
			return every(storageAccount, path, ask)(s)
		}
		return each(storageAccount, path, ask)(s)
	}
}

func hasContainers(s *Stack) []Finding {
	var have []string
	var found []Finding
	for _, r := range s.OfType(blobContainer) {
		v := r.At("containerName")
		if v.Unknown() {
			found = append(found, unknown(r, "containerName")...)
		}
		have = append(have, v.Text())
	}
	for _, want := range recoveryContainers {
		if !slices.Contains(have, want) {
			found = append(found, fail(nil, "the store has no container %q", want)...)
		}
	}
	return found
}

// lockedStore looks for an account that is made immutable and for the patch that ends in
// a locked period, which is the only way the resource manager takes it.
func lockedStore(s *Stack) []Finding {
	enabled := slices.ContainsFunc(s.OfType(storageAccount), func(r *Resource) bool {
		return r.At("immutableStorageWithVersioning.enabled").True()
	})
	if !enabled {
		return fail(nil, "no storage account is immutable from the start")
	}
	for _, r := range s.OfType(deployment) {
		for _, target := range r.At("properties.template.resources").Items() {
			state := target.At("properties.immutableStorageWithVersioning.immutabilityPolicy.state")
			if state.Unknown() {
				return unknown(r, "the immutability policy's state")
			}
			if state.Text() == "Locked" {
				return nil
			}
		}
	}
	return fail(nil, "no immutability policy is locked")
}
