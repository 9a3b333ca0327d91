// Package native declares the few Azure resources that the provider plugin knows but
// whose Go SDK modules (containerservice, managedidentity) are not in this build. Each
// is registered under the provider's own type token with typed arguments of our own, so
// the day the modules are added this file's callers change by their import alone and no
// resource is replaced.
//
// It also holds Patch: an ARM deployment that sets, on a resource that Pulumi already
// made, the one property that a single declaration cannot express.
package native
