// Package azure holds the facts about Azure that the regions are planned with: which
// regions and geographies there are, which of them have availability zones, which SKUs
// a database or a node may have, how resources are named, and what things cost.
//
// It is plain data and pure functions: no Pulumi, no network. Figures change; each
// carries its source and its date, and each stands in this package alone.
package azure
