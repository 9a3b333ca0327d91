// Package program wires the components of a region for the role of a stack. Run is the
// whole program: of `pulumi up` in the project's folder and of the Automation API alike.
//
//	primary   everything, beside a mirror that must already stand
//	dr        the standing mirror: store, vault, state, alerts, and in the hub also the
//	          registry and the edge; no running database and no cluster
//	failover  a complete region beside the mirror, whose store, vault and images it uses
//
// The order is dr, then primary: the lifeboat before the ship. Stacks find one another
// by name (azure.Names), never by reading each other's state.
//
// Configuration is read and checked whole before any resource is registered.
package program
