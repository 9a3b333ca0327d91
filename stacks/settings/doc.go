// Package settings is the configuration of a stack: one typed structure for every role,
// decoded strictly, checked whole.
//
// The same structure describes the primary, the standing DR stack and a failover stack,
// because a region that is to replace another must be described by the same words. The
// stacks differ in Role (and a failover in its Failover part); Failover and Mirror
// derive one stack's settings from another's so that nobody retypes them on a bad day.
//
// Parse refuses unknown keys, and Validate reports every problem at once, before any
// resource is touched. The package imports no Pulumi: the command line and the policy
// rules read settings too.
package settings
