package sqlite

import (
	"fmt"
	"math"
	"slices"

	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite/capi"
)

// numberer leaves the row id of an INTEGER PRIMARY KEY to SQLite where SQLite would choose
// the same. It knows then that the row comes last; for an id that it is given it looks from
// the root of the tree, for each row anew, which is a quarter of the time of a load. A nil
// numberer gives SQLite every id.
type numberer struct {
	c      *capi.Conn
	table  *database.Table
	column int   // position
	last   int64 // the largest id there is or was, as SQLite counts; unknown if none
	bound  int64 // id of the row that was bound last
}

// unknown is no id that is followed by another: SQLite begins with 1, unless ids are negative.
const unknown = math.MinInt64

func newNumberer(c *capi.Conn, table *database.Table) (*numberer, error) {
	name, isColumn, err := rowidOf(c, table.Name)
	if err != nil || !isColumn {
		return nil, err
	}
	column := slices.IndexFunc(table.Columns, func(c database.Column) bool { return c.Name == name })
	if column < 0 {
		return nil, nil
	}
	return &numberer{c: c, table: table, column: column}, nil
}

// start looks at the table before the first row of a transaction.
func (n *numberer) start() error {
	if n == nil {
		return nil
	}
	column := n.table.Columns[n.column]
	sql := fmt.Sprintf("SELECT max(%s) FROM %s", quote(column.Name), quote(n.table.Name))
	if column.Identity { // AUTOINCREMENT: no id is given twice
		sql = fmt.Sprintf("SELECT max(coalesce((%s), 0), coalesce((SELECT seq FROM sqlite_sequence WHERE name = %s), 0))",
			sql, literal(n.table.Name))
	}
	return n.c.Query(sql, func(s *capi.Stmt) error {
		n.last = unknown
		if s.Kind(0) != capi.Null {
			n.last = s.Int64(0)
		}
		return nil
	})
}

// follows is told every value of a row, in its column, and reports whether it is the id that
// SQLite would give the row.
func (n *numberer) follows(column int, v database.Value) bool {
	if n == nil || column != n.column {
		return false
	}
	next := n.last != unknown && v.Int > n.last && v.Int-1 == n.last
	n.bound, n.last = v.Int, max(n.last, v.Int)
	return next
}

// check makes sure that SQLite numbered the rows as expected.
func (n *numberer) check() error {
	if n == nil {
		return nil
	}
	if got := n.c.LastInsertRowID(); got != n.bound {
		return fmt.Errorf("table %s: row %d got the id %d; somebody else writes to the target: delete it and restore again", n.table.Name, n.bound, got)
	}
	return nil
}
