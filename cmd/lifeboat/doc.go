// Command lifeboat is the operator's command: disaster recovery for a database, proven.
//
// One file a verb; what the verbs share is in run.go (the root and how errors end), exit.go
// (the one table of exit codes), settings.go (flags over lifeboat.yaml), open.go (the one
// place where URLs become databases and stores) and output.go (results on standard output,
// as text or as versioned JSON; everything else on standard error).
package main
