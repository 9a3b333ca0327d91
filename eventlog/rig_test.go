package eventlog_test

import (
	"context"
	"fmt"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/database"
)

var background = context.Background()

// schema has n tables t0, t1, … with a key and a text.
func schema(n int) *database.Schema {
	s := &database.Schema{Engine: "test"}
	for i := range n {
		s.Tables = append(s.Tables, database.Table{
			Name: fmt.Sprint("t", i), Key: []int{0},
			Columns: []database.Column{{Name: "id", Type: "INTEGER"}, {Name: "v", Type: "TEXT", Nullable: true}},
		})
	}
	if err := s.Seal(); err != nil {
		panic(err)
	}
	return s
}

func row(id int64, v string) []byte {
	return database.AppendText(database.AppendInt(nil, id), v)
}

func insert(table string, id int64, v string) database.Change {
	return database.Change{Op: database.Insert, Table: table, Row: row(id, v)}
}

func remove(table string, id int64, v string) database.Change {
	return database.Change{Op: database.Delete, Table: table, Row: row(id, v)}
}

// one is a batch of one transaction.
func one(tx string, changes ...database.Change) eventlog.Batch {
	return eventlog.Batch{Transactions: []eventlog.Pending{{TxID: tx, Changes: changes}}}
}

func open(t require.TestingT, local, mirror blob.Store) *eventlog.Writer {
	w, err := eventlog.OpenWriter(background, eventlog.WriterConfig{Local: local, Mirror: mirror, Reason: "test"})
	require.NoError(t, err)
	return w
}

// openWithSchema also puts a schema of two tables into an empty log.
func openWithSchema(t require.TestingT, local, mirror blob.Store) *eventlog.Writer {
	return withSchema(t, open(t, local, mirror))
}

// withSchema appends the first schema, if there is none, durably.
func withSchema(t require.TestingT, w *eventlog.Writer) *eventlog.Writer {
	if w.Schema() == nil {
		_, err := w.Append(background, eventlog.Batch{Schema: schema(2)})
		require.NoError(t, err)
		_, err = w.Flush(background) // a segment of its own
		require.NoError(t, err)
	}
	return w
}

// fill appends n transactions, each durable before the next, so each is one segment.
func fill(t require.TestingT, w *eventlog.Writer, n int) {
	for i := range n {
		tx := fmt.Sprintf("%d-%d", w.Epoch(), i)
		seq, err := w.Append(background, one(tx, insert("t0", int64(i), tx)))
		require.NoError(t, err)
		require.NoError(t, w.WaitDurable(background, seq))
	}
}

// crash stops a writer at once.
func crash(w *eventlog.Writer) {
	ctx, cancel := context.WithCancel(background)
	cancel()
	_ = w.Close(ctx)
}

func segments(t require.TestingT, store blob.Store) (infos []eventlog.SegmentInfo) {
	for s, err := range eventlog.OpenLog(store).Segments(background, eventlog.Position{}) {
		require.NoError(t, err)
		infos = append(infos, s.Info())
	}
	return infos
}

// transactions reads a log and checks, on the way, everything that holds for every log.
func transactions(t require.TestingT, store blob.Store) []eventlog.Transaction {
	var all []eventlog.Transaction
	ledger := database.States{}
	var schema *database.Schema
	var last eventlog.SegmentInfo
	for s, err := range eventlog.OpenLog(store).Segments(background, eventlog.Position{}) {
		require.NoError(t, err)
		i := s.Info()
		require.Equal(t, last.Digest, i.Prev)
		require.EqualValues(t, len(all)+1, i.First)
		require.False(t, i.FirstTime.Before(last.LastTime), "time goes backwards")
		for e, err := range s.Events() {
			require.NoError(t, err)
			if e.Schema != nil {
				for name := range ledger {
					if schema == nil || e.Schema.Table(name) == nil || e.Schema.Table(name).Version() != schema.Table(name).Version() {
						delete(ledger, name)
					}
				}
				schema = e.Schema
			}
			if e.Tx == nil {
				continue
			}
			require.EqualValues(t, len(all)+1, e.Tx.Seq, "a transaction is missing or comes twice")
			all = append(all, *e.Tx)
			addTo(ledger, schema, e.Tx.Changes)
		}
		require.EqualValues(t, len(all), i.Last)
		require.Equal(t, ledger, s.Ledger(), "ledger at %s", i.Name())
		last = i
	}
	return all
}

func addTo(ledger database.States, s *database.Schema, changes []database.Change) {
	for _, c := range changes {
		h, _ := s.Table(c.Table).Hash(nil, c.Row)
		state := ledger[c.Table]
		if c.Op == database.Insert {
			state.Add(h)
		} else {
			state.Sub(h)
		}
		ledger[c.Table] = state
	}
}
