package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/eventlog"
)

// tailPoll is how often tail looks for new segments.
const tailPoll = 500 * time.Millisecond

// seqSpan limits what is printed of the log: from and to are inclusive Seqs, 0 for none.
type seqSpan struct{ from, to uint64 }

func (s *seqSpan) flags(cmd *cobra.Command) {
	cmd.Flags().Uint64Var(&s.from, "from", 0, "first sequence number to print")
	cmd.Flags().Uint64Var(&s.to, "to", 0, "last sequence number to print (0: to the end)")
}

func (s *seqSpan) check() error {
	if s.to > 0 && s.from > s.to {
		return fmt.Errorf("%w: --from %d is after --to %d", errUsage, s.from, s.to)
	}
	return nil
}

func (s *seqSpan) holds(e eventlog.Event) bool {
	return uint64(e.Seq) >= s.from && (s.to == 0 || uint64(e.Seq) <= s.to)
}

func (a *app) logDumpCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "dump",
		Short: "Print the transactions of the log, row by row",
		Args:  noArgs,
	}
	from := a.storeFlag(cmd)
	var s seqSpan
	s.flags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := s.check(); err != nil {
			return err
		}
		store, _, err := from.open(cmd.Context())
		if err != nil {
			return err
		}
		return (&eventPrinter{app: a}).all(cmd.Context(), eventlog.OpenLog(store), s, 0)
	}
	return cmd
}

// all prints the whole log, at most limit events (0: no limit).
func (p *eventPrinter) all(ctx context.Context, log *eventlog.Log, s seqSpan, limit int) error {
	printed := 0
	for seg, err := range log.Segments(ctx, eventlog.Position{}) {
		if err != nil {
			return err
		}
		if s.to > 0 && uint64(seg.Info().First) > s.to {
			return nil
		}
		n, err := p.segment(seg, s, limit-printed)
		printed += n
		if err != nil || limit > 0 && printed >= limit {
			return err
		}
	}
	return nil
}

// segment prints the events of one segment, at most limit if that is positive.
func (p *eventPrinter) segment(seg *eventlog.Segment, s seqSpan, limit int) (printed int, err error) {
	for e, err := range seg.Events() {
		if err != nil {
			return printed, err
		}
		if e.Schema != nil {
			p.schema, p.schemas = e.Schema, append(p.schemas, e.Schema)
		}
		if !s.holds(e) {
			continue
		}
		done, err := p.print(seg, e)
		if err != nil {
			return printed, err
		}
		if done {
			printed++
		}
		if limit > 0 && printed == limit {
			return printed, nil
		}
	}
	return printed, nil
}

func (a *app) logTailCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tail",
		Short: "Print transactions as they become durable, until interrupted",
		Args:  noArgs,
	}
	from := a.storeFlag(cmd)
	var since uint64
	cmd.Flags().Uint64Var(&since, "from", 0, "begin with this sequence number instead of at the end")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		store, _, err := from.open(cmd.Context())
		if err != nil {
			return err
		}
		return a.tail(cmd.Context(), eventlog.OpenLog(store), since)
	}
	return cmd
}

func (a *app) tail(ctx context.Context, log *eventlog.Log, since uint64) error {
	p := &eventPrinter{app: a}
	var at eventlog.Position
	if since == 0 { // the schema in force has to be known before the first row can be read
		for seg, err := range log.Segments(ctx, at) {
			if err != nil {
				return err
			}
			at, p.schema = seg.Info().End(), seg.Schema()
		}
	}
	for seg, err := range log.Tail(ctx, at, tailPoll) {
		if ctx.Err() != nil {
			return nil // interrupted is how a tail ends
		}
		if err != nil {
			return err
		}
		if _, err := p.segment(seg, seqSpan{from: since}, 0); err != nil {
			return err
		}
	}
	return nil
}
