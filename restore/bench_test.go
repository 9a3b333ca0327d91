package restore_test

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite" // the application's own driver

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/blob/dir"
	"lifeboat/internal/database"
	"lifeboat/internal/database/sqlite"
	"lifeboat/restore"
	"lifeboat/restore/snapshot"
)

// bench is a protected SQLite database with a log and two stores in folders.
type bench struct {
	path   string
	source *sqlite.DB
	stores []blob.Store
	writer *eventlog.Writer
	at     eventlog.Position
}

const benchTable = `CREATE TABLE note (
	id INTEGER PRIMARY KEY AUTOINCREMENT, ward_id INTEGER NOT NULL, patient TEXT NOT NULL,
	body TEXT, score REAL, at TEXT NOT NULL)`

func newBench(b *testing.B, rows int) *bench {
	b.Helper()
	ctx := b.Context()
	folder := b.TempDir()
	s := &bench{path: filepath.Join(folder, "source.sqlite")}
	fillSource(b, s.path, rows)
	var err error
	s.source, err = sqlite.Open(ctx, s.path, sqlite.Options{})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.source.Close()) })
	schema, err := s.source.Install(ctx)
	require.NoError(b, err)
	for _, name := range []string{"local", "mirror"} {
		require.NoError(b, os.Mkdir(filepath.Join(folder, name), 0o700))
		store, err := dir.Open(filepath.Join(folder, name))
		require.NoError(b, err)
		s.stores = append(s.stores, store)
	}
	s.writer, err = eventlog.OpenWriter(ctx, eventlog.WriterConfig{Local: s.stores[0], Mirror: s.stores[1], Reason: "benchmark"})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, s.writer.Close(context.WithoutCancel(ctx))) })
	_, err = s.writer.Append(ctx, eventlog.Batch{Schema: schema})
	require.NoError(b, err)
	s.at, err = s.writer.Flush(ctx)
	require.NoError(b, err)
	return s
}

