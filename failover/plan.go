package failover

import (
	"fmt"
	"regexp"
	"time"

	"lifeboat/eventlog"
	"lifeboat/internal/signers"
	"lifeboat/restore"
)

// SubjectKind is the kind of an approval's statement about a plan.
const SubjectKind = "failover-plan"

// OutageLimit is how long one outage may last by the policy.
const OutageLimit = 8 * time.Hour

// Kind is what a plan is for.
type Kind string

// The kinds of plan.
const (
	Failover Kind = "failover" // replace the lost primary
	Drill    Kind = "drill"    // the same beside it, isolated, destroyed afterwards
	Failback Kind = "failback" // the same the other way
)

// StepName is a step of a run.
type StepName string

// The steps in the order in which a run takes them. A drill leaves out StepFence, StepTraffic
// and StepCapture, and ends with StepDestroy.
const (
	StepPreflight StepName = "preflight"
	StepAuthorise StepName = "authorise"
	StepFence     StepName = "fence"
	StepProvision StepName = "provision"
	StepRestore   StepName = "restore"
	StepVerify    StepName = "verify"
	StepDeploy    StepName = "deploy"
	StepTraffic   StepName = "traffic"
	StepProbe     StepName = "probe"
	StepCapture   StepName = "capture"
	StepReport    StepName = "report"
	StepDestroy   StepName = "destroy"
)

// Steps are the steps of a kind of run, in order.
func (k Kind) Steps() []StepName {
	if k == Drill {
		return []StepName{StepPreflight, StepAuthorise, StepProvision, StepRestore, StepVerify, StepDeploy, StepProbe, StepReport, StepDestroy}
	}
	return []StepName{StepPreflight, StepAuthorise, StepFence, StepProvision, StepRestore, StepVerify, StepDeploy, StepTraffic,
		StepProbe, StepCapture, StepReport}
}

// Plan is what a run will do, whole. Treat it as a value that does not change: its hash is
// what people sign. All times are UTC.
type Plan struct {
	Format  int       `json:"format"`
	ID      string    `json:"id"` // 2 to 12 of a-z 0-9, a letter first: the stack is failover-<id>
	Kind    Kind      `json:"kind"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires"` // exclusive

	Target restore.Target `json:"target"` // as asked for; "latest" is the end of the mirror
	Point  Point          `json:"point"`  // what the target is as planned
	Mirror Mirror         `json:"mirror"`
	Loss   Loss           `json:"loss"`

	Code     Code     `json:"code"`
	Images   []Image  `json:"images"`
	Stack    Stack    `json:"stack"`
	Database Database `json:"database"`
	Keys     []Key    `json:"keys"`
	Quotas   []Quota  `json:"quotas"`

	Quorum   Quorum   `json:"quorum"`
	Limits   Limits   `json:"limits"`
	Forecast Forecast `json:"forecast"`
}

// Point is the restore point.
type Point struct {
	Seq  eventlog.Seq `json:"seq"`
	Time time.Time    `json:"time,omitzero"` // of the transaction; zero = unknown
	// RestorePlan is restore.Plan.ID: snapshots and segments, by their digests.
	RestorePlan string `json:"restore_plan"`
}

// Mirror is the state of the mirror.
type Mirror struct {
	Epoch eventlog.Epoch    `json:"epoch"`
	End   eventlog.Position `json:"end"` // the last whole segment
	// Newest is the time of the newest commit in the mirror.
	Newest time.Time `json:"newest,omitzero"`
	// Lost is when the primary was lost, as the incident says; zero = not known.
	Lost time.Time `json:"lost,omitzero"`
	// StaleSeconds is from Newest to Lost, or to when the plan was made if that is not known.
	StaleSeconds float64 `json:"stale_seconds"`
	// StaleAccepted is why a mirror that is stale beyond the limit is used all the same.
	StaleAccepted string `json:"stale_accepted,omitempty"`
}

// Loss is what the plan predicts to be lost. An absent figure is unknown, not zero.
type Loss struct {
	// Transactions are commits that the lost region holds alone; known only while the
	// primary's store can be read.
	Transactions *uint64 `json:"transactions,omitempty"`
	// Estimated is Transactions as the log's recent rate makes it likely.
	Estimated *uint64 `json:"estimated_transactions,omitempty"`
	// Seconds bounds it: commits not in the mirror were made in this time before the loss.
	Seconds float64 `json:"seconds"`
	// Given up are transactions that the mirror has and the target leaves out, on purpose.
	GivenUp uint64 `json:"given_up_transactions"`
	// Basis says how the figures came about and which are not known.
	Basis string `json:"basis"`
}

