package config

import (
	"cmp"
	"fmt"
	"net"
	"time"
)

// problem is one thing wrong with a file. line is 0 where no line can be named.
type problem struct {
	line int
	key  string // dotted, "" for the whole file
	text string
}

// Error implements error.
func (p problem) Error() string {
	where := p.key
	if p.line > 0 {
		where = fmt.Sprintf("line %d: %s", p.line, p.key)
	}
	if where == "" {
		return p.text
	}
	return where + ": " + p.text
}

// check returns every problem with the values of f, which has its defaults.
func (f *File) check() (found []problem) {
	bad := func(key, format string, args ...any) {
		found = append(found, problem{key: key, text: fmt.Sprintf(format, args...)})
	}
	if f.Version != Version {
		bad("version", "is %d; this program knows version %d", f.Version, Version)
	}
	for key, u := range map[string]URL{"database": f.Database, "primary.store": f.Primary.Store, "mirror.store": f.Mirror.Store,
		"failover.backend": f.Failover.Backend, "failover.target": f.Failover.Target, "failover.new_mirror.store": f.Failover.NewMirror.Store} {
		if u != "" && u.Scheme() == "" {
			bad(key, "%q is not a URL of the form KIND:PLACE", u)
		}
	}
	if len(f.AllowLost) > 0 && f.Database != "" && f.Database.Scheme() != "sqlserver" {
		bad("database_allow_lost", "is for SQL Server; a %s database is carried whole or refused", f.Database.Scheme())
	}
	if f.Primary.Store != "" && f.Primary.Store == f.Mirror.Store {
		bad("mirror.store", "is the primary's store; a mirror in the same place protects from nothing")
	}
	if m := f.Failover.NewMirror.Store; m != "" && m == f.Mirror.Store {
		bad("failover.new_mirror.store", "is the mirror's store, which will be the serving region's own then")
	}
	if f.Primary.Name == f.Mirror.Name {
		bad("mirror.name", "%q is the primary's name too", f.Mirror.Name)
	}
	for key, problem := range f.encryptionProblems() {
		bad(key, "%s", problem)
	}
	for key, problem := range f.Failover.Probe.problems() {
		bad("failover.probe."+key, "%s", problem)
	}
	for key, problem := range f.Failover.Restore.problems() {
		bad("failover.restore."+key, "%s", problem)
	}
	if f.Log.OnMirrorLoss != Block && f.Log.OnMirrorLoss != Degrade {
		bad("log.on_mirror_loss", "%q is neither %q nor %q", f.Log.OnMirrorLoss, Block, Degrade)
	}
	for _, r := range f.ranges() {
		if cmp.Compare(r.value, r.least) < 0 || cmp.Compare(r.value, r.most) > 0 {
			bad(r.key, "%s is outside %s to %s", r.print(r.value), r.print(r.least), r.print(r.most))
		}
	}
	if f.Snapshot.MinInterval > f.Snapshot.MaxInterval {
		bad("snapshot.min_interval", "%s is longer than max_interval, %s", f.Snapshot.MinInterval, f.Snapshot.MaxInterval)
	}
	if f.Retention.KeepDays == 0 && f.Retention.Monthly+f.Retention.Yearly > 0 {
		bad("retention.keep_days", "is 0, which keeps everything; monthly and yearly say what is kept besides")
	}
	if _, _, err := net.SplitHostPort(f.Agent.Listen); err != nil {
		bad("agent.listen", "%q is not HOST:PORT", f.Agent.Listen)
	}
	return found
}

// encryptionProblems maps keys to what is wrong with them.
func (f *File) encryptionProblems() map[string]string {
	found := map[string]string{}
	e := f.Encryption
	for key, pin := range map[string]string{"primary.root_key": f.Primary.RootKey, "mirror.root_key": f.Mirror.RootKey} {
		if pin != "" && !e.Configured() {
			found[key] = "is set, and encryption is not configured"
		}
	}
	switch {
	case !e.Configured():
	case len(e.AgeRecipients)+len(e.VaultKeys) == 0:
		found["encryption"] = "has no recipient: give age_recipients, vault_keys or both"
	case len(e.VaultKeys) == 0 && e.IdentityFile == "":
		found["encryption"] = "nothing opens what is there: give vault_keys or identity_file"
	}
	for key, r := range map[string]Region{"primary": f.Primary, "mirror": f.Mirror} {
		if r.KeyFile != "" && r.SASFile != "" {
			found[key+".sas_file"] = "is set beside key_file; one of them is enough"
		}
	}
	return found
}

// bounds is an allowed range, both ends included.
type bounds struct {
	key                string
	value, least, most int64
	print              func(int64) string
}

func (f *File) ranges() []bounds {
	duration := func(d int64) string { return time.Duration(d).String() }
	size := func(n int64) string { return Size(n).String() }
	number := func(n int64) string { return fmt.Sprint(n) }
	between := func(key string, v, least, most time.Duration) bounds {
		return bounds{key, int64(v), int64(least), int64(most), duration}
	}
	return []bounds{
		between("log.drain_interval", f.Log.DrainInterval, 10*time.Millisecond, time.Minute),
		between("log.compact_interval", f.Log.CompactInterval, time.Minute, 7*24*time.Hour),
		between("log.keep_segments", f.Log.KeepSegments, 0, 10*365*24*time.Hour),
		{"retention.keep_days", int64(f.Retention.KeepDays), 0, 36500, number},
		{"retention.monthly", int64(f.Retention.Monthly), 0, 1200, number},
		{"retention.yearly", int64(f.Retention.Yearly), 0, 100, number},
		// The upper bound is the policy's: a snapshot at least every 24 hours.
		between("snapshot.max_interval", f.Snapshot.MaxInterval, time.Minute, 24*time.Hour),
		between("snapshot.min_interval", f.Snapshot.MinInterval, time.Second, 24*time.Hour),
		{"snapshot.replay_budget", int64(f.Snapshot.ReplayBudget), 1 << 20, 1 << 40, size},
		between("snapshot.replay_time", f.Snapshot.ReplayTime, time.Second, time.Hour),
		{"snapshot.max_deltas", int64(f.Snapshot.MaxDeltas), 1, 100, number},
		between("audit.interval", f.Audit.Interval, 10*time.Minute, 7*24*time.Hour),
		between("agent.barrier_timeout", f.Agent.BarrierTimeout, time.Millisecond, time.Minute),
		between("agent.shutdown_timeout", f.Agent.ShutdownTimeout, time.Second, 10*time.Minute),
		between("failover.plan_validity", f.Failover.PlanValidity, time.Minute, 7*24*time.Hour),
		between("failover.stale_limit", f.Failover.StaleLimit, 0, 24*time.Hour),
		between("failover.rpo", f.Failover.RPO, 0, 24*time.Hour),
		// The upper bound is the policy's: no outage is longer than 8 hours.
		between("failover.rto", f.Failover.RTO, time.Second, 8*time.Hour),
		{"restore.memory", int64(f.Restore.Memory), 64 << 20, 64 << 30, size},
	}
}