// fillSource makes rows of about a hundred bytes, of which a third is the same everywhere.
func fillSource(b *testing.B, path string, rows int) {
	b.Helper()
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(WAL)&_pragma=synchronous(OFF)")
	require.NoError(b, err)
	defer db.Close()
	_, err = db.Exec(benchTable)
	require.NoError(b, err)
	_, err = db.Exec(fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < %d)
		INSERT INTO note SELECT i, i*7%%431, printf('NHS %%010d', i*7919%%9999999967), 'handed over at '||(i%%24)||' h: '||hex(randomblob(12)),
		i*0.25, printf('2026-%%02d-%%02dT%%02d:%%02d:00Z', i%%12+1, i%%28+1, i%%24, i%%60) FROM n`, rows))
	require.NoError(b, err)
}

func (s *bench) view(b *testing.B) database.View {
	view, err := s.source.View(b.Context())
	require.NoError(b, err)
	return view
}

// bareScan reads every row and does nothing with it.
func bareScan(b *testing.B, view database.View) (rows int64, bytes int64) {
	for i := range view.Schema().Tables {
		for row, err := range view.Rows(b.Context(), &view.Schema().Tables[i]) {
			if err != nil {
				b.Fatal(err)
			}
			rows, bytes = rows+1, bytes+int64(len(row))
		}
	}
	return rows, bytes
}

// cpu is the processor time of this process so far, in seconds: what a step costs on a
// machine that others use too.
func cpu() float64 {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

func since(t time.Time) float64 { return time.Since(t).Seconds() }

// selectAll reads every value of every row as an application would: a SELECT through the
// driver, in the order of the key.
func selectAll(b *testing.B, path string) (rows int64) {
	db, err := sql.Open("sqlite", path)
	require.NoError(b, err)
	defer db.Close()
	found, err := db.Query("SELECT id, ward_id, patient, body, score, at FROM note ORDER BY id")
	require.NoError(b, err)
	defer found.Close()
	var id, ward int64
	var patient, body, at sql.RawBytes
	var score float64
	for found.Next() {
		if err := found.Scan(&id, &ward, &patient, &body, &score, &at); err != nil {
			b.Fatal(err)
		}
		rows++
	}
	require.NoError(b, found.Err())
	return rows
}

// BenchmarkBase takes a base of two million rows beside two bare scans of the same rows:
// a SELECT through the driver that applications use, and this engine's own, which reads
// rows in canonical form and drops them.
func BenchmarkBase(b *testing.B) {
	s := newBench(b, 2_000_000)
	for b.Loop() {
		view := s.view(b)
		bareScan(b, view) // warm
		start, used := time.Now(), cpu()
		rows, bytes := bareScan(b, view)
		bare, bareCPU := since(start), cpu()-used
		start, used = time.Now(), cpu()
		report, err := snapshot.Take(b.Context(), snapshot.Config{Stores: s.stores[:1]}, view, s.at)
		require.NoError(b, err)
		base, baseCPU := since(start), cpu()-used
		require.NoError(b, view.Close())
		start = time.Now()
		require.Equal(b, rows, selectAll(b, s.path))
		selected := since(start)
		b.ReportMetric(float64(rows)/base/1e6, "Mrows/s")
		b.ReportMetric(float64(rows)/selected/1e6, "select-Mrows/s")
		b.ReportMetric(selected/base, "of-select")
		b.ReportMetric(float64(rows)/bare/1e6, "bare-Mrows/s")
		b.ReportMetric(bare/base, "of-bare")
		b.ReportMetric(bareCPU, "bare-cpu-s")
		b.ReportMetric(baseCPU, "cpu-s")
		b.ReportMetric(float64(report.Stored.Bytes)/float64(bytes), "stored/raw")
		b.ReportMetric(float64(report.Stored.Objects), "objects")
	}
}

// bareInsert writes the rows of the source into a fresh database as fast as the driver
// allows: prepared statements of many rows, one transaction, one fsync at its end. The
// values are read beforehand.
func bareInsert(b *testing.B, path string, values []any, columns int) {
	b.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(b, err)
	defer db.Close()
	_, err = db.Exec(benchTable)
	require.NoError(b, err)
	const rowsEach = 100
	row := "(" + strings.Repeat("?,", columns-1) + "?)"
	tx, err := db.Begin()
	require.NoError(b, err)
	insert, err := tx.Prepare("INSERT INTO note VALUES " + strings.Repeat(row+",", rowsEach-1) + row) //nolint:sqlclosecheck // its transaction closes it
	require.NoError(b, err)
	for ; len(values) > 0; values = values[rowsEach*columns:] {
		if _, err := insert.Exec(values[:rowsEach*columns]...); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, tx.Commit())
}

func sourceValues(b *testing.B, path string) (values []any, columns int) {
	b.Helper()
	db, err := sql.Open("sqlite", path)
	require.NoError(b, err)
	defer db.Close()
	rows, err := db.Query("SELECT * FROM note")
	require.NoError(b, err)
	defer rows.Close()
	names, err := rows.Columns()
	require.NoError(b, err)
	for rows.Next() {
		row, into := make([]any, len(names)), make([]any, len(names))
		for i := range row {
			into[i] = &row[i]
		}
		if err := rows.Scan(into...); err != nil {
			b.Fatal(err)
		}
		values = append(values, row...)
	}
	require.NoError(b, rows.Err())
	return values, len(names)
}

// restoreTo runs a restore from the mirror into a fresh database.
func (s *bench) restoreTo(b *testing.B, to restore.Target, path string, memory int64) *restore.Result {
	b.Helper()
	plan, _, err := restore.Prepare(b.Context(), s.stores[1], to)
	require.NoError(b, err)
	target, err := sqlite.OpenTarget(b.Context(), path, sqlite.Options{})
	require.NoError(b, err)
	result, err := restore.Run(b.Context(), restore.Config{Store: s.stores[1], Memory: memory}, plan, target)
	require.NoError(b, err)
	require.NoError(b, target.Close())
	return result
}

func (s *bench) base(b *testing.B) restore.Snapshot {
	view := s.view(b)
	r, err := snapshot.Take(b.Context(), snapshot.Config{Stores: s.stores}, view, s.at)
	require.NoError(b, err)
	require.NoError(b, view.Close())
	return r.Snapshot
}

// BenchmarkRestore restores a million rows and verifies them, beside bare inserts of the
// same rows into a fresh database.
func BenchmarkRestore(b *testing.B) {
	const rows = 1_000_000
	s := newBench(b, rows)
	s.base(b)
	values, columns := sourceValues(b, s.path)
	for b.Loop() {
		folder := b.TempDir()
		start, used := time.Now(), cpu()
		bareInsert(b, filepath.Join(folder, "bare.sqlite"), values, columns)
		bare, bareCPU := since(start), cpu()-used
		start, used = time.Now(), cpu()
		result := s.restoreTo(b, restore.Latest(), filepath.Join(folder, "restored.sqlite"), 0)
		took, tookCPU := since(start), cpu()-used
		require.Equal(b, int64(rows), result.Rows)
		b.ReportMetric(rows/took/1e6, "Mrows/s")
		b.ReportMetric(rows/bare/1e6, "bare-Mrows/s")
		b.ReportMetric(bare/took, "of-bare")
		b.ReportMetric(bareCPU, "bare-cpu-s")
		b.ReportMetric(tookCPU, "cpu-s")
		for _, step := range result.Steps {
			b.ReportMetric(step.Seconds, step.Name+"-s")
		}
	}
}

// update appends `rounds` updates of every row to the log, in random order, a few in a
// transaction. After each batch it calls then.
func (s *bench) update(b *testing.B, rounds int, then func()) {
	b.Helper()
	rows := s.rows(b)
	rng := rand.New(rand.NewPCG(1, 2))
	var batch eventlog.Batch
	var changes []database.Change
	send := func() {
		_, err := s.writer.Append(b.Context(), batch)
		require.NoError(b, err)
		batch = eventlog.Batch{}
		then()
	}
	for i := range rounds * len(rows) {
		at := rng.IntN(len(rows))
		after := updated(rows[at], float64(i))
		changes = append(changes,
			database.Change{Op: database.Delete, Table: "note", Row: rows[at]},
			database.Change{Op: database.Insert, Table: "note", Row: after})
		rows[at] = after
		if len(changes) == 20 {
			batch.Transactions = append(batch.Transactions, eventlog.Pending{TxID: strconv.Itoa(i), Changes: changes})
			changes = nil
		}
		if len(batch.Transactions) == 500 {
			send()
		}
	}
	batch.Transactions = append(batch.Transactions, eventlog.Pending{TxID: "last", Changes: changes})
	send()
	_, err := s.writer.Flush(b.Context())
	require.NoError(b, err)
}

// rows are those of the source.
func (s *bench) rows(b *testing.B) (rows [][]byte) {
	b.Helper()
	view := s.view(b)
	for row, err := range view.Rows(b.Context(), &view.Schema().Tables[0]) {
		require.NoError(b, err)
		rows = append(rows, bytes.Clone(row))
	}
	require.NoError(b, view.Close())
	return rows
}

// updated is a note with another score, its fifth column.
func updated(row []byte, score float64) []byte {
	rest := row
	for range 4 {
		_, rest, _ = database.Next(rest)
	}
	at := len(row) - len(rest)
	_, rest, _ = database.Next(rest)
	return append(database.AppendFloat64(bytes.Clone(row[:at]), score), rest...)
}

// BenchmarkRestoreUpdates restores a database of which every row was updated ten times
// since the snapshot, in random order, beside the same restore without those updates and
// beside reading those updates alone: verified, decompressed, decoded on all cores, and
// dropped. No restore of them can be faster than the last two together.
func BenchmarkRestoreUpdates(b *testing.B) {
	const rows, rounds = 500_000, 10
	s := newBench(b, rows)
	s.base(b)
	s.update(b, rounds, func() {})
	for b.Loop() {
		start, used := time.Now(), cpu()
		s.readLog(b)
		b.ReportMetric(since(start), "read-s")
		b.ReportMetric(cpu()-used, "read-cpu-s")
		for _, memory := range []int64{restore.DefaultMemory, 96 << 20} {
			folder := b.TempDir()
			start, used = time.Now(), cpu()
			s.restoreTo(b, restore.AtSeq(0), filepath.Join(folder, "without.sqlite"), memory)
			without, withoutCPU := since(start), cpu()-used
			start, used = time.Now(), cpu()
			result := s.restoreTo(b, restore.Latest(), filepath.Join(folder, "with.sqlite"), memory)
			with, withCPU := since(start), cpu()-used
			require.Equal(b, int64(rows), result.Rows)
			name := fmt.Sprintf("-%dMiB", memory>>20)
			b.ReportMetric(with, "s"+name)
			b.ReportMetric(with/without, "of-without"+name)
			b.ReportMetric(withCPU, "cpu-s"+name)
			b.ReportMetric(withoutCPU, "without-cpu-s"+name)
			b.ReportMetric(float64(result.Changes.Changes)/result.Steps[0].Seconds/1e6, "Mchanges/s"+name)
			b.ReportMetric(float64(result.Changes.Spills), "spills"+name)
		}
	}
}

// keeper takes the snapshots that an agent with its defaults would take.
type keeper struct {
	s        *bench
	read     eventlog.Position // up to here grown is counted
	grown    int64             // bytes of log since the newest snapshot
	newest   restore.Snapshot
	chain    snapshot.Chain
	previous eventlog.Seq // of the transaction before the newest snapshot: the longest way
}

func (k *keeper) tend(b *testing.B) {
	for info, err := range eventlog.OpenLog(k.s.stores[0]).Headers(b.Context(), k.read) {
		require.NoError(b, err)
		k.read, k.grown = info.End(), k.grown+info.Size
	}
	if k.grown < snapshot.DefaultBudget {
		return
	}
	to, err := k.s.writer.Flush(b.Context())
	require.NoError(b, err)
	k.previous, k.read, k.grown = to.Seq-1, to, 0
	cfg := snapshot.Config{Stores: k.s.stores}
	r, err := snapshot.Delta(b.Context(), cfg, k.newest, to)
	require.NoError(b, err)
	if k.chain.Add(r.Snapshot); k.chain.Long(snapshot.DefaultMaxDeltas) {
		r, err = snapshot.RollForward(b.Context(), cfg, r.Snapshot)
		require.NoError(b, err)
		k.chain.Add(r.Snapshot)
	}
	k.newest = r.Snapshot
}

// BenchmarkRestoreUpdatesKept is BenchmarkRestoreUpdates of a database that an agent
// keeps: every budget of log has a snapshot. It restores to the log's end, and to just
// before the last snapshot: the longest way there is.
func BenchmarkRestoreUpdatesKept(b *testing.B) {
	const rows, rounds = 1_000_000, 10
	s := newBench(b, rows)
	k := &keeper{s: s, read: s.at, newest: s.base(b)}
	k.chain.Add(k.newest)
	every := 0
	s.update(b, rounds, func() {
		if every++; every%10 == 0 {
			k.tend(b)
		}
	})
	for b.Loop() {
		seconds := func(to restore.Target) float64 {
			start := time.Now()
			result := s.restoreTo(b, to, filepath.Join(b.TempDir(), "restored.sqlite"), 0)
			require.Equal(b, int64(rows), result.Rows)
			return since(start)
		}
		without := seconds(restore.AtSeq(0))
		b.ReportMetric(without, "without-s")
		b.ReportMetric(seconds(restore.Latest())/without, "of-without")
		b.ReportMetric(seconds(restore.AtSeq(k.previous))/without, "longest-of-without")
		b.ReportMetric(float64(k.chain.Deltas), "deltas")
	}
}

// readLog reads every change in the mirror's log, on all cores, and does nothing with it.
func (s *bench) readLog(b *testing.B) {
	b.Helper()
	segments := make(chan *eventlog.Segment)
	var group errgroup.Group
	for range runtime.GOMAXPROCS(0) {
		group.Go(func() error {
			for segment := range segments {
				if err := segment.Changes(func(eventlog.Seq, string, database.Op, []byte) error { return nil }); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for segment, err := range eventlog.OpenLog(s.stores[1]).Segments(b.Context(), eventlog.Position{}) {
		require.NoError(b, err)
		segments <- segment
	}
	close(segments)
	require.NoError(b, group.Wait())
}

// BenchmarkRestoreMemory restores a database of ten times the memory limit in a process of
// its own and reports that process's peak. Spilled changes are BenchmarkRestoreUpdates'.
func BenchmarkRestoreMemory(b *testing.B) {
	for _, limit := range []int64{64 << 20, 128 << 20, restore.DefaultMemory} {
		b.Run(fmt.Sprint(limit>>20, "MiB"), func(b *testing.B) { restoreWithin(b, limit) })
	}
}

func restoreWithin(b *testing.B, limit int64) {
	rows := int(10 * limit / 105) // bytes a row, canonical
	s := newBench(b, rows)
	s.base(b)
	for b.Loop() {
		child := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestRestoreChild$", "-test.v")
		child.Env = append(os.Environ(), "LIFEBOAT_BENCH_STORE="+filepath.Join(filepath.Dir(s.path), "mirror"),
			"LIFEBOAT_BENCH_INTO="+filepath.Join(b.TempDir(), "restored.sqlite"), fmt.Sprint("LIFEBOAT_BENCH_MEMORY=", limit))
		out, err := child.CombinedOutput()
		require.NoError(b, err, string(out))
		var peak float64
		_, rest, ok := strings.Cut(string(out), "peak ")
		require.True(b, ok, string(out))
		_, err = fmt.Sscan(rest, &peak)
		require.NoError(b, err)
		b.ReportMetric(peak/(1<<20), "peak-MiB")
		b.ReportMetric(peak/float64(limit), "of-limit")
		b.ReportMetric(float64(rows)*105/float64(limit), "database/limit")
	}
}

// TestRestoreChild is the process that BenchmarkRestoreMemory starts.
func TestRestoreChild(t *testing.T) {
	path := os.Getenv("LIFEBOAT_BENCH_STORE")
	if path == "" {
		t.Skip("only for BenchmarkRestoreMemory")
	}
	limit, err := strconv.ParseInt(os.Getenv("LIFEBOAT_BENCH_MEMORY"), 10, 64)
	require.NoError(t, err)
	share := restore.Share(limit)
	debug.SetMemoryLimit(share.Heap)
	store, err := dir.Open(path)
	require.NoError(t, err)
	plan, _, err := restore.Prepare(t.Context(), store, restore.Latest())
	require.NoError(t, err)
	target, err := sqlite.OpenTarget(t.Context(), os.Getenv("LIFEBOAT_BENCH_INTO"), sqlite.Options{CacheBytes: share.Cache})
	require.NoError(t, err)
	_, err = restore.Run(t.Context(), restore.Config{Store: store, Memory: share.Run}, plan, target)
	require.NoError(t, err)
	require.NoError(t, target.Close())
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	var kib int64
	_, err = fmt.Sscan(rest, &kib)
	require.NoError(t, err)
	t.Log("peak", kib<<10)
}
