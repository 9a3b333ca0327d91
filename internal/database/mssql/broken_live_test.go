package mssql_test

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
	"lifeboat/internal/database/mssql"
)

// proxy stands between a client and the server and breaks every connection once a number
// of bytes has passed in one direction.
type proxy struct {
	listener net.Listener
	server   string

	mu     sync.Mutex
	open   map[net.Conn]bool
	toward bool // count what goes to the server, else what comes from it
	passed int64
	cutAt  int64 // -1: never
	cuts   int
	died   func() // set: after a cut nothing gets through any more, and this is told
}

func newProxy(t testing.TB, u mssql.URL) (*proxy, mssql.URL) {
	t.Helper()
	parsed, err := url.Parse(string(u))
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	p := &proxy{listener: listener, server: parsed.Host, open: map[net.Conn]bool{}, cutAt: -1}
	go p.serve()
	t.Cleanup(func() { _ = listener.Close(); p.breakAll() })
	parsed.Host = listener.Addr().String()
	return p, mssql.URL(parsed.String())
}

func (p *proxy) serve() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		server, err := net.Dial("tcp", p.server)
		if err != nil || p.dead() {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.open[client], p.open[server] = true, true
		p.mu.Unlock()
		go p.copy(server, client, true)
		go p.copy(client, server, false)
	}
}

func (p *proxy) copy(to, from net.Conn, toward bool) {
	defer func() { _ = to.Close(); _ = from.Close() }()
	buffer := make([]byte, 4096)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			if keep := p.count(int64(n), toward); keep < int64(n) {
				// What comes before the cut arrives: done, and reported failed.
				_, _ = to.Write(buffer[:max(keep, 0)])
				p.breakAll()
				if p.died != nil {
					p.died()
				}
				return
			}
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// dead tells whether whoever used this proxy is no more.
func (p *proxy) dead() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.died != nil && p.cuts > 0
}

// count returns how many of n bytes may still pass.
func (p *proxy) count(n int64, toward bool) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	if toward != p.toward {
		return n
	}
	p.passed += n
	if p.cutAt < 0 || p.passed < p.cutAt {
		return n
	}
	keep := p.cutAt - (p.passed - n)
	p.cutAt = -1 // once
	p.cuts++
	return keep
}

func (p *proxy) breakAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		_ = c.Close()
		delete(p.open, c)
	}
}

// arm begins to count, and cuts after at bytes; -1 only counts.
func (p *proxy) arm(toward bool, at int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.toward, p.passed, p.cutAt, p.cuts = toward, 0, at, 0
}

func (p *proxy) seen() (passed int64, cuts int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.passed, p.cuts
}

// points is how many cuts are tried in each direction. A new session is slow on the test
// server, so that more would only cost time.
const points = 8

// everywhere runs do with the connection cut at points spread over what it sends and what
// it receives, after a first time that is not cut. do must leave things as it found them.
func (p *proxy) everywhere(t *testing.T, do func(cut string) error) {
	t.Helper()
	for _, toward := range []bool{true, false} {
		p.arm(toward, -1)
		require.NoError(t, do("nowhere"))
		total, _ := p.seen()
		require.Positive(t, total)
		for i := range int64(points) {
			at := 1 + (total-2)*i/(points-1) // the first byte, the last but one, and between
			where := fmt.Sprintf("after %d of %d bytes toward server=%v", at, total, toward)
			p.arm(toward, at)
			if err := do(where); err != nil {
				t.Fatalf("cut %s: %v", where, err)
			}
		}
	}
}

// suiteRows reads rows of a table from a database, past the proxy.
func suiteRows(t testing.TB, u mssql.URL, query string) []string {
	t.Helper()
	rows, err := application(t, u).Query(query)
	require.NoError(t, err)
	defer func() { _ = rows.Close() }()
	var list []string
	for rows.Next() {
		var s string
		require.NoError(t, rows.Scan(&s))
		list = append(list, s)
	}
	require.NoError(t, rows.Err())
	return list
}

// peopleRows are canonical rows for the table people.
func peopleRows(from, n int) [][]byte {
	var rows [][]byte
	for i := from; i < from+n; i++ {
		row := database.AppendInt(nil, int64(i))
		row = database.AppendText(row, fmt.Sprintf("name %d %060d", i, i))
		rows = append(rows, database.AppendNull(row))
	}
	return rows
}

func TestLiveBrokenConnectionDuringLoad(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	v, err := db.source.View(t.Context())
	require.NoError(t, err)
	require.NoError(t, v.Close())
	u := scratch(t)
	p, through := newProxy(t, u)
	target := openTarget(t, through)
	t.Cleanup(func() { require.NoError(t, target.Close()) })
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()))
	people := v.Schema().Table("dbo.people")
	direct := application(t, u)
	n := 0
	p.everywhere(t, func(cut string) error {
		n++
		const count = 200
		unit := fmt.Sprint("unit ", n)
		loaded, err := target.Load(t.Context(), unit, people, each(peopleRows(n*count, count)))
		if err != nil {
			return err
		}
		var rows, recorded int
		if err := direct.QueryRow("SELECT COUNT(*) FROM dbo.people WHERE id >= @p1 AND id < @p2", n*count, (n+1)*count).Scan(&rows); err != nil {
			return err
		}
		if err := direct.QueryRow("SELECT MAX(loaded) FROM lifeboat.restore_units WHERE unit = @p1", unit).Scan(&recorded); err != nil {
			return err
		}
		if loaded != count || rows != count || recorded != count {
			return fmt.Errorf("returned %d, table has %d, record says %d rows of %d", loaded, rows, recorded, count)
		}
		return nil
	})
}

