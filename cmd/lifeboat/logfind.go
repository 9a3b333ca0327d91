package main

import (
	"context"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
	"lifeboat/failover/incident/report"
	"lifeboat/internal/affected"
	"lifeboat/internal/blob"
	"lifeboat/internal/config"
	"lifeboat/internal/database"
	"lifeboat/internal/rowtext"
	"lifeboat/restore"
)

// findOptions are the flags of log find.
type findOptions struct {
	where  []string
	span   seqSpan
	limit  int
	later  bool
	keys   int
	before string // database to restore into
}

func (a *app) logFindCommand() *cobra.Command {
	var o findOptions
	cmd := &cobra.Command{
		Use:   "find",
		Short: "Find the first transaction that touched certain rows, what came after it, and restore to just before it",
		Long: `Stream the log to the first transactions in which one row, added or removed, meets every
--where. Operators: = != < <= > >= and ~ (a regular expression). Numbers compare as numbers.

With --later it also lists what the transactions after the one that was found touched, by table and key,
and which of them touched its rows again: what going back before it would cost. With --restore-before it
restores to the transaction just before it into a fresh database, and proves that.`,
		Example: `  lifeboat log find --where 'patient.id = 42' --where 'patient.ward_id != 3' --later
  lifeboat log find --where 'task.status = cancelled' --restore-before sqlite:before.sqlite
  lifeboat log find --where 'task.status = cancelled' --limit 10 --json`,
		Args: noArgs,
	}
	from := a.storeFlag(cmd)
	f := cmd.Flags()
	o.span.flags(cmd)
	f.StringArrayVar(&o.where, "where", nil, "'TABLE.COLUMN OPERATOR VALUE'; repeat for more")
	f.IntVar(&o.limit, "limit", 1, "how many transactions to print (0: all)")
	f.BoolVar(&o.later, "later", false, "also list what later transactions touched")
	f.IntVar(&o.keys, "keys", 20, "keys and transactions that --later lists of each kind; the counts are always whole")
	f.StringVar(&o.before, "restore-before", "", "restore to just before what was found, into this empty database, "+databaseForms())
	cmd.MarkFlagsMutuallyExclusive("limit", "later")
	cmd.MarkFlagsMutuallyExclusive("limit", "restore-before")
	required(cmd, "where")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := o.span.check(); err != nil {
			return err
		}
		match, err := parseWhere(o.where)
		if err != nil {
			return err
		}
		there, err := held(cmd.Context(), config.URL(o.before), a.logger())
		if err != nil {
			return err
		}
		store, file, err := from.open(cmd.Context())
		if err != nil {
			return err
		}
		found, err := a.find(cmd.Context(), store, match, o)
		if err != nil || found == nil {
			return err
		}
		if o.later {
			if err := a.laterThan(cmd.Context(), store, found, o.keys); err != nil {
				return err
			}
		}
		if o.before == "" {
			return nil
		}
		return a.restore(cmd.Context(), &restoreJob{store, file, restoreOptions{into: o.before}, restore.AtSeq(found.Seq - 1), there})
	}
	return cmd
}

// find prints what matches and returns the last of it; nil for nothing.
func (a *app) find(ctx context.Context, store blob.Store, match conditions, o findOptions) (*eventLine, error) {
	var last *eventLine
	p := &eventPrinter{app: a, match: match.hold}
	p.emit = func(e eventLine) error { last = &e; return p.write(e) }
	if err := p.all(ctx, eventlog.OpenLog(store), o.span, o.limit); err != nil {
		return nil, err
	}
	if last == nil {
		if err := match.known(p.schemas); err != nil {
			return nil, err
		}
		if !a.quiet {
			line(a.stderr, "no transaction matches")
		}
	}
	return last, nil
}

// laterResult is what log find --later prints after what it found.
type laterResult struct {
	Version      int                    `json:"version"`
	Found        eventlog.Seq           `json:"found"`
	Last         eventlog.Seq           `json:"last"` // of the log
	Transactions uint64                 `json:"later_transactions"`
	Tables       []report.AffectedTable `json:"later_tables"` // rows that they touched
	Again        []eventlog.Seq         `json:"again"`        // those that touched rows of the found one; not all when there are many
	AgainCount   int                    `json:"again_count"`
}

