package workloads

import (
	"slices"

	core "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"lifeboat/infra"
	"lifeboat/infra/azure"
)

// Namespace is Lifeboat's own.
const Namespace = "lifeboat"

// The service accounts of Namespace; each is an identity of the same name.
const (
	AgentAccount = "agent" // reads the database, writes both stores
	ProofAccount = "proof" // reads both stores, and marks in the mirror how a proof went
	CodeAccount  = "code"  // writes git bundles
)

// Args describe what runs.
type Args struct {
	Scope     infra.Scope
	Cluster   pulumi.Resource               // its objects go with it when it is disposable
	ClientIDs map[string]pulumi.StringInput // account to identity
	Registry  string                        // host of the images
	Agent     Agent
	App       App
	Database  Container // used when its image is set
}

// Agent describes Lifeboat's own pods.
type Agent struct {
	Image     string // repository@sha256:…
	Run       bool   // capture: the agent and its standby
	Jobs      bool   // the nightly proofs
	Config    pulumi.StringInput
	CodeStore string            // URL of the store with the code's backups
	Schedules map[string]string // job to cron expression
}

// App describes the customer's application.
type App struct {
	Name       string
	Image      string
	Run        bool
	Port       int
	Replicas   int
	HealthPath string
	Env        map[string]string
	Label      string // public DNS label of its load balancer; empty for none
	Database   pulumi.StringInput
	Vault      string // where its own secrets are
}

// Container describes SQL Server as a StatefulSet.
type Container struct {
	Image    string             // registry/repository@sha256:…
	SizeGiB  int                // of its volume
	Password pulumi.StringInput // of sa, a secret
}

// Workloads is the component.
type Workloads struct {
	pulumi.ResourceState

	args    *Args
	options []pulumi.ResourceOption // of every object
	before  []pulumi.Resource       // what must be there before a pod is
}

// Validate reports every problem of the arguments at once.
func (a *Args) Validate() error {
	var p azure.Problems
	a.Scope.Check(&p)
	if a.Registry == "" || a.Agent.Image == "" || a.App.Image == "" {
		p.Addf("images", "registry, agent image and application image are needed")
	}
	if a.App.Name == "" || a.App.Name == Namespace {
		p.Addf("app.name", "%q cannot be the application's namespace", a.App.Name)
	}
	if a.App.Run && a.App.Replicas < 2 {
		p.Addf("app.replicas", "%d is under the 2 that survive a node", a.App.Replicas)
	}
	for _, account := range []string{AgentAccount, ProofAccount, CodeAccount, a.App.Name} {
		if a.ClientIDs[account] == nil {
			p.Addf("clientIds."+account, "is missing: the pod would have no identity")
		}
	}
	for _, j := range Jobs() {
		if a.Agent.Schedules[j] == "" {
			p.Addf("agent.schedules."+j, "is missing")
		}
	}
	if a.Agent.Jobs && a.Agent.CodeStore == "" {
		p.Addf("agent.codeStore", "is missing: the nightly check of the code's backup needs it")
	}
	if a.Agent.Config == nil || a.App.Database == nil {
		p.Addf("config", "the agent's configuration and the database's address are needed")
	}
	if a.Database.Image != "" && a.Database.Password == nil {
		p.Addf("database.password", "is missing: set the encrypted key lifeboat:sqlPassword")
	}
	return p.Err()
}

// New makes everything that runs.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Workloads, error) {
	w := &Workloads{args: args}
	if err := infra.Begin(ctx, w, "Workloads", name, args.Validate(), opts); err != nil {
		return nil, err
	}
	w.options = []pulumi.ResourceOption{pulumi.Parent(w)}
	if args.Cluster != nil {
		// A cluster that is deleted takes its objects along: asking a cluster that is
		// going, or gone with its region, to delete them first would hang the teardown.
		w.options = append(w.options, pulumi.DeletedWith(args.Cluster))
	}
	spaces := make(map[string]*core.Namespace)
	for _, space := range []string{Namespace, args.App.Name} {
		made, err := w.namespace(ctx, space)
		if err != nil {
			return nil, err
		}
		spaces[space] = made
	}
	if err := w.ground(ctx, spaces[args.App.Name]); err != nil {
		return nil, err
	}
	steps := []func(*pulumi.Context, *core.Namespace) error{w.policies, w.accounts, w.config}
	if args.Agent.Run {
		steps = append(steps, w.agent)
	}
	if args.Agent.Jobs {
		steps = append(steps, w.cronJobs)
	}
	if args.Database.Image != "" {
		steps = append(steps, w.database)
	}
	for _, step := range steps {
		if err := step(ctx, spaces[Namespace]); err != nil {
			return nil, err
		}
	}
	if args.App.Run {
		if err := w.application(ctx, spaces[args.App.Name]); err != nil {
			return nil, err
		}
	}
	return w, ctx.RegisterResourceOutputs(w, pulumi.Map{"namespace": pulumi.String(Namespace)})
}

// add notes what pods must wait for: without its account a pod is refused, and without
// the policies it would for a moment be open to all.
func (w *Workloads) add(r pulumi.Resource, err error) error {
	if err == nil {
		w.before = append(w.before, r)
	}
	return err
}

// running are the options of what has pods.
func (w *Workloads) running() []pulumi.ResourceOption {
	return append(slices.Clone(w.options), pulumi.DependsOn(w.before))
}

// image is an image in the region's registry.
func (w *Workloads) image(repository string) pulumi.String {
	return pulumi.String(w.args.Registry + "/" + repository)
}
