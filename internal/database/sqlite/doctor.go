package sqlite

import (
	"context"
	"errors"
	"time"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

var _ database.Doctor = (*DB)(nil)

// Doctor implements database.Doctor. It reads a sample of every table, for some seconds
// at most.
func (d *DB) Doctor(ctx context.Context) (*database.Report, error) {
	r := &database.Report{Product: "SQLite", Database: d.path, Capture: "not installed"}
	err := d.read(ctx, func(c *capi.Conn) error { return d.examine(c, r) })
	if err != nil || len(r.Refused) > 0 {
		return r, err
	}
	v, err := d.View(ctx)
	if err != nil {
		return r, err
	}
	err = r.Estimate(ctx, v, func(t *database.Table) (int64, error) { return d.countRows(ctx, t) }, time.Now)
	return r, errors.Join(err, v.Close())
}

func (d *DB) examine(c *capi.Conn, r *database.Report) error {
	if err := c.Query("SELECT sqlite_version()", func(s *capi.Stmt) error { r.Version = s.Text(0); return nil }); err != nil {
		return err
	}
	cat, err := readCatalog(c)
	if err != nil {
		return err
	}
	if err := cat.rehearse(); err != nil {
		return err
	}
	r.Settings, r.Tables = cat.schema.Settings, len(cat.schema.Tables)
	r.NotCarried, r.Warnings = cat.schema.NotCarried, cat.concerns()
	for _, problem := range cat.problems {
		r.Refused = append(r.Refused, problem.Error())
	}
	for _, o := range cat.schema.Objects {
		if o.Kind == "trigger" {
			r.Triggers = append(r.Triggers, o.Name+" on "+o.Table)
		}
	}
	st, err := readCapture(c)
	if err != nil || !st.installed {
		return err
	}
	r.Capture, r.Fenced = "installed for another schema", st.fence
	if fits, err := st.fits(cat); err != nil {
		return err
	} else if fits {
		r.Capture = "installed"
	}
	r.Pending, err = countPending(c, st)
	return err
}

func (d *DB) countRows(ctx context.Context, t *database.Table) (n int64, err error) {
	err = d.read(ctx, func(c *capi.Conn) error {
		return c.Query("SELECT count(*) FROM "+quote(t.Name), func(s *capi.Stmt) error { n = s.Int64(0); return nil })
	})
	return n, err
}
