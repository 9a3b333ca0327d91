package mssql

import (
	"context"

	"lifeboat/internal/database"
)

var _ database.Leaser = (*Source)(nil)

// createLease is no part of the installation's plan: an agent that is newer than the
// installation makes it when it first needs it.
const createLease = "IF OBJECT_ID(N'" + schemaName + ".lease', N'U') IS NULL CREATE TABLE " + schemaName +
	".lease (one int NOT NULL CONSTRAINT lifeboat_lease PRIMARY KEY CHECK (one = 1), holder nvarchar(100) NOT NULL, address nvarchar(300) NOT NULL, beat bigint NOT NULL)"

// ReadLease implements database.Leaser.
func (s *Source) ReadLease(ctx context.Context) (l database.Lease, err error) {
	err = s.run(ctx, unit{what: "read the agents' lease", do: func(ctx context.Context, tx session) error {
		there, err := one[int64](ctx, tx, "SELECT CAST(COUNT(*) AS bigint) FROM sys.tables AS t WHERE SCHEMA_NAME(t.schema_id) = '"+schemaName+"' AND t.name = N'lease'")
		if err != nil || there == 0 {
			return err
		}
		type row struct {
			Holder, Address string
			Beat            int
		}
		rows, err := collect[row](ctx, tx, "SELECT holder AS Holder, address AS Address, beat AS Beat FROM "+schemaName+".lease")
		if err == nil && len(rows) > 0 {
			l = database.Lease{Holder: rows[0].Holder, Address: rows[0].Address, Beat: int64(rows[0].Beat)}
		}
		return err
	}})
	return l, err
}

// SwapLease implements database.Leaser. One statement compares and writes, so that it holds
// under any isolation; of two first leases the key lets one in.
func (s *Source) SwapLease(ctx context.Context, seen, next database.Lease) (swapped bool, err error) {
	const first = "INSERT INTO " + schemaName + ".lease (one, holder, address, beat) SELECT 1, @p1, @p2, @p3 WHERE NOT EXISTS (SELECT 1 FROM " + schemaName + ".lease)"
	const later = "UPDATE " + schemaName + ".lease SET holder = @p1, address = @p2, beat = @p3 WHERE holder = @p4 AND address = @p5 AND beat = @p6"
	err = s.run(ctx, unit{what: "swap the agents' lease", do: func(ctx context.Context, tx session) error {
		if err := exec(ctx, tx, installLocks, createLease); err != nil {
			return err
		}
		statement, args := first, []any{next.Holder, next.Address, next.Beat}
		if seen != (database.Lease{}) {
			statement, args = later, append(args, seen.Holder, seen.Address, seen.Beat)
		}
		done, err := tx.ExecContext(ctx, statement, args...)
		if err != nil {
			return err
		}
		n, err := done.RowsAffected()
		swapped = n == 1
		return err
	}})
	return swapped && err == nil, err
}
