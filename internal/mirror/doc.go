// Package mirror proves that the two regions' stores hold the same, and heals what one of
// them still has.
//
// It owns the comparison of two stores: how far one is behind ([Measure]), what is damaged
// or missing and which restore points that costs ([Verify]), and the copying of objects
// from the side that has them whole ([Repair]). It reads through the same decorators as
// everybody else, so encrypted stores are compared by what they say, not by their bytes.
//
// Each store is compacted by itself, so the same segments may be objects of their own in
// one and packs in the other: what is held is compared by slot, and each form heals the
// other; many small segments that are missing are brought as packs. A long verification can be bounded in rate and go on after an interruption ([Pass]).
//
// It never overwrites: an object that is missing is created, one that is damaged is
// deleted first and only when told so, with its good bytes already in memory. It never
// copies a store's identity, pins, or segments that a takeover has set aside. It refuses
// to copy what the verification of its own side did not find whole.
package mirror
