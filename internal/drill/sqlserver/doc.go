// Package sqlserver plays the drill's databases on a SQL Server, as scratch databases that
// it makes and drops.
//
// It owns the application's side of T-SQL: the [Dialect] of the writers, the hospital's
// tables, and a copy of a database that is there. It refuses to touch any database that it
// did not make itself; a source is only read.
//
//	e, err := sqlserver.New(ctx, sqlserver.Config{URL: "sqlserver://host?database=Shop"})
//	if err != nil {
//		return err
//	}
//	defer e.Close(ctx) // drops what was made
//	result, err := drill.Run(ctx, drill.Config{Engine: e, …})
package sqlserver
