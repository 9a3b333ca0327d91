// Package preview reads the resources of a stack from the JSON that the Pulumi command
// line prints: `pulumi preview --json` and `pulumi stack export`. It refuses what it does
// not know rather than guess: an unknown format would make every rule pass on nothing.
package preview
