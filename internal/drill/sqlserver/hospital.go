package sqlserver

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"lifeboat/internal/database/mssql"
	"lifeboat/internal/drill/hospital"
)

// hospitalTables are the hospital's tables in T-SQL, with types that SQLite has not. Where
// SQL Server would see two paths of a cascade, one is broken.
func hospitalTables() []string {
	return []string{
		`CREATE TABLE dbo.ward (id int NOT NULL CONSTRAINT ward_key PRIMARY KEY, code varchar(10) NOT NULL CONSTRAINT ward_code UNIQUE,
 name nvarchar(100) NOT NULL, beds tinyint NOT NULL CONSTRAINT ward_beds CHECK (beds BETWEEN 1 AND 60))`,
		`CREATE TABLE dbo.staff (id int NOT NULL CONSTRAINT staff_key PRIMARY KEY, email nvarchar(200) NOT NULL CONSTRAINT staff_email UNIQUE,
 name nvarchar(100) NOT NULL, role varchar(20) NOT NULL CONSTRAINT staff_role CHECK (role IN ('nurse', 'doctor', 'consultant', 'pharmacist', 'porter')),
 ward_id int NULL CONSTRAINT staff_ward_fk REFERENCES dbo.ward (id) ON DELETE SET NULL, active bit NOT NULL CONSTRAINT staff_active DEFAULT 1)`,
		`CREATE TABLE dbo.patient (id int NOT NULL CONSTRAINT patient_key PRIMARY KEY, nhs_number char(10) NOT NULL CONSTRAINT patient_number UNIQUE,
 name nvarchar(100) NOT NULL, born date NOT NULL, ward_id int NOT NULL CONSTRAINT patient_ward_fk REFERENCES dbo.ward (id), bed varchar(10) NULL,
 admitted datetime2(0) NOT NULL, diagnosis nvarchar(400) NOT NULL, weight_kg decimal(5, 1) NULL CONSTRAINT patient_weight CHECK (weight_kg > 0),
 photo varbinary(max) NULL, label AS (CONCAT(name, N' (', nhs_number, N')')))`,
		`CREATE TABLE dbo.shift (staff_id int NOT NULL CONSTRAINT shift_staff_fk REFERENCES dbo.staff (id) ON DELETE CASCADE, day date NOT NULL,
 kind varchar(10) NOT NULL CONSTRAINT shift_kind CHECK (kind IN ('early', 'late', 'night')),
 ward_id int NOT NULL CONSTRAINT shift_ward_fk REFERENCES dbo.ward (id), CONSTRAINT shift_key PRIMARY KEY (staff_id, day))`,
		`CREATE TABLE dbo.task (id int NOT NULL CONSTRAINT task_key PRIMARY KEY,
 patient_id int NOT NULL CONSTRAINT task_patient_fk REFERENCES dbo.patient (id) ON DELETE CASCADE,
 created_by int NULL CONSTRAINT task_creator_fk REFERENCES dbo.staff (id) ON DELETE SET NULL,
 assigned_to int NULL CONSTRAINT task_assignee_fk REFERENCES dbo.staff (id),
 title nvarchar(200) NOT NULL, priority tinyint NOT NULL CONSTRAINT task_priority CHECK (priority BETWEEN 1 AND 5),
 status varchar(10) NOT NULL CONSTRAINT task_open DEFAULT 'open' CONSTRAINT task_status CHECK (status IN ('open', 'doing', 'done', 'cancelled')), due datetime NULL)`,
		`CREATE TABLE dbo.note (id int NOT NULL CONSTRAINT note_key PRIMARY KEY,
 patient_id int NOT NULL CONSTRAINT note_patient_fk REFERENCES dbo.patient (id) ON DELETE CASCADE,
 author_id int NULL CONSTRAINT note_author_fk REFERENCES dbo.staff (id) ON DELETE SET NULL,
 task_id int NULL CONSTRAINT note_task_fk REFERENCES dbo.task (id), written datetime2(3) NOT NULL, body nvarchar(max) NOT NULL)`,
		`CREATE INDEX patient_ward ON dbo.patient (ward_id, bed)`,
		`CREATE INDEX task_patient ON dbo.task (patient_id, status)`,
		`CREATE INDEX note_patient ON dbo.note (patient_id, written)`,
		`CREATE VIEW dbo.handover AS SELECT w.name AS ward, p.bed, p.name AS patient, t.priority, t.title, t.due
FROM dbo.task AS t JOIN dbo.patient AS p ON p.id = t.patient_id JOIN dbo.ward AS w ON w.id = p.ward_id WHERE t.status IN ('open', 'doing')`,
	}
}

// batch is how many rows one INSERT has at most: the server takes 2,100 arguments, and a
// hospital's row has ten.
const batch = 200

// Hospital makes the hospital's database with about rows rows in an empty database.
func Hospital(ctx context.Context, u mssql.URL, rows int, seed uint64) (err error) {
	db, _, err := openApp(u)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, statement := range hospitalTables() {
		if _, err := db.ExecContext(ctx, statement); err != nil {
			return fmt.Errorf("make the hospital's tables: %w", err)
		}
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	var held []hospital.Row
	flush := func() error {
		if len(held) == 0 {
			return nil
		}
		query, args := insertRows(held)
		held = held[:0]
		_, err := tx.ExecContext(ctx, query, args...)
		return err
	}
	for row := range hospital.Rows(rows, seed) {
		if len(held) > 0 && (held[0].Table != row.Table || len(held) == batch) {
			if err := flush(); err != nil {
				return errors.Join(fmt.Errorf("fill table %s: %w", row.Table, err), tx.Rollback())
			}
		}
		held = append(held, row)
	}
	if err := flush(); err != nil {
		return errors.Join(fmt.Errorf("fill the hospital's tables: %w", err), tx.Rollback())
	}
	return tx.Commit()
}

// insertRows is one INSERT of rows of one table. NULLs are written as such.
func insertRows(rows []hospital.Row) (string, []any) {
	var args []any
	tuples := make([]string, len(rows))
	for i, row := range rows {
		places := make([]string, len(row.Values))
		for j, v := range row.Values {
			if places[j] = "NULL"; v != nil {
				args = append(args, v)
				places[j] = fmt.Sprintf("@p%d", len(args))
			}
		}
		tuples[i] = "(" + strings.Join(places, ", ") + ")"
	}
	return "INSERT INTO dbo." + rows[0].Table + " (" + strings.Join(rows[0].Columns, ", ") + ") VALUES " + strings.Join(tuples, ", "), args
}
