//go:build race

package sqlite_test

// underRace: the race detector makes SQLite, which is Go code here, some fifty times
// slower; random tests then try less.
const underRace = true
