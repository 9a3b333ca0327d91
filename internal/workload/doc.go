// Package workload is an application: writers that change any tables they find in a
// database, and the record that each keeps of what it wrote and of what it was promised.
//
// It owns the [Model] of a database as an application sees it (columns, keys, uniques,
// foreign keys), the writers' choices, the [Record], and the check of a database against
// that record, row by row. It refuses to know what protects the database: it is given a
// [Dialect] for its engine and an Ack to call after each commit. That is what makes the
// check worth something.
//
// Invariants:
//   - every transaction changes several tables where there are several, and keeps NOT NULL,
//     UNIQUE, FOREIGN KEY and CHECK true; a statement that the database refuses is replaced
//     by another one and is never part of the record;
//   - what the record holds of a row is what the database itself answered inside the
//     transaction, defaults, conversions, cascades and the row's own triggers included;
//   - a transaction counts as acknowledged only after Ack has returned without an error;
//   - transactions are numbered while they hold their locks, so that for each row the order
//     of the numbers is the order of the commits.
//
// In short:
//
//	record := workload.NewRecord(nil)
//	err := workload.Run(ctx, workload.Config{DB: db, Dialect: d, Writers: 8, Seed: 1, Ack: ack, Record: record})
//	verdict, err := record.Check(ctx, restored, d, survived)
package workload
