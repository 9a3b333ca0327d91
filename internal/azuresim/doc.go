// Package azuresim is a stand-in for Azure and Kubernetes behind the real Pulumi engine:
// two provider servers over one simulated cloud, attached with PULUMI_DEBUG_PROVIDERS.
//
// It exists to refuse. A program that the stand-in takes should be one that Azure takes,
// so it rejects unknown properties (by the SDK's own argument types, see SchemaOf),
// missing inputs, bad names, references to what does not exist, sizes that a region does
// not sell, quotas, zones where there are none, names that somebody else has, deletions
// under a lock, and retention that is already locked. It computes what Azure computes
// (ids, host names, principals, issuers), knows which inputs replace a resource, and
// lists what is left. Faults come on demand: a region down, no quota, throttled, done but
// reported as timed out.
//
// It is not Azure: no data plane, no role is enforced, nothing takes time. What it was
// told about Azure stands in the kinds (package azuresim/kinds), each with its rule.
//
//	cloud := azuresim.New(azuresim.Options{Kinds: kinds.Azure(), Objects: kinds.Kubernetes()})
//	server, err := azuresim.Serve(cloud)
//	// run the engine with the environment variable server.Env() added
//
// A Cloud is safe for concurrent use. A Server belongs to one stack at a time, since the
// engine does not tell a provider which of its instances a call is for.
package azuresim
