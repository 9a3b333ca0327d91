package config

import "time"

// Version is the version of the file's format that this code reads and writes.
const Version = 1

// File is lifeboat.yaml. The tags doc and example feed docs/configuration.md.
type File struct {
	Version    int        `yaml:"version" doc:"Version of this file's format. Required; a newer one than the program knows is refused."`
	Database   URL        `yaml:"database,omitempty" doc:"The protected database: sqlite:PATH or sqlserver://HOST?database=NAME. Not needed on a machine that only restores." example:"sqlserver://app.database.windows.net?database=app&fedauth=ActiveDirectoryDefault"`
	AllowLost  []string   `yaml:"database_allow_lost,omitempty" doc:"What a SQL Server database may lose in a restore: things that cannot be carried, each named exactly as 'lifeboat doctor' refuses it. Every manifest lists them." example:"[assembly Geo, full-text index dbo.Document]"`
	Primary    Region     `yaml:"primary,omitempty" doc:"The region where the application runs."`
	Mirror     Region     `yaml:"mirror,omitempty" doc:"The other region. It holds storage only: the log and the snapshots."`
	Log        Log        `yaml:"log,omitempty" doc:"The event log."`
	Snapshot   Snapshot   `yaml:"snapshot,omitempty" doc:"Snapshots and how often they are taken."`
	Retention  Retention  `yaml:"retention,omitempty" doc:"How long restore points are kept. Without keep_days nothing is ever removed. The log itself is always kept whole."`
	Encryption Encryption `yaml:"encryption,omitempty" doc:"Encryption on this machine, before anything is stored. Without recipients nothing is encrypted, and a store that holds encrypted objects is refused."`
	Audit      Audit      `yaml:"audit,omitempty" doc:"The comparison of the database with its log."`
	Agent      Agent      `yaml:"agent,omitempty" doc:"The process that drains the database into the log."`
	Restore    Restore    `yaml:"restore,omitempty" doc:"Restores."`
	Failover   Failover   `yaml:"failover,omitempty" doc:"Failovers, drills in the cloud, and failbacks. Files are named relative to the folder of this one."`
}

// Region is one of the two regions.
type Region struct {
	Name     string `yaml:"name,omitempty" doc:"What people call the region; used in messages and reports."`
	Store    URL    `yaml:"store,omitempty" doc:"The region's store: dir:PATH or azblob://ACCOUNT/CONTAINER[/PREFIX]." example:"azblob://bcdrukwest/lifeboat/production"`
	Endpoint string `yaml:"endpoint,omitempty" doc:"Address of the account's blob service, for emulators and private clouds; else it follows from account and cloud. The variable LIFEBOAT_AZURE_ENDPOINT_ACCOUNT goes before it." example:"http://127.0.0.1:10000/account"`
	Cloud    string `yaml:"cloud,omitempty" doc:"Azure cloud of the store: public, usgovernment or china; public when empty."`
	KeyFile  string `yaml:"key_file,omitempty" doc:"File with the storage account's key. Without it, a SAS and their variables LIFEBOAT_AZURE_KEY_ACCOUNT and LIFEBOAT_AZURE_SAS_ACCOUNT (account name in capitals), Entra ID is used, as it should be."`
	SASFile  string `yaml:"sas_file,omitempty" doc:"File with a shared access signature for the container."`
	RootKey  string `yaml:"root_key,omitempty" doc:"Id of the root key that the store's objects must have been encrypted under, as 'lifeboat keys check' shows it. Pin it, so that nobody can plant a key of theirs."`
}

// Encryption says for whom objects are encrypted, and what opens them here.
type Encryption struct {
	AgeRecipients []string `yaml:"age_recipients,omitempty" doc:"Public age keys (age1…) that every data key is wrapped for. Keep the secret half offline: it opens the store when the key vault is lost." example:"[age1…]"`
	VaultKeys     []string `yaml:"vault_keys,omitempty" doc:"Azure Key Vault keys that every data key is wrapped for, and that open it here. One in each region is best." example:"[https://VAULT.vault.azure.net/keys/NAME]"`
	IdentityFile  string   `yaml:"identity_file,omitempty" doc:"File with secret age keys that open data keys here; for a machine without a key vault, or when it is lost."`
}

// Configured tells whether anything is to be encrypted, or opened.
func (e Encryption) Configured() bool {
	return len(e.AgeRecipients)+len(e.VaultKeys) > 0 || e.IdentityFile != ""
}

// OnMirrorLoss says what the log's writer does while the mirror cannot be reached.
type OnMirrorLoss string

// The two answers to a mirror that cannot be reached.
const (
	Block   OnMirrorLoss = "block"
	Degrade OnMirrorLoss = "degrade"
)

