package provision

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optdestroy"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optup"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"

	"lifeboat/stacks/outputs"
	"lifeboat/stacks/program"
	"lifeboat/stacks/settings"
)

// Errors a caller may test for with errors.Is.
var (
	// ErrNoCLI: the Pulumi command is not on this machine, or too old.
	ErrNoCLI = errors.New("the pulumi command cannot be used")
	// ErrLocked: another update of this stack is under way, or its machine died in one.
	ErrLocked = errors.New("the stack is locked by another update")
	// ErrLeft: a teardown left something behind.
	ErrLeft = errors.New("the teardown left something behind")
)

// MinCLI is the oldest Pulumi command that is known to work: the one the tests run.
const MinCLI = "3.259.0"

// Config says which stack, and where its state is.
type Config struct {
	Settings *settings.Settings   // of any stack of the pair
	Run      settings.FailoverRun // its id, whether it is a drill, and the new mirror
	// Standing is the DR half's standing stack instead of a run's: it has no phases, and
	// Run is not read.
	Standing bool
	Backend  string // URL for the state, in the region that takes over; holds no secret
	// Root is the folder whose bin/ has the pulumi command; "": it is on the PATH.
	Root string
	// Home is the command's own folder; "": its default.
	Home string
	// Env is added to the command's environment: passphrase of the state, credentials.
	Env map[string]string
	// SecretsProvider encrypts the stack's secrets, as for `pulumi stack init`; "": a
	// passphrase, which Env holds.
	SecretsProvider string
	// Secrets are further keys of the program's configuration, kept encrypted.
	Secrets map[string]string
	// BreakLock removes a lock that another update left: only when its machine is known
	// to be dead.
	BreakLock bool
	// Inventory lists what the cloud holds of this stack, by id; nil: only the engine's
	// own state is looked at after a teardown.
	Inventory func(ctx context.Context, stack string) ([]string, error)
}

// Phase is how far a stack is up. Live asks for Deploy. Mirrored gives its agent Run.Mirror,
// which may be in the region that was lost: so it comes last, and nothing waits for it.
type Phase struct{ Deploy, Live, Mirrored bool }

// has reports whether a stack in phase q is at p or beyond.
func (q Phase) has(p Phase) bool {
	return (q.Deploy || !p.Deploy) && (q.Live || !p.Live) && (q.Mirrored || !p.Mirrored)
}

// Stack is one stack. Its methods may be called one after the other.
type Stack struct {
	cfg     Config
	name    string
	work    string // folder of the workspace, ours to remove
	options []auto.LocalWorkspaceOption
	command auto.PulumiCommand
	env     []string // of the command, NAME=VALUE
}

// New prepares to work on the stack and touches neither cloud nor backend. Close it.
func New(cfg Config) (*Stack, error) {
	s := &Stack{cfg: cfg}
	first, err := s.settings(Phase{})
	if err != nil {
		return nil, err
	}
	if cfg.Run.Mirror != (settings.Half{}) { // what is wrong with it is told before anything is made
		if _, err := s.settings(Phase{Deploy: true, Live: true, Mirrored: true}); err != nil {
			return nil, err
		}
	}
	command, err := auto.NewPulumiCommand(&auto.PulumiCommandOptions{Root: cfg.Root, Version: semver.MustParse(MinCLI)})
	if err != nil {
		return nil, fmt.Errorf("%w: %w; install release %s or later (https://www.pulumi.com/docs/install/) or unpack the kit", ErrNoCLI, err, MinCLI)
	}
	if s.work, err = os.MkdirTemp("", "lifeboat-stack-"); err != nil {
		return nil, fmt.Errorf("folder for the stack's workspace: %w", err)
	}
	s.name, s.command = first.StackName(), command
	env := map[string]string{"PULUMI_BACKEND_URL": cfg.Backend, "PULUMI_SKIP_UPDATE_CHECK": "true"}
	maps.Copy(env, cfg.Env)
	s.options = []auto.LocalWorkspaceOption{
		auto.Pulumi(command), auto.EnvVars(env), auto.WorkDir(s.work),
		auto.Project(workspace.Project{
			Name: tokens.PackageName(program.Namespace), Runtime: workspace.NewProjectRuntimeInfo("go", nil),
			Backend: &workspace.ProjectBackend{URL: cfg.Backend},
		}),
	}
	if cfg.Home != "" {
		s.options = append(s.options, auto.PulumiHome(cfg.Home))
		s.env = append(s.env, "PULUMI_HOME="+cfg.Home)
	}
	for name, value := range env {
		s.env = append(s.env, name+"="+value)
	}
	if cfg.SecretsProvider != "" {
		s.options = append(s.options, auto.SecretsProvider(cfg.SecretsProvider))
	}
	return s, nil
}

