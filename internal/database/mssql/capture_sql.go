package mssql

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"lifeboat/internal/database"
)

// captureFormat is the version of what Install puts into a database.
const captureFormat = 1

// ownPrefix begins the names of the columns that change tables add to those of the table.
const ownPrefix = "lifeboat_"

// Objects of capture beside the change tables. The fence is read by every trigger under
// REPEATABLEREAD: that is a locking read of the current row even where the application
// reads snapshots, and its lock is held to the end of the transaction. So setting the
// fence waits for every writer under way, and none commits after it is set.
func captureObjects(caps capabilities) []string {
	return []string{
		createOwnSchema,
		createSequence(caps),
		"CREATE TABLE " + schemaName + ".state (id int NOT NULL CONSTRAINT lifeboat_state PRIMARY KEY, format int NOT NULL, fenced nvarchar(1000) NULL)",
		"CREATE TABLE " + schemaName + ".installed (generation int NOT NULL CONSTRAINT lifeboat_installed PRIMARY KEY, last_id bigint NULL, capture_schema nvarchar(max) NOT NULL)",
		fmt.Sprintf("INSERT INTO %s.state (id, format, fenced) VALUES (1, %d, NULL)", schemaName, captureFormat),
	}
}

// createSequence makes the source of change ids. They begin at the microseconds since 1970,
// not at 1: the log remembers ids that it has taken, and must not take those of another
// installation (before a Remove, or in the database that this one was restored from) for
// changes it has already.
func createSequence(caps capabilities) string {
	return "DECLARE @create nvarchar(400) = CONCAT(N'CREATE SEQUENCE " + schemaName + ".change_id AS bigint START WITH ', " +
		"DATEDIFF_BIG(MICROSECOND, '19700101', SYSUTCDATETIME()), N' INCREMENT BY 1" + caps.sequenceCache + "'); EXEC(@create)"
}

// createOwnSchema makes the schema unless a restore's records have made it already.
const createOwnSchema = "IF SCHEMA_ID(N'" + schemaName + "') IS NULL EXEC(N'CREATE SCHEMA " + schemaName + "')"

// maxName is the longest identifier of SQL Server, in characters.
const maxName = 128

// changeTable is the name of the table that takes the changes of t. It has the shape of
// t's rows in its name, so that the changes of an earlier shape stay readable beside it.
func changeTable(t *database.Table) string {
	return shortened(t.Name, " "+t.Version()[:8])
}

// shortened cuts a name that would be too long with its suffix, keeping it unique.
func shortened(name, suffix string) string {
	if len([]rune(name))+len(suffix) <= maxName {
		return name + suffix
	}
	sum := sha256.Sum256([]byte(name))
	suffix = " " + hex.EncodeToString(sum[:4]) + suffix
	return string([]rune(name)[:maxName-len(suffix)]) + suffix
}

// triggerName is the name of t's trigger, in t's schema.
func triggerName(o object) object {
	return object{o.Schema, shortened(triggerPrefix+o.Name, "")}
}

// createChangeTable has the columns of t with the same types and collations, all
// nullable, without identity, defaults or alias types, which would tie it to the table.
func createChangeTable(caps capabilities, t *database.Table) string {
	lines := []string{
		"    lifeboat_id bigint NOT NULL DEFAULT NEXT VALUE FOR " + schemaName + ".change_id PRIMARY KEY" + caps.sequentialKey,
		"    lifeboat_tx bigint NOT NULL",
		"    lifeboat_session int NOT NULL",
		"    lifeboat_at datetime2(7) NOT NULL",
		"    lifeboat_op char(1) NOT NULL",
	}
	for _, c := range t.Columns {
		line := "    " + quote(c.Name) + " " + c.Type
		if c.Collation != "" {
			line += " COLLATE " + c.Collation
		}
		lines = append(lines, line+" NULL")
	}
	return "CREATE TABLE " + schemaName + "." + quote(changeTable(t)) + " (\n" + strings.Join(lines, ",\n") + "\n)"
}

