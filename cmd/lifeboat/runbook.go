package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"lifeboat/failover"
	"lifeboat/failover/incident/report"
	"lifeboat/restore"
)

// writeRunbook writes a plan's runbook to a folder, as Markdown and HTML.
func (a *app) writeRunbook(b *bridge, p *failover.Plan, hash, folder string) ([]string, error) {
	src, err := report.NewSource(a.clock(), runbookOf(b, p, hash))
	if err != nil {
		return nil, err
	}
	var files []string
	for _, form := range []report.Form{report.Markdown, report.HTML} {
		body, err := src.Render(form)
		if err != nil {
			return nil, err
		}
		file := filepath.Join(folder, "runbook-"+p.ID+"."+string(form))
		if err := os.WriteFile(file, body, 0o600); err != nil {
			return nil, fmt.Errorf("write runbook: %w (the plan is kept in the mirror's store as %s)", err, p.ID)
		}
		files = append(files, file)
	}
	return files, nil
}

func runbookOf(b *bridge, p *failover.Plan, hash string) report.Runbook {
	c := p.Forecast
	r := report.Runbook{
		Company: b.file.Company, Plan: p.ID, Hash: hash, Kind: string(p.Kind), Made: p.Created, Expires: p.Expires, Fits: c.WithinLimit && c.WithinYear,
		Verdict: fmt.Sprintf("Predicted: %s, %s the %s of one outage and %s the %s left of the year's %s. Lost: %s.", span(lasting(c.TotalSeconds)),
			inside(c.WithinLimit), span(lasting(c.LimitSeconds)), inside(c.WithinYear), span(lasting(c.Year.LeftSeconds)), span(lasting(c.Year.AllowanceSeconds)), lossOf(p)),
		Do: tasksOf(p), People: peopleOf(b.file), Quorum: p.Quorum.Seats.String(), Glass: p.Quorum.BreakGlass.String(), Signers: p.Quorum.Signers,
	}
	fact := func(name, format string, args ...any) {
		r.Facts = append(r.Facts, report.Fact{Name: name, Text: fmt.Sprintf(format, args...)})
	}
	fact("restore point", "%s", &restore.Point{Seq: p.Point.Seq, Time: p.Point.Time})
	fact("mirror", "epoch %d, newest commit %s, %.0f s before the loss", uint32(p.Mirror.Epoch), utc(p.Mirror.Newest), p.Mirror.StaleSeconds)
	if p.Mirror.StaleAccepted != "" {
		fact("stale mirror accepted", "%s", p.Mirror.StaleAccepted)
	}
	fact("loss", "%s: %s", lossOf(p), p.Loss.Basis)
	fact("code", "commit %s, backup %d", orUnknown(p.Code.Commit), p.Code.Number)
	fact("stack", "%s in %s, state in %s", p.Stack.Name, orUnknown(p.Stack.Region), orUnknown(p.Stack.Backend))
	fact("database", "%s", databaseOf(p))
	for _, i := range p.Images {
		fact("image of "+i.Name, "%s", i.Ref)
	}
	for _, s := range c.Steps {
		r.Steps = append(r.Steps, report.TimedStep{Name: string(s.Name), Start: s.Start, Seconds: s.Seconds, Basis: s.Basis})
	}
	for _, e := range exits {
		if e.code != 0 {
			r.Trouble = append(r.Trouble, report.Trouble{Code: e.code, Name: e.name, Meaning: e.meaning})
		}
	}
	slices.SortFunc(r.Trouble, func(a, b report.Trouble) int { return a.Code - b.Code })
	return r
}

func inside(ok bool) string {
	if ok {
		return "within"
	}
	return "OVER"
}

// tasksOf is what people do, each with the commands as they are typed.
func tasksOf(p *failover.Plan) []report.Task {
	list := []report.Task{
		{Title: "Report and inform", Text: "Whoever is told first; it informs the committee and starts the clocks. Once per incident.",
			Commands: []string{`lifeboat incident open --title "region lost" --from NAME --outage-began TIME --primary-lost`}},
		{Title: "Is the plan still true?", Text: "Exit code 0, or the reason why not. When anything has changed, plan again and print that.",
			Commands: []string{"lifeboat failover show " + p.ID + " --check --primary-lost", "lifeboat failover plan " + targetFlag(p) + " --runbook . --primary-lost"}},
		{Title: "Approve", Text: "Each of those who are needed, on their own machine, after reading the hash aloud: " + p.Quorum.Seats.String() + ".",
			Commands: []string{"lifeboat failover approve " + p.ID + " --primary-lost", "lifeboat failover approve " + p.ID + ` --break-glass "WHY" --primary-lost`}},
		{Title: "Run", Text: "One person types, one reads along. It says all the time where it is and how long it will take. Killed anywhere, resume goes on; " +
			"nothing happens twice.",
			Commands: []string{"lifeboat failover run " + p.ID, "lifeboat failover status " + p.ID, "lifeboat failover resume " + p.ID}},
		{Title: "By hand, if the run cannot", Text: "What the run does to the data, with nothing but this program and the mirror's store: end the old epoch, then " +
			"restore into an empty database and compare every table.",
			Commands: []string{`lifeboat takeover --reason "region lost"`, "lifeboat restore " + targetFlag(p) + " --into DATABASE-URL"}},
		{Title: "Afterwards", Text: "The service is back: record it, so that both clocks stop.",
			Commands: []string{"lifeboat incident recover INCIDENT --done --at TIME", "lifeboat due"}},
	}
	if p.Kind == failover.Drill {
		return slices.Delete(list, 4, 5)[1:5]
	}
	return list
}

// targetFlag is the flag that asks for a plan's target.
func targetFlag(p *failover.Plan) string {
	text := p.Target.String()
	if n, ok := strings.CutPrefix(text, "seq "); ok {
		return "--seq " + n
	}
	if text == "latest" {
		return "--latest"
	}
	return "--at " + text
}