// Log configures the event log's writer.
type Log struct {
	OnMirrorLoss    OnMirrorLoss  `yaml:"on_mirror_loss,omitempty" doc:"While the mirror cannot be reached: 'block' acknowledges nothing; 'degrade' goes on with the primary's store alone, writes that into the log and raises an alert."`
	DrainInterval   time.Duration `yaml:"drain_interval,omitempty" doc:"Longest pause between two drains of the database when nobody waits at a barrier (10ms to 1m)."`
	CompactInterval time.Duration `yaml:"compact_interval,omitempty" doc:"Time between two compactions by the agent: small segments are joined into packs, so that a restore reads few objects (1m to 168h)."`
	KeepSegments    time.Duration `yaml:"keep_segments,omitempty" doc:"How long a segment also stays an object of its own once a pack holds it; then it is deleted, if the pack reads back whole and the store allows it (0s to 87600h)."`
}

// Retention says what is kept. Days are 24 hours, months and years those of the calendar in UTC.
type Retention struct {
	KeepDays int `yaml:"keep_days,omitempty" doc:"Every restore point of the last so many days is kept (0 to 36500); 0: every one, for ever."`
	Monthly  int `yaml:"monthly,omitempty" doc:"Besides, the newest snapshot of each of the last so many months, the current one included."`
	Yearly   int `yaml:"yearly,omitempty" doc:"Besides, the newest snapshot of each of the last so many years, the current one included."`
}

// Snapshot configures the snapshots that the agent takes.
type Snapshot struct {
	MaxInterval  time.Duration `yaml:"max_interval,omitempty" doc:"Longest time between two snapshots (1m to 24h). More load makes the interval shorter, never longer."`
	MinInterval  time.Duration `yaml:"min_interval,omitempty" doc:"Shortest time between two snapshots, however heavy the load."`
	ReplayBudget Size          `yaml:"replay_budget,omitempty" doc:"Size of log after the newest snapshot that a restore should not have to read past; reaching it takes a snapshot."`
	ReplayTime   time.Duration `yaml:"replay_time,omitempty" doc:"Time that a restore should spend on the log after the newest snapshot at most (1s to 1h). Once a restore was measured, its rate turns this into a replay budget; the smaller of the two holds."`
	MaxDeltas    int           `yaml:"max_deltas,omitempty" doc:"Incremental snapshots on one base before they are rolled forward into a new base (1 to 100); sooner when they come to half of their base."`
}

// Audit configures the audit.
type Audit struct {
	Interval time.Duration `yaml:"interval,omitempty" doc:"Time between two full comparisons of the database with its log (10m to 168h)."`
}

// Agent configures the agent's process.
type Agent struct {
	Listen          string        `yaml:"listen,omitempty" doc:"Address of the HTTP interface: barrier, frontier, health, metrics. It has no authentication: keep it on loopback or behind something that has." example:"127.0.0.1:7117"`
	BarrierTimeout  time.Duration `yaml:"barrier_timeout,omitempty" doc:"How long a barrier waits when the caller does not say (up to 1m)."`
	ShutdownTimeout time.Duration `yaml:"shutdown_timeout,omitempty" doc:"How long a stopping agent may take to make durable what is committed."`
}

// Restore configures restores.
type Restore struct {
	Memory  Size   `yaml:"memory,omitempty" doc:"Memory that a restore may use (64MiB to 64GiB), beside the program's own code, which the system can drop and read again; net changes beyond it spill to disk."`
	Scratch string `yaml:"scratch,omitempty" doc:"Folder for what spills; the system's temporary folder when empty."`
}

// Defaults is a File with every default in place and nothing that must be given.
func Defaults() File {
	return File{
		Version:  Version,
		Primary:  Region{Name: "primary"},
		Mirror:   Region{Name: "mirror"},
		Log:      Log{OnMirrorLoss: Block, DrainInterval: 100 * time.Millisecond, CompactInterval: time.Hour, KeepSegments: 48 * time.Hour},
		Snapshot: Snapshot{MaxInterval: 24 * time.Hour, MinInterval: time.Minute, ReplayBudget: 32 << 20, ReplayTime: 10 * time.Second, MaxDeltas: 48},
		Audit:    Audit{Interval: 24 * time.Hour},
		Agent:    Agent{Listen: "127.0.0.1:7117", BarrierTimeout: 2 * time.Second, ShutdownTimeout: 15 * time.Second},
		Restore:  Restore{Memory: 512 << 20},
		Failover: Failover{
			Project: ".", Committee: "committee.yaml", PlanValidity: 4 * time.Hour, StaleLimit: 15 * time.Minute,
			RPO: time.Minute, RTO: 4 * time.Hour, NewMirror: Region{Name: "new mirror"}, Restore: FailoverRestore{Where: AutoRestore, Namespace: "lifeboat", Account: "agent", Scratch: 64 << 30},
		},
	}
}