// trigger is what createTrigger needs to know.
type trigger struct {
	table   *database.Table
	history *database.Table // of a system-versioned table
	as      string          // EXECUTE AS this user; "" = as the caller
}

// createTrigger writes the trigger of a table. It works on whole statements. All rows a
// statement removed are written before all rows it added, so that in order of change_id
// no row is there twice.
func createTrigger(caps capabilities, g trigger) (string, error) {
	o, err := parseObject(g.table.Name)
	if err != nil {
		return "", err
	}
	with := ""
	if g.as != "" && caps.executeAs {
		with = "\nWITH EXECUTE AS '" + g.as + "'"
	}
	body := []string{
		"SET NOCOUNT ON;",
		// An application's own SET ROWCOUNT would cut the inserts below short.
		"SET ROWCOUNT 0;",
		// Not @@ROWCOUNT, which in a MERGE counts the rows of all its actions.
		"IF NOT EXISTS (SELECT 1 FROM inserted) AND NOT EXISTS (SELECT 1 FROM deleted) RETURN;",
		"DECLARE @fenced nvarchar(1000);",
		"SELECT @fenced = fenced FROM " + schemaName + ".state WITH (REPEATABLEREAD) WHERE id = 1;",
		"IF @fenced IS NOT NULL",
		"BEGIN",
		"    DECLARE @message nvarchar(2000) = CONCAT(N'Lifeboat turned this write away: another database has taken over. ', @fenced);",
		fmt.Sprintf("    THROW %d, @message, 1;", errorFenced),
		"END;",
		insertChanges(caps, g.table, "D", "deleted"),
		insertChanges(caps, g.table, "I", "inserted"),
	}
	if g.history != nil {
		more, err := historyChanges(caps, g)
		if err != nil {
			return "", err
		}
		body = append(body, more...)
	}
	return "CREATE TRIGGER " + triggerName(o).SQL() + " ON " + o.SQL() + with + "\nAFTER INSERT, UPDATE, DELETE AS\nBEGIN\n    " +
		strings.Join(body, "\n    ") + "\nEND", nil
}

func insertChanges(caps capabilities, t *database.Table, op, from string) string {
	values := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		values[i] = imageSQL(c)
	}
	return fmt.Sprintf("INSERT INTO %s.%s (lifeboat_tx, lifeboat_session, lifeboat_at, lifeboat_op, %s)\n    SELECT %s, @@SPID, SYSUTCDATETIME(), '%s', %s FROM %s;",
		schemaName, quote(changeTable(t)), columnNames(t), caps.transactionID, op, strings.Join(values, ", "), from)
}

// imageSQL is a column's value for its change table, whose xml columns are untyped.
func imageSQL(c database.Column) string {
	if c.Details[detailXML] != "" {
		return "CAST(" + quote(c.Name) + " AS xml)"
	}
	return quote(c.Name)
}

func columnNames(t *database.Table) string {
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = quote(c.Name)
	}
	return strings.Join(names, ", ")
}

var errPeriod = fmt.Errorf("%w: a system-versioned table without both columns of its period", database.ErrUnsupported)

