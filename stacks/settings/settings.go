package settings

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"lifeboat/infra/azure"
)

// Role says what a stack is for.
type Role string

// The roles.
const (
	Primary  Role = "primary"  // the region that serves
	DR       Role = "dr"       // the standing mirror: storage, keys, images, state, no compute
	Failover Role = "failover" // a complete region beside the mirror, for a failover or a drill
)

// Settings is the value of the configuration key "lifeboat:settings".
type Settings struct {
	Role         Role            `json:"role"`
	Organisation string          `json:"organisation"` // 2 to 10 of a-z 0-9: it starts every name
	Tenant       string          `json:"tenant"`       // Entra tenant, GUID
	Subscription string          `json:"subscription"` // GUID
	Geography    azure.Geography `json:"geography"`    // residency boundary of both regions
	Regions      Regions         `json:"regions"`
	Protect      bool            `json:"protect"` // refuse to delete what holds data
	Tags         Tags            `json:"tags"`
	Network      Network         `json:"network"`
	Store        Store           `json:"store"`
	Database     Database        `json:"database"`
	Cluster      Cluster         `json:"cluster"`
	Application  Application     `json:"application"`
	Agent        Agent           `json:"agent"`
	Edge         Edge            `json:"edge"`
	Alerts       Alerts          `json:"alerts"`
	Code         Code            `json:"code"`
	Failover     FailoverRun     `json:"failover,omitzero"` // of role failover only
}

// Regions are the two halves of the pair, and the hub.
type Regions struct {
	Primary Half `json:"primary"`
	DR      Half `json:"dr"`
	// Hub is the half that the registry, the DNS zone and Traffic Manager live in: the
	// first DR half, and it stays so when later failovers move the others about.
	Hub Half `json:"hub"`
}

// Half is one place of the pair.
type Half struct {
	Region azure.Region `json:"region"`
	// Generation tells successive stacks in one region apart, 1 to 99: what a lost
	// region held is kept under its names while a new one is built beside it.
	Generation int `json:"generation"`
}

// part is what tells the half's names from others'.
func (h Half) part() string {
	if h.Generation <= 1 {
		return h.Region.Code()
	}
	return h.Region.Code() + strconv.Itoa(h.Generation)
}

// Tags are put on every resource that takes tags.
type Tags struct {
	Owner     string `json:"owner"`     // who answers for it, an address
	DataClass string `json:"dataClass"` // e.g. "special-category-health"
	RPO       string `json:"rpo"`       // e.g. "0 transactions"
	RTO       string `json:"rto"`       // e.g. "8h"
}

// Network gives each stack its addresses. They differ so that a failover region may
// be joined to the old one while the two are reconciled.
type Network struct {
	PrimaryCIDR  string `json:"primaryCidr"`  // a /16
	FailoverCIDR string `json:"failoverCidr"` // a /16, not overlapping
}

// Store describes the region's store of immutable objects.
type Store struct {
	ImmutableDays  int  `json:"immutableDays"`  // 1 to 146,000: nothing younger can be changed or deleted
	Lock           bool `json:"lock"`           // make ImmutableDays irrevocable
	SoftDeleteDays int  `json:"softDeleteDays"` // 7 to 365
	// OperatorAddresses are public IPv4 addresses or ranges that may reach the stores
	// and the vaults directly, for a failover run from outside; none means private only.
	OperatorAddresses []string `json:"operatorAddresses"`
}

// DatabaseKind says where the database runs.
type DatabaseKind string

// The kinds of database.
const (
	AzureSQL  DatabaseKind = "azure"     // Azure SQL Database
	Container DatabaseKind = "container" // SQL Server as a StatefulSet, for cheap drills
)

// Database describes the database that is protected.
type Database struct {
	Kind          DatabaseKind `json:"kind"`
	Name          string       `json:"name"`
	SKU           string       `json:"sku"` // e.g. "GP_Gen5_4"
	MaxSizeGiB    int          `json:"maxSizeGiB"`
	ZoneRedundant bool         `json:"zoneRedundant"` // where the region has zones
	PITRDays      int          `json:"pitrDays"`      // 7 to 35
	SoftDelete    int          `json:"softDeleteDays"`
	LongTerm      LongTerm     `json:"longTerm"`
	Admin         Principal    `json:"admin"` // the only administrator; SQL logins are off
	// ContainerImage is SQL Server's image by digest, for kind container.
	ContainerImage string `json:"containerImage"`
}

// LongTerm keeps full backups, in ISO 8601 durations such as "P4W".
type LongTerm struct {
	Weekly     string `json:"weekly"`
	Monthly    string `json:"monthly"`
	Yearly     string `json:"yearly"`
	WeekOfYear int    `json:"weekOfYear"`
}

// Principal is a group or user of Entra ID.
type Principal struct {
	Name     string `json:"name"`
	ObjectID string `json:"objectId"`
}

