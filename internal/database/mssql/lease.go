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
		l, err = readLease(ctx, tx, "")
		return err
	}})
	return l, err
}

func readLease(ctx context.Context, q querier, hint string) (database.Lease, error) {
	there, err := one[int64](ctx, q, "SELECT CAST(COUNT(*) AS bigint) FROM sys.tables AS t WHERE SCHEMA_NAME(t.schema_id) = '"+schemaName+"' AND t.name = N'lease'")
	if err != nil || there == 0 {
		return database.Lease{}, err
	}
	rows, err := collect[database.Lease](ctx, q, "SELECT holder AS Holder, address AS Address, beat AS Beat FROM "+schemaName+".lease"+hint)
	if err != nil || len(rows) == 0 {
		return database.Lease{}, err
	}
	return rows[0], nil
}

// SwapLease implements database.Leaser. The update lock is held from the comparison to
// the commit, so of two agents that saw the same lease one waits and then sees another.
func (s *Source) SwapLease(ctx context.Context, seen, next database.Lease) (swapped bool, err error) {
	err = s.run(ctx, unit{what: "swap the agents' lease", do: func(ctx context.Context, tx session) error {
		swapped = false
		if err := exec(ctx, tx, installLocks, createLease); err != nil {
			return err
		}
		now, err := readLease(ctx, tx, " WITH (UPDLOCK, HOLDLOCK)")
		if err != nil || now != seen {
			return err
		}
		if err := exec(ctx, tx, "DELETE FROM "+schemaName+".lease"); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT INTO "+schemaName+".lease (one, holder, address, beat) VALUES (1, @p1, @p2, @p3)", next.Holder, next.Address, next.Beat)
		swapped = err == nil
		return err
	}})
	return swapped && err == nil, err
}
