package sqlserver

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"lifeboat/internal/workload"
)

// ours are the schema and the triggers that Lifeboat has in the database.
const ours = "SCHEMA_NAME(o.schema_id) <> 'lifeboat' AND o.is_ms_shipped = 0"

// Describe reads the application's tables from the catalog views.
func (d *Dialect) Describe(ctx context.Context, db *sql.DB) (*workload.Model, error) {
	r := &reading{ctx: ctx, db: db, d: d, byID: map[int64]int{}, places: map[int64]map[int64]int{}, types: map[string]string{}}
	for _, step := range []func() error{r.server, r.names, r.columns, r.keys, r.foreign, r.triggers} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	for i := range r.m.Tables {
		if len(r.m.Tables[i].Key) == 0 {
			return nil, fmt.Errorf("table %s: it has no key", r.m.Tables[i].Name)
		}
	}
	d.mu.Lock()
	d.types = r.types
	d.mu.Unlock()
	return &r.m, nil
}

// reading is a model on its way out of the catalog.
type reading struct {
	ctx    context.Context //nolint:containedctx // lives as long as one call of Describe
	db     *sql.DB
	d      *Dialect
	m      workload.Model
	byID   map[int64]int           // object_id to position in m.Tables
	places map[int64]map[int64]int // object_id, column_id to position in Columns
	names_ map[string]string       // declared names by lower-case schema.table or schema.table.column
	types  map[string]string
}

