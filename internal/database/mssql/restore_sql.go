package mssql

import (
	"crypto/sha256"
	"encoding/hex"

	"lifeboat/internal/database"
)

// restoreTables are the names of a restore's own records in the schema lifeboat.
func restoreTables() []string {
	return []string{"restore_plan", "restore_units", "restore_steps", "restore_position"}
}

// exactly is a collation under which two names are the same only if their characters are.
const exactly = " COLLATE Latin1_General_BIN2"

// createRestoreTables makes the records of a restore.
func createRestoreTables() []string {
	return []string{
		createOwnSchema,
		"CREATE TABLE " + schemaName + ".restore_plan (id int NOT NULL CONSTRAINT lifeboat_restore_plan PRIMARY KEY, restore_name nvarchar(max)" + exactly + " NOT NULL, capture_schema nvarchar(max) NOT NULL)",
		"CREATE TABLE " + schemaName + ".restore_units (unit nvarchar(400)" + exactly + " NOT NULL CONSTRAINT lifeboat_restore_units PRIMARY KEY, loaded bigint NOT NULL)",
		"CREATE TABLE " + schemaName + ".restore_steps (step char(32)" + exactly + " NOT NULL CONSTRAINT lifeboat_restore_steps PRIMARY KEY)",
		"CREATE TABLE " + schemaName + ".restore_position (id int NOT NULL CONSTRAINT lifeboat_restore_position PRIMARY KEY, seq nvarchar(20) NOT NULL)",
	}
}

// stepID names a step of Finish by everything it does.
func stepID(o database.Object) string {
	sum := sha256.Sum256([]byte(o.Kind + "\x00" + o.Name + "\x00" + o.SQL))
	return hex.EncodeToString(sum[:16])
}

// beforeLoad are the statements that make the database ready for rows: what tables need,
// the tables, then what belongs to tables and rows must go into.
func beforeLoad(s *database.Schema) []string {
	var first, last []string
	for _, o := range s.Objects {
		switch {
		case o.Phase != database.BeforeLoad:
		case o.Table == "":
			first = append(first, o.SQL)
		default:
			last = append(last, o.SQL)
		}
	}
	for i := range s.Tables {
		first = append(first, s.Tables[i].SQL)
	}
	return append(first, last...)
}

// afterLoad are the objects that Finish makes, in order.
func afterLoad(s *database.Schema) []database.Object {
	var list []database.Object
	for _, o := range s.Objects {
		if o.Phase == database.AfterLoad {
			list = append(list, o)
		}
	}
	return list
}
