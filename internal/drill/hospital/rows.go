package hospital

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"strings"
	"time"
)

// Row is one row to insert. Values follow Columns.
type Row struct {
	Table   string
	Columns []string
	Values  []any
}

// columns that are inserted, by table; the rest is computed.
var columns = map[string][]string{
	"ward":    {"id", "code", "name", "beds"},
	"staff":   {"id", "email", "name", "role", "ward_id", "active"},
	"patient": {"id", "nhs_number", "name", "born", "ward_id", "bed", "admitted", "diagnosis", "weight_kg", "photo"},
	"shift":   {"staff_id", "day", "kind", "ward_id"},
	"task":    {"id", "patient_id", "created_by", "assigned_to", "title", "priority", "status", "due"},
	"note":    {"id", "patient_id", "author_id", "task_id", "written", "body"},
}

// size is how many rows each table has.
type size struct{ wards, staff, patients, shifts, tasks, notes int }

// sizeOf divides total rows as a hand-over application has them: mostly tasks and notes.
func sizeOf(total int) size {
	s := size{wards: min(24, max(2, total/40)), staff: max(3, total/150), patients: min(max(5, total/10), maxPatients), shifts: max(3, total/20)}
	s.tasks = max(5, total*2/5)
	s.notes = max(5, total-s.wards-s.staff-s.patients-s.shifts-s.tasks)
	return s
}

// Rows yields about total rows, parents before children.
func Rows(total int, seed uint64) iter.Seq[Row] {
	return func(yield func(Row) bool) {
		g := &generator{Rand: rand.New(rand.NewPCG(seed, 0x686f7370)), size: sizeOf(total), number: 999_000_000}
		tables := []struct {
			name string
			n    int
			row  func(i int) []any
		}{
			{"ward", g.wards, g.ward},
			{"staff", g.staff, g.member},
			{"patient", g.patients, g.patient},
			{"shift", g.shifts, g.shift},
			{"task", g.tasks, g.task},
			{"note", g.notes, g.note},
		}
		for _, t := range tables {
			for i := range t.n {
				if !yield(Row{t.name, columns[t.name], t.row(i)}) {
					return
				}
			}
		}
	}
}

type generator struct {
	*rand.Rand
	size
	number int // of the last patient, without the check digit
}

// epoch is when the hospital's records begin; fixed, so that a seed fixes every row.
var epoch = time.Date(2026, 1, 5, 7, 0, 0, 0, time.UTC)

func (g *generator) of(list []string) string { return list[g.IntN(len(list))] }

func (g *generator) name() string { return g.of(firstNames) + " " + g.of(lastNames) }

func (g *generator) moment(days int) string {
	return epoch.Add(time.Duration(g.Int64N(int64(days)*24*3600)) * time.Second).Format("2006-01-02 15:04:05")
}

// someone is a member of staff, or nobody once in a while.
func (g *generator) someone() any {
	if g.IntN(12) == 0 {
		return nil
	}
	return 1 + g.IntN(g.staff)
}

func (g *generator) ward(i int) []any {
	name := wardNames[i%len(wardNames)]
	return []any{i + 1, fmt.Sprintf("%s%02d", strings.ToUpper(name[:2]), i+1), name, 8 + g.IntN(28)}
}

func (g *generator) member(i int) []any {
	name := g.name()
	email := fmt.Sprintf("%s.%d@hospital.example", strings.ToLower(strings.NewReplacer(" ", ".", "'", "").Replace(name)), i+1)
	active := 1
	if g.IntN(20) == 0 {
		active = 0
	}
	return []any{i + 1, email, name, g.of(roles), 1 + g.IntN(g.wards), active}
}

func (g *generator) patient(i int) []any {
	born := epoch.AddDate(-g.IntN(98), -g.IntN(12), -g.IntN(28)).Format(time.DateOnly)
	var weight, photo any
	if g.IntN(5) > 0 {
		weight = float64(25+g.IntN(900)/10) + float64(g.IntN(10))/10
	}
	if g.IntN(25) == 0 {
		b := make([]byte, 64+g.IntN(400))
		for j := range b {
			b[j] = byte(g.Uint32())
		}
		photo = b
	}
	return []any{i + 1, g.nhsNumber(), g.name(), born, 1 + g.IntN(g.wards), fmt.Sprintf("%c%d", 'A'+g.IntN(6), 1+g.IntN(8)),
		g.moment(90), g.of(diagnoses), weight, photo}
}

// maxPatients is how many numbers the test range has, roughly: ten in eleven of a million.
const maxPatients = 900_000

// nhsNumber is the next number of the test range that has a check digit: digits 1 to 9
// weighted 10 to 2, modulo 11.
func (g *generator) nhsNumber() string {
	for {
		g.number++
		digits := fmt.Sprintf("%09d", g.number)
		sum := 0
		for j, d := range digits {
			sum += int(d-'0') * (10 - j)
		}
		if check := (11 - sum%11) % 11; check < 10 {
			return fmt.Sprintf("%s%d", digits, check)
		}
	}
}

func (g *generator) shift(i int) []any {
	day := epoch.AddDate(0, 0, i/g.staff).Format(time.DateOnly)
	return []any{1 + i%g.staff, day, g.of([]string{"early", "late", "night"}), 1 + g.IntN(g.wards)}
}

func (g *generator) task(i int) []any {
	status := g.of([]string{"open", "open", "doing", "done", "done", "done", "cancelled"})
	var due any
	if g.IntN(4) > 0 {
		due = g.moment(100)
	}
	return []any{i + 1, 1 + g.IntN(g.patients), g.someone(), g.someone(), g.of(taskTitles), 1 + g.IntN(5), status, due}
}

func (g *generator) note(i int) []any {
	var task any
	if g.IntN(3) == 0 {
		task = 1 + g.IntN(g.tasks)
	}
	var body strings.Builder
	for n := range 1 + g.IntN(4) {
		if n > 0 {
			body.WriteByte(' ')
		}
		body.WriteString(g.of(sentences))
	}
	return []any{i + 1, 1 + g.IntN(g.patients), g.someone(), task, g.moment(100), body.String()}
}
