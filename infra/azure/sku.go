package azure

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// DatabaseSKU is one size of Azure SQL database.
type DatabaseSKU struct {
	Name     string // as the resource manager spells it, e.g. "GP_Gen5_4"
	Tier     string // e.g. "GeneralPurpose"
	VCores   int
	LogMBps  float64 // transaction log rate that the governor allows, MB/s
	Monthly  float64 // order of magnitude of its price, GBP a month, UK South
	Zonal    bool    // may be zone-redundant
	MaxSizeG int     // largest data size, GiB
}

// tier is what all sizes of one service tier share.
type tier struct {
	prefix    string
	name      string
	perCore   float64 // log MB/s per vCore
	ceiling   float64 // log MB/s, however many vCores
	price     float64 // GBP per vCore and month
	maxSizeGi int
}

// Microsoft, "resource limits for single databases, vCore" (2025-11) for the log rates
// and sizes; the Azure price list for UK South (2025-11), rounded, for the prices.
var tiers = []tier{
	{"GP_Gen5", "GeneralPurpose", 4.5, 50, 150, 4096},
	{"GP_S_Gen5", "GeneralPurpose", 4.5, 50, 200, 4096},
	{"BC_Gen5", "BusinessCritical", 12, 96, 400, 4096},
	{"HS_Gen5", "Hyperscale", 12.5, 100, 160, 131072},
}

var coreCounts = []int{2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 24, 32, 40, 80}

// ParseDatabaseSKU reads a SKU such as "GP_Gen5_4" and refuses one that cannot be
// bought, naming what can.
func ParseDatabaseSKU(name string) (DatabaseSKU, error) {
	cut := strings.LastIndexByte(name, '_')
	if cut > 0 {
		cores, err := strconv.Atoi(name[cut+1:])
		for _, t := range tiers {
			if err == nil && t.prefix == name[:cut] && slices.Contains(coreCounts, cores) {
				return DatabaseSKU{
					Name: name, Tier: t.name, VCores: cores,
					LogMBps: min(t.perCore*float64(cores), t.ceiling),
					Monthly: t.price * float64(cores), Zonal: true, MaxSizeG: t.maxSizeGi,
				}, nil
			}
		}
	}
	prefixes := make([]string, 0, len(tiers))
	for _, t := range tiers {
		prefixes = append(prefixes, t.prefix+"_N")
	}
	return DatabaseSKU{}, fmt.Errorf("%q is not a database size; use %s with N one of %v", name, strings.Join(prefixes, ", "), coreCounts)
}

// NodeSKU is one size of cluster node.
type NodeSKU struct {
	Name    string
	Family  string  // what its quota is counted in
	VCPUs   int     //
	Monthly float64 // order of magnitude, GBP a month, UK South, pay as you go
}

// Azure's price list for UK South, Linux, pay as you go (2025-11), rounded.
var nodes = []NodeSKU{
	{"Standard_D2ds_v5", "standardDDSv5Family", 2, 80},
	{"Standard_D4ds_v5", "standardDDSv5Family", 4, 160},
	{"Standard_D8ds_v5", "standardDDSv5Family", 8, 320},
	{"Standard_D16ds_v5", "standardDDSv5Family", 16, 640},
	{"Standard_E4ds_v5", "standardEDSv5Family", 4, 210},
	{"Standard_E8ds_v5", "standardEDSv5Family", 8, 420},
	{"Standard_E16ds_v5", "standardEDSv5Family", 16, 840},
}

// ParseNodeSKU looks a node size up and refuses one that this plan has no facts about.
func ParseNodeSKU(name string) (NodeSKU, error) {
	known := make([]string, 0, len(nodes))
	for _, n := range nodes {
		if n.Name == name {
			return n, nil
		}
		known = append(known, n.Name)
	}
	return NodeSKU{}, fmt.Errorf("%q is not a known node size; use one of %s", name, strings.Join(known, ", "))
}
