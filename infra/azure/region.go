package azure

import (
	"fmt"
	"slices"
	"strings"
)

// Region is an Azure region as the resource manager spells it, e.g. "uksouth".
type Region string

// Geography is a data-residency boundary: data may be mirrored inside it, never
// across it.
type Geography string

// place is what is known of one region.
type place struct {
	code      string // three letters, used in names
	geography Geography
	zones     bool   // has availability zones
	pair      Region // the other half in the geography that Microsoft pairs it with
	display   string
}

// places: Microsoft's list of regions and availability zones (2025-11). UK West and
// North Central US have no zones: what is zone-redundant in the primary cannot be so
// there, which the plan must say and not discover.
var places = map[Region]place{
	"uksouth":            {"uks", "uk", true, "ukwest", "UK South"},
	"ukwest":             {"ukw", "uk", false, "uksouth", "UK West"},
	"northeurope":        {"eun", "eu", true, "westeurope", "North Europe"},
	"westeurope":         {"euw", "eu", true, "northeurope", "West Europe"},
	"swedencentral":      {"swc", "eu", true, "westeurope", "Sweden Central"},
	"germanywestcentral": {"gwc", "eu", true, "northeurope", "Germany West Central"},
	"francecentral":      {"frc", "eu", true, "westeurope", "France Central"},
	"eastus2":            {"ue2", "us", true, "centralus", "East US 2"},
	"centralus":          {"usc", "us", true, "eastus2", "Central US"},
	"northcentralus":     {"unc", "us", false, "centralus", "North Central US"},
	"canadacentral":      {"cac", "ca", true, "canadaeast", "Canada Central"},
	"canadaeast":         {"cae", "ca", false, "canadacentral", "Canada East"},
	"australiaeast":      {"aue", "au", true, "australiasoutheast", "Australia East"},
	"australiasoutheast": {"aus", "au", false, "australiaeast", "Australia Southeast"},
}

// Known reports whether the region is one this package has facts about.
func (r Region) Known() bool { _, ok := places[r]; return ok }

// Code returns the three letters that stand for the region in names.
func (r Region) Code() string { return places[r].code }

// Geography returns the residency boundary that the region lies in, or "".
func (r Region) Geography() Geography { return places[r].geography }

// Zones reports whether the region has availability zones.
func (r Region) Zones() bool { return places[r].zones }

// Pair returns the region to mirror to when nobody says otherwise.
func (r Region) Pair() Region { return places[r].pair }

// Display returns the region's name as people write it, e.g. "UK South".
func (r Region) Display() string { return places[r].display }

// Regions returns every known region in order.
func Regions() []Region {
	all := make([]Region, 0, len(places))
	for r := range places {
		all = append(all, r)
	}
	slices.Sort(all)
	return all
}

// Geographies returns every known geography in order.
func Geographies() []Geography {
	var all []Geography
	for _, p := range places {
		if !slices.Contains(all, p.geography) {
			all = append(all, p.geography)
		}
	}
	slices.Sort(all)
	return all
}

// RegionsIn returns the known regions of one geography, in order.
func RegionsIn(g Geography) []Region {
	var in []Region
	for _, r := range Regions() {
		if r.Geography() == g {
			in = append(in, r)
		}
	}
	return in
}

// CheckRegion explains what is wrong with a region, or returns nil.
func CheckRegion(r Region) error {
	if r.Known() {
		return nil
	}
	names := make([]string, 0, len(places))
	for _, known := range Regions() {
		names = append(names, string(known))
	}
	return fmt.Errorf("%q is not a known region; use one of %s", r, strings.Join(names, ", "))
}
