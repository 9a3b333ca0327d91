package config

import "time"

// Failover configures plans and runs. Who has to sign is in the committee's file.
//
// Files are named relative to the folder of this file.
type Failover struct {
	StackFile    string        `yaml:"stack_file,omitempty" doc:"Stack configuration whose settings the new stack is derived from. Empty: there is no stack, and target says which database is filled." example:"Pulumi.primary.yaml"`
	Project      string        `yaml:"project,omitempty" doc:"Folder of the Pulumi project."`
	Backend      URL           `yaml:"backend,omitempty" doc:"Where the state of failover stacks is kept, as for 'pulumi login'. It has to be in the mirror's region." example:"azblob://state?storage_account=bcdrukwest"`
	Committee    string        `yaml:"committee,omitempty" doc:"File with the people, the quorum and the allowed_signers file that say who may approve a plan."`
	PlanValidity time.Duration `yaml:"plan_validity,omitempty" doc:"How long a plan may be run after it was made (1m to 168h)."`
	StaleLimit   time.Duration `yaml:"stale_limit,omitempty" doc:"How far the mirror's newest commit may be behind the loss of the primary before a plan is refused (up to 24h); 0s: no limit."`
	RPO          time.Duration `yaml:"rpo,omitempty" doc:"Target for the commits that may be lost, in time (up to 24h). Shown beside what is predicted and measured."`
	RTO          time.Duration `yaml:"rto,omitempty" doc:"Target for the time until the service is back (1s to 8h). The restore is given a database large enough to meet it."`
	RestoreSKU   string        `yaml:"restore_sku,omitempty" doc:"Size of the database until the application is deployed, of the same tier as the stack's. Empty: as the budget proposes, and in a drill the stack's own." example:"GP_Gen5_16"`
	Target       URL           `yaml:"target,omitempty" doc:"The database that a run fills where no stack makes one, or instead of the stack's: sqlite:PATH. {stack} stands for the stack's name. Only this machine needs to reach it." example:"sqlite:/srv/app/restored.sqlite"`
	NewMirror    Region        `yaml:"new_mirror,omitempty" doc:"The store that the serving region mirrors to after a failover: a third place, or the old primary's region once it is back."`
	EdgeHost     string        `yaml:"edge_host,omitempty" doc:"Public name that users come by. Its time to live is checked and is part of the forecast. Empty: as the stack's settings say." example:"app.careful.example"`
	// Left out of JSON while it says nothing: plans are signed with a digest of it.
	Restore FailoverRestore `yaml:"restore,omitempty" json:",omitzero" doc:"Where a run restores."`
	Probe   Probe           `yaml:"probe,omitempty" doc:"How a run finds out that users are served again."`
}
