package hospital

import "slices"

// SQLite returns the statements that make the tables, the indexes and a view.
func SQLite() []string { return slices.Concat(sqliteTables(), sqliteIndexes()) }

func sqliteTables() []string {
	return []string{
		`CREATE TABLE ward (
			id INTEGER PRIMARY KEY,
			code TEXT NOT NULL UNIQUE,
			name TEXT NOT NULL,
			beds INTEGER NOT NULL CHECK (beds BETWEEN 1 AND 60)
		)`,
		`CREATE TABLE staff (
			id INTEGER PRIMARY KEY,
			email TEXT NOT NULL UNIQUE,
			name TEXT NOT NULL,
			role TEXT NOT NULL CHECK (role IN ('nurse', 'doctor', 'consultant', 'pharmacist', 'porter')),
			ward_id INTEGER REFERENCES ward (id) ON DELETE SET NULL,
			active INTEGER NOT NULL DEFAULT 1 CHECK (active IN (0, 1))
		)`,
		`CREATE TABLE patient (
			id INTEGER PRIMARY KEY,
			nhs_number TEXT NOT NULL UNIQUE,
			name TEXT NOT NULL,
			born DATE NOT NULL,
			ward_id INTEGER NOT NULL REFERENCES ward (id),
			bed TEXT,
			admitted DATETIME NOT NULL,
			diagnosis TEXT NOT NULL,
			weight_kg REAL CHECK (weight_kg > 0),
			photo BLOB,
			label TEXT GENERATED ALWAYS AS (name || ' (' || nhs_number || ')') VIRTUAL
		)`,
		`CREATE TABLE shift (
			staff_id INTEGER NOT NULL REFERENCES staff (id) ON DELETE CASCADE,
			day DATE NOT NULL,
			kind TEXT NOT NULL CHECK (kind IN ('early', 'late', 'night')),
			ward_id INTEGER NOT NULL REFERENCES ward (id),
			PRIMARY KEY (staff_id, day)
		) WITHOUT ROWID`,
		`CREATE TABLE task (
			id INTEGER PRIMARY KEY,
			patient_id INTEGER NOT NULL REFERENCES patient (id) ON DELETE CASCADE,
			created_by INTEGER REFERENCES staff (id) ON DELETE SET NULL,
			assigned_to INTEGER REFERENCES staff (id) ON DELETE SET NULL,
			title TEXT NOT NULL,
			priority INTEGER NOT NULL CHECK (priority BETWEEN 1 AND 5),
			status TEXT NOT NULL DEFAULT 'open' CHECK (status IN ('open', 'doing', 'done', 'cancelled')),
			due DATETIME
		)`,
		`CREATE TABLE note (
			id INTEGER PRIMARY KEY,
			patient_id INTEGER NOT NULL REFERENCES patient (id) ON DELETE CASCADE,
			author_id INTEGER REFERENCES staff (id) ON DELETE SET NULL,
			task_id INTEGER REFERENCES task (id) ON DELETE SET NULL,
			written DATETIME NOT NULL,
			body TEXT NOT NULL
		)`,
	}
}

func sqliteIndexes() []string {
	return []string{
		`CREATE INDEX staff_ward ON staff (ward_id)`,
		`CREATE INDEX patient_ward ON patient (ward_id, bed)`,
		`CREATE INDEX shift_ward ON shift (ward_id, day)`,
		`CREATE INDEX task_patient ON task (patient_id, status)`,
		`CREATE INDEX task_creator ON task (created_by)`,
		`CREATE INDEX task_open ON task (assigned_to, due) WHERE status IN ('open', 'doing')`,
		`CREATE INDEX task_assignee ON task (assigned_to)`,
		`CREATE INDEX note_patient ON note (patient_id, written)`,
		`CREATE INDEX note_author ON note (author_id)`,
		`CREATE INDEX note_task ON note (task_id)`,
		`CREATE VIEW handover AS
			SELECT w.name AS ward, p.bed, p.label AS patient, t.priority, t.title, t.due
			FROM task t JOIN patient p ON p.id = t.patient_id JOIN ward w ON w.id = p.ward_id
			WHERE t.status IN ('open', 'doing')`,
	}
}
