package effect

import (
	"fmt"
	"io"
	"strings"
	"time"

	"lifeboat/infra/azure"
	"lifeboat/stacks/settings"
)

// Row is one line of the comparison.
type Row struct {
	What        string
	Before, Now string
	Worse       bool // the change weakens recovery
	Changed     bool
}

// Of compares the settings of the primary stack before and after a change.
func Of(before, now *settings.Settings) ([]Row, error) {
	b, err := figuresOf(before)
	if err != nil {
		return nil, fmt.Errorf("settings before the change: %w", err)
	}
	n, err := figuresOf(now)
	if err != nil {
		return nil, fmt.Errorf("settings after the change: %w", err)
	}
	rows := []Row{
		{What: "RPO: without the mirror", Before: b.loss(), Now: n.loss(), Worse: n.degrades && !b.degrades},
		{What: "Snapshots, at most apart", Before: b.interval.String(), Now: n.interval.String(), Worse: n.interval > b.interval},
		{What: "Restore points kept, days", Before: fmt.Sprint(b.days), Now: fmt.Sprint(n.days), Worse: n.days < b.days},
		{What: "RTO: log rate of the database, MB/s", Before: fmt.Sprintf("%g", b.rate), Now: fmt.Sprintf("%g", n.rate), Worse: n.rate < b.rate},
		{What: "RTO: restore of a full database, at most", Before: b.restore.String(), Now: n.restore.String(), Worse: n.restore > b.restore},
		{What: "RTO: old address remembered, seconds", Before: fmt.Sprint(b.ttl), Now: fmt.Sprint(n.ttl), Worse: n.ttl > b.ttl},
		{What: "Cost of compute, GBP a month, about", Before: fmt.Sprintf("%.0f", b.cost), Now: fmt.Sprintf("%.0f", n.cost)},
	}
	for i := range rows {
		rows[i].Changed = rows[i].Before != rows[i].Now
	}
	return rows, nil
}

// figures are what the settings mean.
type figures struct {
	degrades bool
	interval time.Duration
	days     int           // nothing younger can be deleted
	rate     float64       // MB/s
	restore  time.Duration // of MaxSizeGiB at that rate
	ttl      int
	cost     float64
}

func (f figures) loss() string {
	if f.degrades {
		return "what commits meanwhile may be lost"
	}
	return "0 acknowledged transactions"
}

func figuresOf(s *settings.Settings) (figures, error) {
	interval, err := time.ParseDuration(s.Agent.SnapshotInterval)
	if err != nil {
		return figures{}, fmt.Errorf("agent.snapshotInterval: %w", err)
	}
	sku, err := azure.ParseDatabaseSKU(s.Database.SKU)
	if err != nil {
		return figures{}, fmt.Errorf("database.sku: %w", err)
	}
	cost := sku.Monthly
	for _, pool := range []settings.Pool{s.Cluster.System, s.Cluster.User} {
		node, err := azure.ParseNodeSKU(pool.Size)
		if err != nil {
			return figures{}, fmt.Errorf("cluster: %w", err)
		}
		cost += node.Monthly * float64(pool.Min)
	}
	// Azure SQL has no minimal logging: every restored byte passes the log.
	seconds := float64(s.Database.MaxSizeGiB) * 1073.741824 / sku.LogMBps
	return figures{
		degrades: s.Agent.Mirror != "block", interval: interval, days: s.Store.ImmutableDays, rate: sku.LogMBps,
		restore: time.Duration(seconds * float64(time.Second)).Round(time.Minute), ttl: s.Edge.TTL, cost: cost,
	}, nil
}

// Markdown writes the comparison as a comment for a pull request.
func Markdown(w io.Writer, rows []Row) error {
	var b strings.Builder
	b.WriteString("### Effect on recovery\n\n| | before | with this change | |\n|---|---|---|---|\n")
	worse := 0
	for _, r := range rows {
		mark := ""
		switch {
		case r.Worse:
			mark = "**weaker**"
			worse++
		case r.Changed:
			mark = "changed"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.What, r.Before, r.Now, mark)
	}
	if worse == 0 {
		b.WriteString("\nNothing here weakens recovery.\n")
	} else {
		fmt.Fprintf(&b, "\n%d of these weaken recovery: the Risk Committee should know.\n", worse)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
