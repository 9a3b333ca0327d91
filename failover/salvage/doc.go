// Package salvage does the part of a failover that is about data: it ends the old writer's
// reign, restores into the database that was provisioned, arms it, and lets the log go on
// towards a new mirror. It implements the ports Log and Database of package run.
//
// It opens nothing itself: stores are given to it, and databases by functions from URL to
// port, so it knows no engine and no cloud. Everything may be called again: a fence is
// create-only objects, a restore records its units in the target together with their
// rows, capture is installed in one transaction, and a new epoch is begun by whoever
// creates its object first.
package salvage
