package main

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"lifeboat/failover/incident"
	"lifeboat/failover/incident/report"
	"lifeboat/internal/drill"
)

func (a *app) reportDrillCommand() *cobra.Command {
	var summary, held, id string
	var present, deviations []string
	var forecast time.Duration
	cmd := &cobra.Command{
		Use:   "drill",
		Short: "Report a drill for the committee from what 'lifeboat drill --json' printed",
		Long: `Make the report that an auditor asks for from the figures of a drill: measured loss and time
against the targets, steps, state hashes, who took part, deviations, and the clauses it answers.
File it with 'lifeboat committee drill --report'.`,
		Example: `  lifeboat drill --json > drill.json
  lifeboat report drill --summary drill.json --id drill-2026 --present ada@example.org --out reports
  lifeboat committee drill --report reports/drill-2026.json`,
		Args: noArgs,
	}
	r := a.reportFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		at, err := parseTime(held)
		if err != nil {
			return err
		}
		if at.IsZero() {
			at = a.clock().UTC()
		}
		body, err := os.ReadFile(summary)
		if err != nil {
			return fmt.Errorf("%w: %w", errUsage, err)
		}
		var s drill.Summary
		if err := json.Unmarshal(body, &s); err != nil || s.Version != 1 {
			return fmt.Errorf("%w: %s is not what 'lifeboat drill --json' prints (version %d): %w", errUsage, summary, s.Version, err)
		}
		of, err := r.open(cmd.Context())
		if err != nil {
			return err
		}
		record, _, err := of.record(cmd.Context())
		if err != nil {
			return err
		}
		e := exerciseOf(s, at)
		e.Company, e.ID, e.Present, e.Deviations, e.Forecast = of.file.Company, id, present, deviations, forecast
		e.Hashes = []report.Hash{{Name: "figures of the drill", SHA256: incident.Digest(body)}}
		e.YearLeft = incident.YearLedger(at.In(of.settings.Location).Year(), record.Incidents, of.settings, at).Left()
		return r.publish(id, e)
	}
	f := cmd.Flags()
	f.StringVar(&summary, "summary", "", "file with what 'lifeboat drill --json' printed")
	f.StringVar(&id, "id", "", "what to call the drill; names the files")
	f.StringVar(&held, "held", "", "when the recovery began, RFC 3339 (default: now)")
	f.StringSliceVar(&present, "present", nil, "who took part, by their ids")
	f.StringArrayVar(&deviations, "deviation", nil, "what went otherwise than planned (may be repeated)")
	f.DurationVar(&forecast, "forecast", 0, "time that the plan predicted")
	required(cmd, "summary", "id")
	return cmd
}

// exerciseOf puts the figures of a drill into the form of a report. Steps follow each other.
func exerciseOf(s drill.Summary, began time.Time) report.Exercise {
	e := report.Exercise{What: "drill", Began: began, Succeeded: s.Verified, AckedLost: int64(s.AcknowledgedLost), LostCommits: int64(s.CommittedLost),
		LostSeconds: s.RPOSeconds, RTO: lasting(s.RTOSeconds)}
	at := began
	for _, step := range s.Steps {
		took := lasting(step.Seconds)
		e.Steps = append(e.Steps, report.Step{Name: step.Name, Began: at, Took: took})
		at = at.Add(took)
	}
	e.Ended = at
	for _, t := range s.Tables {
		e.Tables = append(e.Tables, report.TableProof{Name: t.Name, Rows: t.Rows, Expected: t.ExpectedHash.String(), Actual: t.StateHash.String()})
	}
	return e
}