// Name is the stack's name.
func (s *Stack) Name() string { return s.name }

// Close removes what the stack's workspace left on this machine.
func (s *Stack) Close() error { return os.RemoveAll(s.work) }

// settings are those of a phase.
func (s *Stack) settings(p Phase) (*settings.Settings, error) {
	if s.cfg.Standing {
		return s.cfg.Settings.ForRole(settings.DR)
	}
	run := s.cfg.Run
	run.Deploy, run.Live = p.Deploy, p.Live
	if !p.Mirrored {
		run.Mirror = settings.Half{}
	}
	return s.cfg.Settings.ForFailover(run)
}

func (s *Stack) config(p Phase) (auto.ConfigMap, error) {
	want, err := s.settings(p)
	if err != nil {
		return nil, err
	}
	text, err := want.JSON()
	if err != nil {
		return nil, err
	}
	config := auto.ConfigMap{
		program.Namespace + ":" + program.SettingsKey: {Value: text},
		"azure-native:subscriptionId":                 {Value: want.Subscription},
		"azure-native:tenantId":                       {Value: want.Tenant},
	}
	for key, value := range s.cfg.Secrets {
		config[program.Namespace+":"+key] = auto.ConfigValue{Value: value, Secret: true}
	}
	return config, nil
}

// open selects the stack; ok is false if the backend does not have it.
func (s *Stack) open(ctx context.Context) (stack auto.Stack, ok bool, err error) {
	stack, err = auto.SelectStackInlineSource(ctx, s.name, program.Namespace, program.Run, s.options...)
	if auto.IsSelectStack404Error(err) {
		return stack, false, nil
	}
	if err != nil {
		return stack, false, fmt.Errorf("open stack %s in %s: %w", s.name, s.cfg.Backend, err)
	}
	return stack, true, nil
}

