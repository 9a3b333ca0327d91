// Package mssql captures, snapshots and restores SQL Server and Azure SQL databases
// through go-mssqldb, behind the ports of package database.
//
// It owns everything that knows T-SQL: the connection, the catalog views, the texts of
// triggers and tables, and the exact conversion of every column type to and from the
// canonical rows. It refuses, by name and before anything is changed, whatever it cannot
// carry without loss; what the user allowed by name is listed as not carried instead.
//
// Invariants:
//   - A value that was read can be written back and read again with the same bytes; a
//     value that cannot be is an error that names the column, never a near miss. Text is
//     read and written as the server's raw bytes, because the driver replaces what it
//     cannot decode and writes UTF-8 into any code page.
//   - A change is captured if and only if the transaction that made it commits.
//   - Every use of a pooled connection sets its isolation level itself.
//   - A unit of a restore and the record of it commit together.
//   - What an engine lacks is found out once, in capabilities.go, and changes nothing for
//     an engine that has it.
//
// A Source is opened on the database to protect, a Target on the one to fill:
//
//	src, err := mssql.Open(ctx, mssql.Config{URL: "sqlserver://host?database=Shop&fedauth=ActiveDirectoryDefault"})
//	if err != nil {
//		return err
//	}
//	defer src.Close()
//	schema, err := src.Install(ctx)
package mssql
