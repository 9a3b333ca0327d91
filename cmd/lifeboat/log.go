package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/config"
	"lifeboat/internal/database"
	"lifeboat/internal/rowtext"
	"lifeboat/restore"
)

func (a *app) logCommand() *cobra.Command {
	return group("log", "Verify, watch, print, search and compact the event log",
		a.logVerifyCommand(), a.logTailCommand(), a.logDumpCommand(), a.logFindCommand(), a.logCompactCommand())
}

// storeFlag lets a verb read either region's store; the mirror's unless told.
type storeFlag struct {
	app     *app
	primary bool
}

func (a *app) storeFlag(cmd *cobra.Command) *storeFlag {
	s := &storeFlag{app: a}
	a.flagsFor(cmd, thePrimary|theMirror)
	cmd.Flags().BoolVar(&s.primary, "from-primary", false, "read the primary's store instead of the mirror's")
	return s
}

func (s *storeFlag) open(ctx context.Context) (blob.Store, *config.File, error) {
	need := theMirror
	if s.primary {
		need = thePrimary
	}
	file, err := s.app.settings(need)
	if err != nil {
		return nil, nil, err
	}
	region := file.Mirror
	if s.primary {
		region = file.Primary
	}
	store, err := s.app.stores(file).patient(ctx, region)
	return store, file, err
}

// verifyResult is what log verify prints with --json.
type verifyResult struct {
	Version int `json:"version"`
	*eventlog.VerifyReport
}

func (a *app) logVerifyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Read every object of the log and name whatever is wrong; repairs nothing",
		Args:  noArgs,
	}
	from := a.storeFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		store, _, err := from.open(cmd.Context())
		if err != nil {
			return err
		}
		r, err := eventlog.OpenLog(store).Verify(cmd.Context())
		if err != nil {
			return err
		}
		if err := a.report(verifyResult{1, r}, func(w io.Writer) { printVerify(w, r) }); err != nil {
			return err
		}
		return damageError(r.Damage)
	}
	return cmd
}

func printVerify(w io.Writer, r *eventlog.VerifyReport) {
	line(w, "log\t%s", r.Stream)
	line(w, "epochs\t%d", r.Epochs)
	line(w, "segments\t%d", r.Segments)
	line(w, "transactions\t%d", r.Transactions)
	line(w, "bytes\t%d", r.Bytes)
	line(w, "ends at\t%s", r.End)
	line(w, "orphan segments\t%d", len(r.Orphans))
	for _, i := range r.Intact {
		line(w, "provable\tseq %d to %d", uint64(i.First), uint64(i.Last))
	}
	for _, d := range r.Damage {
		line(w, "damaged\t%s\t%s\tlost: %s", d.Object, d.Detail, seqRange(d.Lost))
	}
	if len(r.Damage) == 0 {
		line(w, "damage\tnone")
	}
}

func seqRange(r eventlog.SeqRange) string {
	if r.First > r.Last {
		return "nothing"
	}
	if r.Last == eventlog.LastSeq {
		return fmt.Sprintf("seq %d to the end", uint64(r.First))
	}
	return fmt.Sprintf("seq %d to %d", uint64(r.First), uint64(r.Last))
}

// damageError sums damage up for the exit code: the kind of the first of it decides
// between a newer format and real damage.
func damageError(damage []eventlog.Damage) error {
	if len(damage) == 0 {
		return nil
	}
	return fmt.Errorf("%w in %d objects, first %s: %w", errDamage, len(damage), damage[0].Object, damage[0].Err)
}

// eventLine is one record of the log as dump, tail and find print it with --json, one
// object a line.
type eventLine struct {
	Version int            `json:"version"`
	Seq     eventlog.Seq   `json:"seq"`
	Time    time.Time      `json:"time"`
	Segment string         `json:"segment"`
	TxID    string         `json:"tx_id,omitempty"`
	Changes []changeLine   `json:"changes,omitempty"`
	Schema  []string       `json:"schema_tables,omitempty"`
	Note    *eventlog.Note `json:"note,omitempty"`
}

type changeLine struct {
	Op    string        `json:"op"` // "insert" or "delete": the after and the before image
	Table string        `json:"table"`
	Row   rowtext.Cells `json:"row"`

	key string // of the row, with its table; for comparing
}

// eventPrinter prints events. Rows need the schema that was in force, which the log says.
type eventPrinter struct {
	app     *app
	schema  *database.Schema
	schemas []*database.Schema    // all that were seen
	match   func(changeLine) bool // nil: everything
	emit    func(eventLine) error // nil: write
}

// print writes one event, if it matches, and tells whether it did.
func (p *eventPrinter) print(seg *eventlog.Segment, e eventlog.Event) (bool, error) {
	out := eventLine{Version: 1, Seq: e.Seq, Time: e.Time, Segment: seg.Info().Name(), Note: e.Note}
	if e.Schema != nil {
		for i := range e.Schema.Tables {
			out.Schema = append(out.Schema, e.Schema.Tables[i].Name)
		}
	}
	matched := p.match == nil
	if e.Tx != nil {
		out.TxID = e.Tx.TxID
		for _, c := range e.Tx.Changes {
			decoded, err := p.decode(c)
			if err != nil {
				return false, fmt.Errorf("seq %d: %w", uint64(e.Seq), err)
			}
			matched = matched || p.match(decoded)
			out.Changes = append(out.Changes, decoded)
		}
	}
	if !matched {
		return false, nil
	}
	if p.emit != nil {
		return true, p.emit(out)
	}
	return true, p.write(out)
}

func (p *eventPrinter) decode(c database.Change) (changeLine, error) {
	out := changeLine{Op: "insert", Table: c.Table}
	if c.Op == database.Delete {
		out.Op = "delete"
	}
	var table *database.Table
	if p.schema != nil {
		table = p.schema.Table(c.Table)
	}
	if table == nil {
		return out, fmt.Errorf("table %s: %w", c.Table, eventlog.ErrNoSchema)
	}
	var err error
	if out.Row, err = rowtext.Row(table, c.Row); err != nil {
		return out, err
	}
	out.key = c.Table
	for _, cell := range out.Row.Key(table) {
		out.key += "\x00" + rowtext.Text(cell.Value)
	}
	return out, nil
}

func (p *eventPrinter) write(out eventLine) error {
	if p.app.json {
		b, err := json.Marshal(out)
		if err == nil {
			_, err = p.app.stdout.Write(append(b, '\n'))
		}
		return err
	}
	var b strings.Builder
	switch {
	case out.Note != nil:
		fmt.Fprintf(&b, "%s  note %s: %s\n", utc(out.Time), out.Note.Kind, out.Note.Text)
	case out.Schema != nil:
		fmt.Fprintf(&b, "%s  schema of %d tables: %s\n", utc(out.Time), len(out.Schema), strings.Join(out.Schema, ", "))
	default:
		fmt.Fprintf(&b, "%s  seq %d  transaction %s  %d changes  (%s)\n", utc(out.Time), uint64(out.Seq), out.TxID, len(out.Changes), out.Segment)
		for _, c := range out.Changes {
			sign := "+"
			if c.Op == "delete" {
				sign = "-"
			}
			fmt.Fprintf(&b, "    %s %s  %s\n", sign, c.Table, c.Row)
		}
	}
	_, err := io.WriteString(p.app.stdout, b.String())
	return err
}

// damaged is damageError for what a survey of snapshots found.
func damaged(damage []restore.Damage) error {
	if len(damage) == 0 {
		return nil
	}
	return fmt.Errorf("%w in %d objects, first %s: %s", errDamage, len(damage), damage[0].Object, damage[0].Detail)
}