// Cluster describes the Kubernetes cluster.
type Cluster struct {
	Version     string    `json:"version"` // e.g. "1.33"
	System      Pool      `json:"system"`
	User        Pool      `json:"user"`
	AdminGroup  Principal `json:"adminGroup"`
	Maintenance Window    `json:"maintenance"`
}

// Pool is a set of equal nodes.
type Pool struct {
	Size string `json:"size"`
	Min  int    `json:"min"`
	Max  int    `json:"max"`
}

// Window is when the cluster may be upgraded.
type Window struct {
	Day   string `json:"day"`   // e.g. "Sunday"
	Start string `json:"start"` // "HH:MM", UTC
	Hours int    `json:"hours"` // at least 4
}

// Application is the customer's workload, which Lifeboat runs and protects.
type Application struct {
	Name       string            `json:"name"`
	Image      string            `json:"image"` // repository@sha256:…, without a registry
	Port       int               `json:"port"`
	Replicas   int               `json:"replicas"`
	HealthPath string            `json:"healthPath"`
	Env        map[string]string `json:"env"` // no secrets: those are in the vault
}

// Agent is Lifeboat itself in the cluster.
type Agent struct {
	Image            string    `json:"image"`            // repository@sha256:…, without a registry
	SnapshotInterval string    `json:"snapshotInterval"` // at most 24h
	Mirror           string    `json:"mirror"`           // "block" or "degrade": what to do without it
	Schedules        Schedules `json:"schedules"`
	// StandingIdentity: the identities that a failover's database has to know, those of the agent
	// and of the application, are made beforehand, by the standing mirror, and a failover uses
	// them. The agent's, made a member of the group database.admin once, owns every database that
	// a failover makes; a user of the application's, made once in the database that is protected,
	// is in every restore. Else each failover makes its own.
	StandingIdentity bool `json:"standingIdentity,omitempty"`
}

// Schedules are cron expressions, UTC.
type Schedules struct {
	Audit        string `json:"audit"`
	MirrorVerify string `json:"mirrorVerify"`
	RestoreProof string `json:"restoreProof"`
	Preflight    string `json:"preflight"`
	CodeBackup   string `json:"codeBackup"`
}

// Edge is how users find the region that serves.
type Edge struct {
	Zone     string `json:"zone"`     // DNS zone, e.g. "careful.example"
	Record   string `json:"record"`   // the name in it, e.g. "app"
	TTL      int    `json:"ttl"`      // seconds, at most 60
	Interval int    `json:"interval"` // of the health probe: 10 or 30 seconds
}

// Alerts say who is told, and of what.
type Alerts struct {
	Emails          map[string]string `json:"emails"`          // person's name to address
	ExposureSeconds int               `json:"exposureSeconds"` // committed but not durable
	LagSeconds      int               `json:"lagSeconds"`      // mirror behind local
	SnapshotHours   int               `json:"snapshotHours"`   // age of the newest snapshot
	RetentionDays   int               `json:"retentionDays"`   // of the logs
}

// Code is the repository that is backed up.
type Code struct {
	Repository string `json:"repository"` // "owner/name" on GitHub
	Branch     string `json:"branch"`
}

// FailoverRun is what only a failover stack has. Its flags are turned on one after the
// other, each by an `up`: first the region and the database stand, empty; after the
// restore the application is deployed; after that traffic comes.
type FailoverRun struct {
	ID     string `json:"id"`     // 2 to 12 of a-z 0-9, starting with a letter: it starts names
	Drill  bool   `json:"drill"`  // isolated: no traffic, no public name, no capture
	Deploy bool   `json:"deploy"` // run the application and the jobs
	Live   bool   `json:"live"`   // traffic goes here, and the agent captures
	// Mirror is where the agent mirrors to once live: a standing stack made by
	// ForMirror. Without it the agent waits in the configured mode.
	Mirror Half `json:"mirror,omitzero"`
	// RestoreSKU is the size of the database until the application is deployed: more log
	// rate for the restore. "": database.sku from the start.
	RestoreSKU string `json:"restoreSku,omitempty"`
}

// ErrSettings marks settings that cannot be used; the error lists every reason.
var ErrSettings = errors.New("bad settings")

// Parse decodes and checks the JSON of the configuration key. Unknown keys (also those
// that differ from a known one by case), a second value and every problem that Validate
// finds are refused with ErrSettings.
func Parse(text string) (*Settings, error) {
	var loose any
	if err := json.Unmarshal([]byte(text), &loose); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	var p azure.Problems
	compareKeys(&p, "settings", loose, keysOf())
	if err := p.Err(); err != nil {
		return nil, fmt.Errorf("%w:\n%w", ErrSettings, err)
	}
	var s Settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSettings, err)
	}
	if err := s.Validate(); err != nil {
		return nil, err
	}
	return &s, nil
}

// JSON is the canonical text of the settings: the value to give the configuration key.
func (s *Settings) JSON() (string, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return "", fmt.Errorf("encode settings: %w", err)
	}
	return strings.TrimSpace(b.String()), nil
}
