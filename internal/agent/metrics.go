package agent

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"lifeboat/eventlog"
)

// metrics are all the metrics of the agent.
type metrics struct {
	registry *prometheus.Registry

	barriers       *prometheus.CounterVec
	barrierSeconds prometheus.Histogram
	snapshots      *prometheus.CounterVec
	snapshotFailed prometheus.Counter
	snapshotSecs   *prometheus.HistogramVec
	audits         *prometheus.CounterVec
	housekeeping   *prometheus.CounterVec
}

// gauges are read when they are asked for.
type gauges struct {
	frontier     func() eventlog.Frontier
	drainFailing func() bool
	lastSnapshot func() time.Time // when the newest snapshot in the mirror was taken; zero: none
	lastAudit    func() time.Time // when an audit last found the database equal to its log
	clock        func() time.Time
}

func newMetrics(g gauges) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		barriers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lifeboat_barriers_total",
			Help: "Barriers answered, by result: durable, timeout, degraded, fenced, error.",
		}, []string{"result"}),
		barrierSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "lifeboat_barrier_seconds",
			Help:    "Time from the request of a barrier to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.001, 2, 14), // 1 ms to 8 s
		}),
		snapshots: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lifeboat_snapshots_total",
			Help: "Snapshots made durable in both regions, by kind: base, delta, rollforward.",
		}, []string{"kind"}),
		snapshotFailed: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lifeboat_snapshot_failures_total",
			Help: "Snapshots that failed; they are tried again.",
		}),
		snapshotSecs: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "lifeboat_snapshot_seconds",
			Help:    "Time to make a snapshot, by kind.",
			Buckets: prometheus.ExponentialBuckets(0.05, 3, 12), // 50 ms to 2.5 h
		}, []string{"kind"}),
		audits: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lifeboat_audits_total",
			Help: "Full comparisons of the database with its log, by result: equal, different, error.",
		}, []string{"result"}),
		housekeeping: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lifeboat_housekeeping_total",
			Help: "Tidying of one store, by task: compact, retain, and by result: done, error.",
		}, []string{"task", "result"}),
	}
	m.registry.MustRegister(
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		m.barriers, m.barrierSeconds, m.snapshots, m.snapshotFailed, m.snapshotSecs, m.audits, m.housekeeping,
	)
	m.registerGauges(g)
	return m
}

func (m *metrics) registerGauges(g gauges) {
	gauge := func(name, help string, value func() float64) {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	age := func(of func() time.Time) float64 {
		if t := of(); !t.IsZero() {
			return g.clock().Sub(t).Seconds()
		}
		return -1
	}
	gauge(standbyGauge.Name, standbyGauge.Help, func() float64 { return 0 })
	gauge("lifeboat_epoch", "Epoch of the log that this agent writes.",
		func() float64 { return float64(g.frontier().Epoch) })
	gauge("lifeboat_committed_seq", "Last transaction that was drained from the database.",
		func() float64 { return float64(g.frontier().Committed) })
	gauge("lifeboat_local_seq", "Last transaction that the primary's store holds.",
		func() float64 { return float64(g.frontier().Local) })
	gauge("lifeboat_durable_seq", "Last transaction that both regions hold.",
		func() float64 { return float64(g.frontier().Durable) })
	gauge("lifeboat_exposed_transactions", "Drained transactions that only one region holds: what losing the primary now would lose.",
		func() float64 { return float64(g.frontier().Exposed) })
	gauge("lifeboat_exposed_seconds", "Age of the oldest exposed transaction; 0 when none is exposed.",
		func() float64 {
			f := g.frontier()
			if f.ExposedSince.IsZero() {
				return 0
			}
			return max(0, g.clock().Sub(f.ExposedSince).Seconds())
		})
	gauge("lifeboat_drain_failing", "1 while the last drain of the database failed; what is committed meanwhile is captured and not acknowledged.",
		func() float64 { return truth(g.drainFailing()) })
	gauge("lifeboat_degraded", "1 while the mirror cannot be reached and the writer goes on without it.",
		func() float64 { return truth(g.frontier().Degraded) })
	gauge("lifeboat_snapshot_age_seconds", "Age of the newest snapshot; -1 when there is none.",
		func() float64 { return age(g.lastSnapshot) })
	gauge("lifeboat_audit_age_seconds", "Time since an audit last found the database equal to its log; -1 for never.",
		func() float64 { return age(g.lastAudit) })
}

// standbyGauge tells the two kinds of agents apart; those at work say 0.
var standbyGauge = prometheus.GaugeOpts{Name: "lifeboat_standby", Help: "1 for an agent that waits for the one at work to be silent, 0 for the one at work."}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
