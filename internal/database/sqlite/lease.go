package sqlite

import (
	"context"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

var _ database.Leaser = (*DB)(nil)

// createLease is no part of the installation's plan: an agent that is newer than the
// installation makes it when it first needs it.
const createLease = "CREATE TABLE IF NOT EXISTS lifeboat_lease (one INTEGER PRIMARY KEY CHECK (one = 1), holder TEXT NOT NULL, address TEXT NOT NULL, beat INTEGER NOT NULL)"

// ReadLease implements database.Leaser.
func (d *DB) ReadLease(ctx context.Context) (l database.Lease, err error) {
	err = d.read(ctx, func(c *capi.Conn) error { l, err = readLease(c); return err })
	return l, err
}

func readLease(c *capi.Conn) (l database.Lease, err error) {
	there := false
	err = c.Query("SELECT 1 FROM sqlite_schema WHERE name = 'lifeboat_lease'", func(*capi.Stmt) error { there = true; return nil })
	if err != nil || !there {
		return l, err
	}
	err = c.Query("SELECT holder, address, beat FROM lifeboat_lease", func(s *capi.Stmt) error {
		l = database.Lease{Holder: s.Text(0), Address: s.Text(1), Beat: s.Int64(2)}
		return nil
	})
	return l, err
}

// SwapLease implements database.Leaser.
func (d *DB) SwapLease(ctx context.Context, seen, next database.Lease) (swapped bool, err error) {
	err = d.update(ctx, func(c *capi.Conn) error {
		now, err := readLease(c)
		if swapped = err == nil && now == seen; !swapped {
			return err
		}
		if err := c.Exec(createLease); err != nil {
			return err
		}
		return c.Exec("INSERT OR REPLACE INTO lifeboat_lease VALUES (1, ?, ?, ?)", next.Holder, next.Address, next.Beat)
	})
	return swapped && err == nil, err
}