func TestLiveBrokenConnectionDuringReading(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	_, err := db.source.Install(t.Context())
	require.NoError(t, err)
	for i := range 20 {
		execAll(t, db.app, fmt.Sprintf("INSERT INTO dbo.people (id, name) VALUES (%d, '%0100d'), (%d, '%0100d')", i, i, i+100, i+100))
	}
	p, through := newProxy(t, db.u)
	source, err := mssql.Open(t.Context(), mssql.Config{URL: through})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.Close()) })
	read := func() (rows, changes int, err error) {
		v, err := source.View(t.Context())
		if err != nil {
			return 0, 0, err
		}
		defer func() { _ = v.Close() }()
		for _, err := range v.Changes(t.Context()) {
			if err != nil {
				return 0, 0, err
			}
			changes++
		}
		for _, err := range v.Rows(t.Context(), v.Schema().Table("dbo.people")) {
			if err != nil {
				return 0, 0, err
			}
			rows++
		}
		return rows, changes, nil
	}
	p.everywhere(t, func(cut string) error {
		rows, changes, err := read()
		if err != nil { // a view that broke is opened again by its caller
			if _, cuts := p.seen(); cuts == 0 {
				return err
			}
			rows, changes, err = read()
		}
		if err == nil && (rows != 40 || changes != 40) {
			err = fmt.Errorf("read %d rows and %d changes without an error, want 40", rows, changes)
		}
		return err
	})
}

func TestLiveBrokenConnectionDuringInstallForgetAndFence(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	p, through := newProxy(t, db.u)
	source, err := mssql.Open(t.Context(), mssql.Config{URL: through})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, source.Close()) })
	n := 0
	p.everywhere(t, func(cut string) error {
		n++
		if _, err := source.Install(t.Context()); err != nil {
			return fmt.Errorf("install: %w", err)
		}
		if _, err := db.app.Exec(fmt.Sprintf("INSERT INTO dbo.people (id, name) VALUES (%d, '%d')", n, n)); err != nil {
			return err
		}
		ids, err := pendingIDs(t, db.source)
		if err != nil || len(ids) != 1 {
			return fmt.Errorf("captured %d changes, want 1 (%w)", len(ids), err)
		}
		if err := source.Forget(t.Context(), ids); err != nil {
			return fmt.Errorf("forget: %w", err)
		}
		if left, err := pendingIDs(t, db.source); err != nil || len(left) != 0 {
			return fmt.Errorf("%d changes are left (%w)", len(left), err)
		}
		if err := source.Fence(t.Context(), "cut"); err != nil {
			return fmt.Errorf("fence: %w", err)
		}
		if _, err := db.app.Exec("DELETE FROM dbo.people"); err == nil {
			return fmt.Errorf("a fenced database took a write")
		}
		if err := source.Remove(t.Context(), false); err != nil {
			return fmt.Errorf("remove: %w", err)
		}
		return nil
	})
}

func pendingIDs(t testing.TB, s *mssql.Source) ([]int64, error) {
	v, err := s.View(t.Context())
	if err != nil {
		return nil, err
	}
	defer func() { _ = v.Close() }()
	var ids []int64
	for c, err := range v.Changes(t.Context()) {
		if err != nil {
			return nil, err
		}
		ids = append(ids, c.ID)
	}
	return ids, nil
}

func TestLiveBrokenConnectionDuringReplay(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	v, err := db.source.View(t.Context())
	require.NoError(t, err)
	require.NoError(t, v.Close())
	u := scratch(t)
	p, through := newProxy(t, u)
	target := openTarget(t, through)
	t.Cleanup(func() { require.NoError(t, target.Close()) })
	require.NoError(t, target.Begin(t.Context(), "plan", v.Schema()))
	require.NoError(t, target.Finish(t.Context(), nil))
	require.NoError(t, target.SetPosition(t.Context(), 0))
	seq, held := uint64(0), []byte(nil)
	p.everywhere(t, func(cut string) error {
		seq++
		changes := []database.Change{}
		if held != nil {
			changes = append(changes, database.Change{Op: database.Delete, Table: "dbo.people", Row: held})
		}
		next := peopleRows(int(seq), 1)[0]
		changes = append(changes, database.Change{Op: database.Insert, Table: "dbo.people", Row: next})
		if err := target.Apply(t.Context(), seq, changes); err != nil {
			return err
		}
		held = slices.Clone(next)
		at, _, err := target.Position(t.Context())
		if err != nil {
			return err
		}
		if got := suiteRows(t, u, "SELECT CAST(id AS nvarchar(20)) FROM dbo.people"); at != seq || len(got) != 1 || got[0] != fmt.Sprint(seq) {
			return fmt.Errorf("at %d with rows %v, want %d", at, got, seq)
		}
		return nil
	})
}