func (r *reading) each(query string, row func(scan func(...any) error) error) (err error) {
	rows, err := r.db.QueryContext(r.ctx, query)
	if err != nil {
		return fmt.Errorf("read the catalog: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (r *reading) server() error {
	return r.each("SELECT CAST(SERVERPROPERTY('BabelfishVersion') AS nvarchar(50))", func(scan func(...any) error) error {
		var babelfish sql.NullString
		err := scan(&babelfish)
		r.d.mu.Lock()
		defer r.d.mu.Unlock()
		r.d.txID, r.d.typedNull = "CONCAT(CURRENT_TRANSACTION_ID(), '.', @@SPID)", babelfish.Valid
		if babelfish.Valid {
			r.d.txID = "CONCAT(txid_current(), '.', @@SPID)"
		}
		return err
	})
}

// names are the declared names: an engine may give lower-case ones in its catalog views.
func (r *reading) names() error {
	r.names_ = map[string]string{}
	return r.each("SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS", func(scan func(...any) error) error {
		var schema, table, column string
		if err := scan(&schema, &table, &column); err != nil {
			return err
		}
		r.names_[strings.ToLower(schema+"."+table)] = table
		r.names_[strings.ToLower(schema+"."+table+"."+column)] = column
		return nil
	})
}

func (r *reading) declared(path, name string) string {
	if declared, ok := r.names_[strings.ToLower(path)]; ok {
		return declared
	}
	return name
}

func (r *reading) columns() error {
	query := `SELECT o.object_id, SCHEMA_NAME(o.schema_id), o.name, c.column_id, c.name, COALESCE(b.name, u.name), c.max_length, c.is_nullable, c.is_computed, c.is_identity
FROM sys.tables AS o JOIN sys.columns AS c ON c.object_id = o.object_id
LEFT JOIN sys.types AS b ON b.user_type_id = c.system_type_id LEFT JOIN sys.types AS u ON u.user_type_id = c.user_type_id
WHERE ` + ours + ` ORDER BY SCHEMA_NAME(o.schema_id), o.name, c.column_id`
	return r.each(query, func(scan func(...any) error) error {
		var object, id int64
		var schema, table, name, kind string
		var length int
		var nullable, computed, identity bool
		if err := scan(&object, &schema, &table, &id, &name, &kind, &length, &nullable, &computed, &identity); err != nil {
			return err
		}
		at, known := r.byID[object]
		if !known {
			at = len(r.m.Tables)
			r.byID[object], r.places[object] = at, map[int64]int{}
			r.m.Tables = append(r.m.Tables, workload.Table{Name: schema + "." + r.declared(schema+"."+table, table)})
		}
		t := &r.m.Tables[at]
		r.places[object][id] = len(t.Columns)
		c := columnOf(kind, length)
		c.Name, c.Nullable = r.declared(schema+"."+table+"."+name, name), nullable
		c.ReadOnly = c.ReadOnly || computed || identity
		t.Columns = append(t.Columns, c)
		t.AutoKey = t.AutoKey || identity // kept only if it is the key
		r.remember(c.Name, kind)
		return nil
	})
}

func (r *reading) remember(column, kind string) {
	key := r.d.Column(column)
	if was, known := r.types[key]; known && was != kind {
		kind = "" // the same name with two types: read as it comes
	}
	r.types[key] = kind
}

// columnOf tells what writers may put into a type. max_length is in bytes.
func columnOf(kind string, bytes int) workload.Column {
	switch kind {
	case "bit", "tinyint", "smallint", "int", "bigint":
		return workload.Column{Kind: workload.Integer}
	case "decimal", "numeric", "money", "smallmoney", "float", "real":
		return workload.Column{Kind: workload.Number}
	case "char", "varchar":
		return workload.Column{Kind: workload.Text, MaxLen: max(bytes, 0)}
	case "nchar", "nvarchar":
		// Characters beyond the first plane count twice.
		return workload.Column{Kind: workload.Text, MaxLen: max(bytes/4, min(1, max(bytes, 0)))}
	case "varbinary":
		return workload.Column{Kind: workload.Bytes, MaxLen: max(bytes, 0)}
	case "date", "time", "datetime", "smalldatetime", "datetime2", "datetimeoffset":
		return workload.Column{Kind: workload.Moment}
	case "uniqueidentifier":
		return workload.Column{Kind: workload.Other}
	}
	return workload.Column{Kind: workload.Other, ReadOnly: true}
}

func (r *reading) keys() error {
	query := `SELECT i.object_id, i.index_id, i.is_primary_key, x.column_id FROM sys.indexes AS i
JOIN sys.tables AS o ON o.object_id = i.object_id
JOIN sys.index_columns AS x ON x.object_id = i.object_id AND x.index_id = i.index_id
WHERE i.is_unique = 1 AND x.key_ordinal > 0 AND ` + ours + ` ORDER BY i.object_id, i.index_id, x.key_ordinal`
	type index struct{ object, id int64 }
	columns, primary := map[index][]int{}, map[index]bool{}
	var order []index
	err := r.each(query, func(scan func(...any) error) error {
		var i index
		var isPrimary bool
		var column int64
		if err := scan(&i.object, &i.id, &isPrimary, &column); err != nil {
			return err
		}
		if columns[i] == nil {
			order = append(order, i)
		}
		columns[i], primary[i] = append(columns[i], r.places[i.object][column]), isPrimary
		return nil
	})
	for _, i := range order {
		t := &r.m.Tables[r.byID[i.object]]
		if primary[i] {
			t.Key = columns[i]
		} else {
			t.Uniques = append(t.Uniques, columns[i])
		}
	}
	for i := range r.m.Tables {
		t := &r.m.Tables[i]
		for _, u := range t.Uniques {
			if len(t.Key) == 0 && allNotNull(t, u) {
				t.Key = u
			}
		}
		t.AutoKey = t.AutoKey && len(t.Key) == 1 && t.Columns[t.Key[0]].ReadOnly
	}
	return err
}

func allNotNull(t *workload.Table, columns []int) bool {
	for _, c := range columns {
		if t.Columns[c].Nullable {
			return false
		}
	}
	return true
}

func (r *reading) foreign() error {
	query := `SELECT f.object_id, f.parent_object_id, f.referenced_object_id, CAST(f.delete_referential_action_desc AS nvarchar(60)), x.parent_column_id, x.referenced_column_id
FROM sys.foreign_keys AS f JOIN sys.tables AS o ON o.object_id = f.parent_object_id
JOIN sys.foreign_key_columns AS x ON x.constraint_object_id = f.object_id
WHERE ` + ours + ` ORDER BY f.object_id, x.constraint_column_id`
	last := int64(0)
	return r.each(query, func(scan func(...any) error) error {
		var key, child, parent, from, to int64
		var action string
		if err := scan(&key, &child, &parent, &action, &from, &to); err != nil {
			return err
		}
		t := &r.m.Tables[r.byID[child]]
		if key != last {
			t.Foreign = append(t.Foreign, workload.ForeignKey{Parent: r.m.Tables[r.byID[parent]].Name, OnDelete: actionOf(action)})
			last = key
		}
		f := &t.Foreign[len(t.Foreign)-1]
		f.Columns, f.ParentColumns = append(f.Columns, r.places[child][from]), append(f.ParentColumns, r.places[parent][to])
		return nil
	})
}

func actionOf(description string) workload.Action {
	switch description {
	case "CASCADE":
		return workload.Cascade
	case "SET_NULL":
		return workload.SetNull
	case "SET_DEFAULT":
		return workload.SetDefault
	}
	return workload.Refuse
}

// triggers marks the tables that the application's triggers name: what they write there
// the writers cannot know.
func (r *reading) triggers() error {
	query := `SELECT m.definition, t.parent_id FROM sys.triggers AS t JOIN sys.sql_modules AS m ON m.object_id = t.object_id
WHERE t.parent_class = 1 AND t.is_ms_shipped = 0 AND t.name NOT LIKE 'lifeboat[_]capture[_]%'`
	return r.each(query, func(scan func(...any) error) error {
		var text string
		var on int64
		if err := scan(&text, &on); err != nil {
			return err
		}
		for i := range r.m.Tables {
			t := &r.m.Tables[i]
			_, name, _ := strings.Cut(t.Name, ".")
			named, err := regexp.MatchString(`(?i)\b`+regexp.QuoteMeta(name)+`\b`, text)
			if err != nil {
				return err
			}
			t.Triggered = t.Triggered || named && r.byID[on] != i
		}
		return nil
	})
}
