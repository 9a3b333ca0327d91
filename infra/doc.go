// Package infra is the words that every component of a region shares: the scope it is
// made in, and how it registers itself.
//
// Each component is a package below this one: a New function that takes typed Args,
// checks them whole before it registers anything, makes its children under one parent,
// protects what would hurt to lose, and registers its outputs. Components do not import
// one another; stacks/program wires them.
//
// Physical names are fixed, not random (see azure.Names): a region that must replace
// another finds what it needs by name. So replacements delete before they create.
package infra
