// Package effect says what a change of the stacks' settings does to what can be lost
// (RPO), to how long a recovery takes (RTO) and to what it costs, for the people who
// review a pull request. Figures are orders of magnitude from infra/azure's tables; the
// measured forecast is the failover plan's.
package effect
