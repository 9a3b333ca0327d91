package failover_test

import (
	"strings"
	"time"

	"lifeboat/eventlog"
	"lifeboat/failover"
	"lifeboat/internal/signers"
	"lifeboat/restore"
)

var now = time.Date(2026, 3, 1, 10, 30, 0, 0, time.UTC)

func digest(b byte) string { return strings.Repeat(string("0123456789abcdef"[b%16]), 64) }

// facts are those of a small company whose primary is lost; each call makes its own.
func facts() failover.Facts {
	end := eventlog.Position{Seq: 4711, Epoch: 3, Slot: 99, Digest: eventlog.Digest{1, 2, 3}, Time: now.Add(-10 * time.Minute)}
	rate, vcores := 2.5, int64(48)
	return failover.Facts{
		Restore: &restore.Plan{ID: strings.Repeat("ab", 16), Target: restore.Latest(), Point: restore.Point{Seq: 4711, Time: end.Time}},
		Epoch:   3, End: end, Lost: now.Add(-9 * time.Minute), CommitsPerSecond: &rate,
		Code:     failover.Code{Commit: strings.Repeat("c0de", 10), Number: 12, SHA256: digest(1)},
		Images:   []failover.Image{{Name: "application", Ref: "careful/app@sha256:" + digest(2)}, {Name: "agent", Ref: "lifeboat@sha256:" + digest(3)}},
		Settings: digest(4), Region: "ukwest", Backend: "azblob://state?storage_account=carefulukw", Config: digest(5),
		Database: failover.Database{Kind: "sqlserver", RestoreSKU: "GP_Gen5_16", SKU: "GP_Gen5_4"},
		Keys:     []failover.Key{{Store: "mirror", Root: "f00d"}},
		Quotas:   []failover.Quota{{Name: "standardDDSv5Family vCPUs", Need: 28, Free: &vcores}, {Name: "SQL vCores", Need: 16}},
		Quorum: failover.Quorum{Seats: signers.Quorum{{"ceo", "deputy"}, {"cto", "ld"}}, MaxAgeSeconds: 86400, Signers: digest(6),
			BreakGlass: signers.Quorum{{"ceo", "deputy", "dpo", "cto", "ld"}, {"ceo", "deputy", "dpo", "cto", "ld"}}},
		Limits: failover.Limits{StaleSeconds: 900, RPOSeconds: 60, RTOSeconds: 14400},
		Steps: []failover.Step{
			{Name: failover.StepFence, Seconds: 2.5, Basis: "assumed"},
			{Name: failover.StepProvision, Start: 2.5, Seconds: 1500, Basis: "measured in 3 runs"},
			{Name: failover.StepRestore, Start: 1502.5, Seconds: 3600.1234567, Basis: "bounded by the log rate of GP_Gen5_16, 50 MB/s"},
		},
		Year: failover.Year{Year: 2026, AllowanceSeconds: 15768, UsedSeconds: 3600},
	}
}

func request() failover.Request {
	return failover.Request{ID: failover.NewID(failover.Failover, now, 0), Kind: failover.Failover, Target: restore.Latest(),
		Created: now, Validity: 4 * time.Hour}
}