// Code is the code that the stack is made from.
type Code struct {
	Commit string `json:"commit"`        // of the code bundle
	Number uint64 `json:"backup"`        // of the code backup
	SHA256 string `json:"bundle_sha256"` // of the code backup's manifest, which names its parts
}

// Image is a container image by its digest.
type Image struct {
	Name string `json:"name"` // of the workload
	Ref  string `json:"ref"`  // repository@sha256:…
}

// Stack is the Pulumi stack of the run.
type Stack struct {
	Name     string `json:"name"`            // failover-<id>
	Settings string `json:"settings_sha256"` // of the settings that it is derived from, canonical
	Region   string `json:"region"`
	Backend  string `json:"backend"` // where the state is kept; no secret in it
	Config   string `json:"config_sha256"`
}

// Database is where the rows go.
type Database struct {
	Kind string `json:"kind"` // sqlite, sqlserver, …
	// RestoreSKU is used for the restore alone; "" = SKU from the start.
	RestoreSKU string `json:"restore_sku,omitempty"`
	SKU        string `json:"sku,omitempty"` // afterwards
}

// Key is a root key that has to open the mirror's objects.
type Key struct {
	Store string `json:"store"`
	Root  string `json:"root"` // id, as lifeboat keys check shows it
}

// Quota is how much of something the subscription has to have free in the DR region.
type Quota struct {
	Name string `json:"name"`
	Need int64  `json:"need"`
	Free *int64 `json:"free,omitempty"` // absent = could not be asked
}

// Quorum is who has to sign.
type Quorum struct {
	Seats         signers.Quorum `json:"seats"`
	BreakGlass    signers.Quorum `json:"break_glass"`
	MaxAgeSeconds int64          `json:"max_age_seconds"` // of a signature; 0 = no limit of its own
	Signers       string         `json:"allowed_signers_sha256"`
}

// Limits are what the policy and the company's targets allow.
type Limits struct {
	StaleSeconds float64 `json:"stale_seconds"` // mirror behind the loss; 0 = no limit
	RPOSeconds   float64 `json:"rpo_seconds"`
	RTOSeconds   float64 `json:"rto_seconds"`
}

// Forecast is how long the run should take, always against both limits of the policy.
type Forecast struct {
	Steps        []Step  `json:"steps"`
	TotalSeconds float64 `json:"total_seconds"`
	LimitSeconds float64 `json:"limit_seconds"` // one outage
	// Elapsed is what of the outage had gone by when the plan was made; absent = unknown.
	ElapsedSeconds *float64 `json:"elapsed_seconds,omitempty"`
	Year           Year     `json:"year"`
	WithinLimit    bool     `json:"within_limit"`
	WithinYear     bool     `json:"within_year"`
}

// Step is one step's forecast.
type Step struct {
	Name    StepName `json:"name"`
	Start   float64  `json:"start_seconds"` // after the beginning of the run
	Seconds float64  `json:"seconds"`
	Basis   string   `json:"basis"` // measured how often, or assumed
}

// Year is the calendar year's allowance, which the policy's 99.95 % leaves.
type Year struct {
	Year             int     `json:"year"`
	AllowanceSeconds float64 `json:"allowance_seconds"` // 15,768 of 365 days: 4 h 22 m 48 s
	UsedSeconds      float64 `json:"used_seconds"`
	LeftSeconds      float64 `json:"left_seconds"` // negative when it is used up
}

// StackName is the name of the Pulumi stack.
func (p *Plan) StackName() string { return "failover-" + p.ID }

var idShape = regexp.MustCompile(`^[a-z][a-z0-9]{1,11}$`)

// NewID makes the id of a plan from its kind and time: f2603011030 is a failover planned on
// 2026-03-01 at 10:30. attempt tells apart those of one minute, from 0.
func NewID(k Kind, at time.Time, attempt int) string {
	letter := map[Kind]string{Failover: "f", Drill: "d", Failback: "b"}[k]
	id := letter + at.UTC().Format("0601021504")
	if attempt > 0 {
		id += string(rune('a' + (attempt-1)%26))
	}
	return id
}

// CheckID refuses what is no id of a plan.
func CheckID(id string) error {
	if !idShape.MatchString(id) {
		return fmt.Errorf("plan id %q: want 2 to 12 of a-z and 0-9, a letter first", id)
	}
	return nil
}
