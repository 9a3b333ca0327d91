package azure

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// Names makes every physical name from four facts, so that a stack in one region can
// point at what another stack made without reading its state: the state of a lost
// region may be as lost as the region.
type Names struct {
	// Org is the owner's short name, 2 to 10 of a-z 0-9, starting with a letter.
	Org string
	// Part tells the stacks of one owner apart: the region's code and generation for the
	// standing stacks, the failover's id for a failover. At most 5 bytes where accounts
	// and vaults are made, whose names Azure limits to 24.
	Part string
	// Subscription is the GUID that everything lives in.
	Subscription string
}

// salt keeps names that must be unique in all of Azure from meeting another
// subscription's: four hexadecimal digits of its id.
func (n Names) salt() string {
	sum := sha256.Sum256([]byte(n.Subscription))
	return hex.EncodeToString(sum[:2])
}

// Group names the stack's resource group.
func (n Names) Group() string { return "rg-" + n.Org + "-" + n.Part }

// LogAccount names the storage account that holds the log, the snapshots, the records
// and the code: everything that is created once and never changed.
func (n Names) LogAccount() string { return "st" + n.Org + n.Part + "log" + n.salt() }

// StateAccount names the storage account that holds Pulumi's state, which must be
// writable and so cannot share an immutable account.
func (n Names) StateAccount() string { return "st" + n.Org + n.Part + "ops" + n.salt() }

// Vault names the region's key vault.
func (n Names) Vault() string { return "kv-" + n.Org + "-" + n.Part + "-" + n.salt() }

// Registry names the container registry.
func (n Names) Registry() string { return "cr" + n.Org + n.salt() }

// Server names the logical SQL server.
func (n Names) Server() string { return "sql-" + n.Org + "-" + n.Part + "-" + n.salt() }

// Cluster names the Kubernetes cluster.
func (n Names) Cluster() string { return "aks-" + n.Org + "-" + n.Part }

// NodeGroup names the resource group that the cluster makes for its nodes.
func (n Names) NodeGroup() string { return "rg-" + n.Org + "-" + n.Part + "-nodes" }

// Network names the virtual network.
func (n Names) Network() string { return "vnet-" + n.Org + "-" + n.Part }

// Of names a regional resource that needs no rule of its own: Of("log") is "log-org-part".
func (n Names) Of(kind string) string { return kind + "-" + n.Org + "-" + n.Part }

// Identity names a user-assigned identity, by what it does: Identity("agent").
func (n Names) Identity(work string) string { return n.Of("id") + "-" + work }

// Profile names the Traffic Manager profile, which is also its public DNS label.
func (n Names) Profile() string { return "tm-" + n.Org + "-" + n.salt() }

// AppLabel is the public DNS label of the application's load balancer in one stack.
func (n Names) AppLabel() string { return n.Org + "-" + n.Part + "-" + n.salt() }

// AppHost is the public host name that AppLabel gives in a region.
func (n Names) AppHost(r Region) string {
	return fmt.Sprintf("%s.%s.cloudapp.azure.com", n.AppLabel(), r)
}

// GroupID is the resource manager's id of the stack's resource group.
func (n Names) GroupID() string {
	return "/subscriptions/" + n.Subscription + "/resourceGroups/" + n.Group()
}

// LogAccountID is the id of LogAccount; the others likewise.
func (n Names) LogAccountID() string {
	return n.GroupID() + "/providers/Microsoft.Storage/storageAccounts/" + n.LogAccount()
}

// ContainerID is the id of one container of the log account.
func (n Names) ContainerID(container string) string {
	return n.LogAccountID() + "/blobServices/default/containers/" + container
}

// VaultID is the id of Vault.
func (n Names) VaultID() string {
	return n.GroupID() + "/providers/Microsoft.KeyVault/vaults/" + n.Vault()
}

// VaultURL is the address that keys and secrets are asked at.
func (n Names) VaultURL() string { return "https://" + n.Vault() + ".vault.azure.net" }

// RegistryID is the id of Registry.
func (n Names) RegistryID() string {
	return n.GroupID() + "/providers/Microsoft.ContainerRegistry/registries/" + n.Registry()
}

// RegistryHost is the host that images are pulled from.
func (n Names) RegistryHost() string { return n.Registry() + ".azurecr.io" }

// StoreURL is the store of the region as the command line writes it.
func (n Names) StoreURL(container string) string {
	return "azblob://" + n.LogAccount() + "/" + container
}

// ServerHost is the host name of the SQL server.
func (n Names) ServerHost() string { return n.Server() + ".database.windows.net" }