// historyChanges capture the rows that the server moves into the history table, which
// can have no trigger. When the trigger runs they are there: each row removed from the
// current table, with its end set to the beginning of the transaction. An UPDATE shows
// that time as the start of its new rows; for a DELETE it is the latest end in the
// history of a row removed. The server keeps no history of a row that an UPDATE or DELETE
// did not change the period of, so the time must be found, or the write fails.
func historyChanges(caps capabilities, g trigger) ([]string, error) {
	start, end := periodColumn(g.table, "start"), periodColumn(g.table, "end")
	history, err := parseObject(g.history.Name)
	if err != nil {
		return nil, err
	}
	if start == "" || end == "" || len(g.history.Columns) != len(g.table.Columns) {
		return nil, fmt.Errorf("%w: %s", errPeriod, g.table.Name)
	}
	var match, into, from, sought []string
	for _, k := range g.table.Key {
		name := quote(g.table.Columns[k].Name)
		match, sought = append(match, "h."+name+" = d."+name), append(sought, name)
	}
	for _, c := range g.table.Columns {
		into = append(into, quote(c.Name))
		if c.Name == end {
			from = append(from, "@ended")
		} else {
			from = append(from, imageSQL(c))
		}
	}
	return []string{
		"IF EXISTS (SELECT 1 FROM deleted)",
		"BEGIN",
		"    DECLARE @ended datetime2(7);",
		"    SELECT TOP (1) @ended = " + quote(start) + " FROM inserted;",
		"    IF @ended IS NULL",
		"        SELECT TOP (1) @ended = h." + quote(end) + " FROM " + history.SQL() + " AS h JOIN (SELECT TOP (1) " + strings.Join(sought, ", ") + ", " + quote(start) + " FROM deleted) AS d",
		"            ON " + strings.Join(match, " AND ") + " AND h." + quote(start) + " = d." + quote(start) + " ORDER BY h." + quote(end) + " DESC;",
		"    IF @ended IS NULL THROW 51208, N'Lifeboat cannot find the history row of this change; write refused.', 1;",
		fmt.Sprintf("    INSERT INTO %s.%s (lifeboat_tx, lifeboat_session, lifeboat_at, lifeboat_op, %s)",
			schemaName, quote(changeTable(g.history)), strings.Join(into, ", ")),
		fmt.Sprintf("    SELECT %s, @@SPID, SYSUTCDATETIME(), 'I', %s FROM deleted;", caps.transactionID, strings.Join(from, ", ")),
		"END;",
	}, nil
}

func periodColumn(t *database.Table, which string) string {
	for _, c := range t.Columns {
		if c.Details[detailPeriod] == which {
			return c.Name
		}
	}
	return ""
}

// orderTrigger puts our trigger first, if that place is free. By the algebra of the log
// any order gives the same net change; first is also the order in which it happened:
// what the application's own triggers do to the table is captured after what they
// react to.
func orderTrigger(o object) []string {
	var texts []string
	for _, statement := range []string{"INSERT", "UPDATE", "DELETE"} {
		texts = append(texts, "EXEC sys.sp_settriggerorder @triggername = "+literal(triggerName(o).SQL())+", @order = 'First', @stmttype = '"+statement+"'")
	}
	return texts
}

// triggers lists the trigger of each table that has one: history tables do not.
func triggers(s *database.Schema) []trigger {
	byName := map[string]*database.Table{}
	history := map[string]*database.Table{} // by current table
	for i := range s.Tables {
		t := &s.Tables[i]
		byName[t.Name] = t
		if of := historyOf(t); of != "" {
			history[of] = t
		}
	}
	var list []trigger
	for i := range s.Tables {
		t := &s.Tables[i]
		if historyOf(t) != "" {
			continue
		}
		g := trigger{table: t, history: history[t.Name]}
		// The trigger writes to tables of dbo. Ownership chaining lets it as long as its
		// table belongs to dbo too, and a masked column reads as its mask for whoever
		// lacks UNMASK: in both cases it must run as dbo.
		masked := slices.ContainsFunc(t.Columns, func(c database.Column) bool { return c.Details[detailMask] != "" })
		if masked || ownedByOther(s, t) {
			g.as = "dbo"
		}
		list = append(list, g)
	}
	return list
}

func historyOf(t *database.Table) string {
	if len(t.Columns) == 0 {
		return ""
	}
	return t.Columns[0].Details[detailHistory]
}

// ownedByOther: the table, or the schema it is in, belongs to someone other than dbo.
func ownedByOther(s *database.Schema, t *database.Table) bool {
	if len(t.Columns) > 0 && t.Columns[0].Details[detailOwner] != "" {
		return t.Columns[0].Details[detailOwner] != "dbo"
	}
	o, err := parseObject(t.Name)
	return err == nil && slices.ContainsFunc(s.Objects, func(x database.Object) bool {
		return x.Kind == "owner" && x.Name == "schema "+plainPart(o.Schema)
	})
}
