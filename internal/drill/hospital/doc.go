// Package hospital makes the database of a hospital's hand-over application, for drills:
// wards, staff, patients, shifts, tasks and notes, of any size, the same for the same seed.
//
// Nobody in it exists. Patient numbers have the form of NHS numbers, from the range that
// begins with 999 and is set aside for tests, with valid check digits.
//
//	for row := range hospital.Rows(hospital.Size{Rows: 100_000}, 1) {
//		insert(row.Table, row.Values)
//	}
package hospital