// Up brings the stack to a phase. What is there already stays; a stack that is beyond the
// phase must not be asked for it: see At.
func (s *Stack) Up(ctx context.Context, p Phase, say func(string)) (*outputs.Outputs, error) {
	config, err := s.config(p)
	if err != nil {
		return nil, err
	}
	stack, err := auto.UpsertStackInlineSource(ctx, s.name, program.Namespace, program.Run, s.options...)
	if err != nil {
		return nil, fmt.Errorf("open stack %s in %s: %w", s.name, s.cfg.Backend, err)
	}
	if err := stack.SetAllConfig(ctx, config); err != nil {
		return nil, fmt.Errorf("configure stack %s: %w", s.name, err)
	}
	var result auto.UpResult
	err = s.update(ctx, &stack, say, func(heard chan<- events.EngineEvent) (err error) {
		result, err = stack.Up(ctx, optup.SuppressProgress(), optup.EventStreams(heard))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("bring stack %s up: %w", s.name, err)
	}
	return decode(result.Outputs)
}

// update does an update whose events go to say. What an earlier one left open is settled
// before, and what this one failed to create, after: the cloud may have made it all the
// same, and the answer was lost.
func (s *Stack) update(ctx context.Context, stack *auto.Stack, say func(string), do func(chan<- events.EngineEvent) error) error {
	return s.unlocked(ctx, stack, func() error {
		if err := s.adopt(ctx, stack, say, nil); err != nil {
			return err
		}
		n := &narrator{say: say}
		err := do(n.listen())
		n.wait()
		if err == nil || len(n.failed) == 0 || ctx.Err() != nil {
			return err
		}
		if missed := s.adopt(ctx, stack, say, n.failed); missed != nil {
			err = fmt.Errorf("%w; whether it was made all the same could not be looked up: %w", err, missed)
		}
		return err
	})
}

// unlocked does an update, and once more if a dead machine's lock was in the way.
func (s *Stack) unlocked(ctx context.Context, stack *auto.Stack, update func() error) error {
	err := update()
	if !isLocked(err) {
		return err
	}
	if !s.cfg.BreakLock {
		return fmt.Errorf("%w (%w); if the machine that holds it is dead, resume with --take-over", ErrLocked, err)
	}
	if cerr := stack.Cancel(ctx); cerr != nil {
		return errors.Join(err, fmt.Errorf("break the lock: %w", cerr))
	}
	return update()
}

func decode(found auto.OutputMap) (*outputs.Outputs, error) {
	values := make(map[string]any, len(found))
	for name, v := range found {
		values[name] = v.Value
	}
	return outputs.Decode(values)
}

// historyPage is how many updates are looked at: those of one run are few.
const historyPage = 20

// At reports whether the last update of the stack succeeded and brought it to the phase or
// beyond, with these settings.
func (s *Stack) At(ctx context.Context, p Phase) (*outputs.Outputs, bool, error) {
	stack, ok, err := s.open(ctx)
	if err != nil || !ok {
		return nil, false, err
	}
	history, err := stack.History(ctx, historyPage, 1)
	if err != nil {
		return nil, false, fmt.Errorf("history of stack %s: %w", s.name, err)
	}
	i := slices.IndexFunc(history, func(u auto.UpdateSummary) bool { return u.Kind == "update" || u.Kind == "destroy" })
	if i < 0 || history[i].Kind != "update" || history[i].Result != "succeeded" {
		return nil, false, nil
	}
	at, same := s.phaseOf(history[i].Config[program.Namespace+":"+program.SettingsKey].Value)
	if !same || !at.has(p) {
		return nil, false, nil
	}
	found, err := stack.Outputs(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("outputs of stack %s: %w", s.name, err)
	}
	out, err := decode(found)
	return out, err == nil, err
}

// phaseOf reads the settings of an update: same if they are ours but for the phase.
func (s *Stack) phaseOf(text string) (at Phase, same bool) {
	was, err := settings.Parse(text)
	if err != nil {
		return at, false // an older program's: whatever it did is to be done again
	}
	at = Phase{was.Failover.Deploy, was.Failover.Live, was.Failover.Mirror != settings.Half{}}
	want, err := s.config(at)
	return at, err == nil && want[program.Namespace+":"+program.SettingsKey].Value == text
}

// Destroy removes everything the stack made, then the stack. ErrLeft names what is left in
// the cloud all the same.
func (s *Stack) Destroy(ctx context.Context, say func(string)) ([]string, error) {
	stack, ok, err := s.open(ctx)
	if err != nil {
		return nil, err
	}
	if ok {
		err := s.update(ctx, &stack, say, func(heard chan<- events.EngineEvent) error {
			_, err := stack.Destroy(ctx, optdestroy.SuppressProgress(), optdestroy.EventStreams(heard))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("destroy stack %s: %w", s.name, err)
		}
		if err := stack.Workspace().RemoveStack(ctx, s.name); err != nil {
			return nil, fmt.Errorf("remove the state of stack %s: %w", s.name, err)
		}
	}
	left, err := s.left(ctx)
	if err == nil && len(left) > 0 {
		err = fmt.Errorf("%w: stack %s: %v", ErrLeft, s.name, left)
	}
	return left, err
}

// Gone reports whether the backend has no such stack, and what the cloud still holds of it.
func (s *Stack) Gone(ctx context.Context) (left []string, gone bool, err error) {
	_, ok, err := s.open(ctx)
	if err != nil || ok {
		return nil, false, err
	}
	left, err = s.left(ctx)
	return left, err == nil && len(left) == 0, err
}

func (s *Stack) left(ctx context.Context) ([]string, error) {
	if s.cfg.Inventory == nil {
		return nil, nil
	}
	left, err := s.cfg.Inventory(ctx, s.name)
	if err != nil {
		return nil, fmt.Errorf("list what the cloud holds of stack %s: %w", s.name, err)
	}
	return left, nil
}
