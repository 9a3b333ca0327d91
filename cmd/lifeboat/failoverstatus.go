package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/failover"
	runs "lifeboat/failover/run"
)

// statusRun is one run, as failover status shows it.
type statusRun struct {
	ID      string        `json:"id"`
	Kind    failover.Kind `json:"kind"`
	Opened  time.Time     `json:"opened"`
	Last    runs.Event    `json:"last"`
	At      time.Time     `json:"at"` // of the last entry
	By      string        `json:"by"`
	Detail  string        `json:"detail,omitempty"`
	Steps   []statusStep  `json:"steps"`
	Next    string        `json:"next,omitempty"` // command
	Entries int           `json:"entries"`
}

// statusStep is where one step is.
type statusStep struct {
	Name     failover.StepName `json:"name"`
	State    runs.Event        `json:"state"`
	Began    time.Time         `json:"began"`
	Seconds  float64           `json:"seconds"` // so far, when it is not done
	Forecast float64           `json:"forecast_seconds,omitempty"`
	Detail   string            `json:"detail,omitempty"`
}

type statusRuns struct {
	Version int         `json:"version"`
	Runs    []statusRun `json:"runs"`
}

func (a *app) failoverStatusCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "status [ID]",
		Short: "Show where a run is, or list all runs",
		Long:  "Show a run from its journal in the mirror's store: from any machine, also while it goes on elsewhere.",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return planArg(0)(cmd, args)
		},
	}
	a.flagsFor(cmd, theMirror)
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.failoverStatus(cmd.Context(), args) }
	return cmd
}

func (a *app) failoverStatus(ctx context.Context, ids []string) error {
	file, err := a.settings(theMirror)
	if err != nil {
		return err
	}
	store, err := a.stores(file).patient(ctx, file.Mirror)
	if err != nil {
		return err
	}
	one := len(ids) == 1
	if !one {
		if ids, err = runs.Runs(ctx, store); err != nil {
			return err
		}
	}
	out := statusRuns{Version: 1, Runs: []statusRun{}}
	var damage []error
	for _, id := range ids {
		h, err := runs.ReadHistory(ctx, store, id)
		if err != nil {
			damage = append(damage, err)
			continue
		}
		s, err := statusOf(&h, a.clock())
		damage = append(damage, err)
		out.Runs = append(out.Runs, s)
	}
	return errors.Join(a.report(out, func(w io.Writer) { printStatus(w, out, one) }), errors.Join(damage...))
}

func statusOf(h *runs.History, now time.Time) (statusRun, error) {
	o, err := h.Opening()
	last := h.Last()
	s := statusRun{ID: h.ID, Kind: o.Kind, Opened: h.Entries[0].Time, Last: last.Event, At: last.Time, By: last.By, Detail: last.Detail, Entries: len(h.Entries)}
	forecast := map[failover.StepName]float64{}
	if p, perr := failover.Parse([]byte(o.Plan)); perr == nil {
		for _, step := range p.Forecast.Steps {
			forecast[step.Name] = step.Seconds
		}
	}
	at := map[failover.StepName]int{}
	for _, e := range h.Entries {
		if !e.Event.OfStep() {
			continue
		}
		i, known := at[e.Step]
		if !known {
			i = len(s.Steps)
			at[e.Step] = i
			s.Steps = append(s.Steps, statusStep{Name: e.Step, Began: e.Time, Forecast: forecast[e.Step]})
		}
		step := &s.Steps[i]
		step.State, step.Detail = e.Event, e.Detail
		step.Seconds = e.Time.Sub(step.Began).Seconds()
		if e.Event == runs.Begun && !h.Over() && last.Event != runs.Stopped {
			step.Seconds = now.Sub(step.Began).Seconds()
		}
	}
	switch {
	case h.Over():
	case last.Event == runs.Stopped:
		s.Next = "lifeboat failover resume " + h.ID
	default:
		s.Next = "lifeboat failover resume " + h.ID + " --take-over   (only if that machine is dead)"
	}
	return s, err
}

func printStatus(w io.Writer, r statusRuns, whole bool) {
	for _, s := range r.Runs {
		line(w, "%s\t%s\topened %s\t%s %s\tby %s", s.ID, s.Kind, utc(s.Opened), s.Last, utc(s.At), s.By)
		if !whole {
			continue
		}
		for _, step := range s.Steps {
			forecast := "-"
			if step.Forecast > 0 {
				forecast = fmt.Sprintf("%.1f s", step.Forecast)
			}
			line(w, "  %s\t%s\t%.1f s\tforecast %s\t%s", step.Name, step.State, step.Seconds, forecast, step.Detail)
		}
		if s.Detail != "" {
			line(w, "said\t%s", s.Detail)
		}
		if s.Next != "" {
			line(w, "next\t%s", s.Next)
		}
	}
	if len(r.Runs) == 0 {
		line(w, "no run")
	}
}
