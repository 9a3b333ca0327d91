// Package databasetest is the suite that every engine passes: what package database
// says of Source, View, Target and Replayer, tried against a real database.
//
// An engine gives the suite fresh databases with the tables below, in its own dialect,
// and rows that hold the extremes of each of its types. Everything else is standard SQL.
//
//	func TestEngine(t *testing.T) {
//		databasetest.Run(t, databasetest.Engine{
//			Fresh:  func(t testing.TB) databasetest.Instance { … },
//			Target: func(t testing.TB) func() databasetest.RestoreTarget { … },
//			Name:   func(table string) string { return "dbo." + table },
//		})
//	}
//
// The tables, empty, before capture is installed:
//
//	people  (id integer primary key, name text not null unique, n integer null)
//	pair    (a integer, b text, v integer null, primary key (a, b))
//	counted (id numbered by the engine primary key, name text null); ids never come again
//	journal (id numbered by the engine primary key, what text null)
//	extreme (id integer primary key, and a column of each type there is)
//
// and a trigger on pair that after an insert adds a row to journal for each row.
package databasetest