// laterThan reports what the transactions after the found one touched.
func (a *app) laterThan(ctx context.Context, store blob.Store, found *eventLine, most int) error {
	log := eventlog.OpenLog(store)
	end, err := log.End(ctx)
	if err != nil {
		return err
	}
	r := laterResult{Version: 1, Found: found.Seq, Last: end.Seq, Tables: []report.AffectedTable{}, Again: []eventlog.Seq{}}
	if end.Seq > found.Seq {
		window, err := (&affected.Log{Log: log}).Affected(ctx, uint64(found.Seq), uint64(end.Seq), most)
		if err != nil {
			return err
		}
		r.Transactions, r.Tables = window.Transactions, window.Tables
		if err := a.again(ctx, log, found, most, &r); err != nil {
			return err
		}
	}
	return a.report(r, func(w io.Writer) {
		line(w, "later\t%d transactions, seq %d to %d", r.Transactions, uint64(found.Seq)+1, uint64(end.Seq))
		for _, t := range r.Tables {
			line(w, "  %s\t%d rows\t%s", t.Table, t.Rows, listed(t.Keys, t.Rows))
		}
		var seqs []string
		for _, s := range r.Again {
			seqs = append(seqs, fmt.Sprint(uint64(s)))
		}
		line(w, "its rows again\t%d transactions\t%s", r.AgainCount, listed(seqs, r.AgainCount))
	})
}

// again finds the later transactions that touched rows of the found one.
func (a *app) again(ctx context.Context, log *eventlog.Log, found *eventLine, most int, r *laterResult) error {
	touched := map[string]bool{}
	for _, c := range found.Changes {
		touched[c.key] = true
	}
	p := &eventPrinter{app: a, match: func(c changeLine) bool { return touched[c.key] }}
	p.emit = func(e eventLine) error {
		if r.AgainCount++; len(r.Again) < most {
			r.Again = append(r.Again, e.Seq)
		}
		return nil
	}
	return p.all(ctx, log, seqSpan{from: uint64(found.Seq) + 1}, 0)
}

// listed is a list of which the rest may have been left out.
func listed(some []string, all int) string {
	text := strings.Join(some, ", ")
	if all > len(some) {
		text += ", …"
	}
	return text
}

// condition is one --where.
type condition struct {
	table, column, op, value string
	re                       *regexp.Regexp
}

var whereForm = regexp.MustCompile(`^(.+)\.([^.\s]+)\s*(!=|<=|>=|=|<|>|~)\s*(.*)$`)

// conditions are all --where of one search. They are of one table: a row is of one.
type conditions []condition

func parseWhere(where []string) (conditions, error) {
	var list conditions
	for _, text := range where {
		m := whereForm.FindStringSubmatch(strings.TrimSpace(text))
		if m == nil {
			return nil, fmt.Errorf("%w: --where %q is not 'TABLE.COLUMN OPERATOR VALUE'", errUsage, text)
		}
		c := condition{table: m[1], column: m[2], op: m[3], value: m[4]}
		if c.op == "~" {
			var err error
			if c.re, err = regexp.Compile(c.value); err != nil {
				return nil, fmt.Errorf("%w: --where %q: %w", errUsage, text, err)
			}
		}
		if len(list) > 0 && list[0].table != c.table {
			return nil, fmt.Errorf("%w: --where names tables %s and %s; one row is of one table", errUsage, list[0].table, c.table)
		}
		list = append(list, c)
	}
	return list, nil
}

// hold tells whether a row meets every one.
func (l conditions) hold(change changeLine) bool {
	return !slices.ContainsFunc(l, func(c condition) bool { return !c.holds(change) })
}

// known says what is wrong with a search that found nothing: no schema of the log has
// what it names. Nothing found because of a misspelling must not look like an answer.
func (l conditions) known(schemas []*database.Schema) error {
	for _, c := range l {
		var tables []string
		found := false
		for _, s := range schemas {
			for i := range s.Tables {
				tables = append(tables, s.Tables[i].Name)
			}
			t := s.Table(c.table)
			found = found || t != nil && slices.ContainsFunc(t.Columns, func(column database.Column) bool { return column.Name == c.column })
		}
		if !found && len(schemas) > 0 {
			slices.Sort(tables)
			return fmt.Errorf("%w: no table of this log was ever called %s with a column %s; there are %s", errUsage, c.table, c.column, strings.Join(slices.Compact(tables), ", "))
		}
	}
	return nil
}

func (c condition) holds(change changeLine) bool {
	if change.Table != c.table {
		return false
	}
	v, ok := change.Row.Column(c.column)
	if !ok {
		return false
	}
	if c.re != nil {
		return c.re.MatchString(rowtext.Text(v))
	}
	order, ok := rowtext.Compare(v, c.value)
	if !ok { // NULL equals only the word
		return c.op == "=" && c.value == "NULL" || c.op == "!=" && c.value != "NULL"
	}
	switch c.op {
	case "=":
		return order == 0
	case "!=":
		return order != 0
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	default:
		return order >= 0
	}
}
