package engine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"

	"lifeboat/policies"
	"lifeboat/policies/preview"
	"lifeboat/policies/project"
)

// Name is the pack's name, as the engine shows it.
const Name = "lifeboat"

// Config is what the pack is started with.
type Config struct {
	Version string // of the pack
	Rules   []policies.Rule
	Project *project.Project // settings, waivers, facts
	Backend string           // of the state; empty: unknown
	Clock   func() time.Time // nil: time.Now
}

// Server is a policy pack. One server judges one stack; it is safe for concurrent calls.
type Server struct {
	pulumirpc.UnimplementedAnalyzerServer
	cfg Config

	mu        sync.Mutex
	stack     string
	resources map[string]policies.Resource // by URN: the inputs, as Analyze showed them
}

// New returns a server of the rules.
func New(cfg Config) *Server {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	return &Server{cfg: cfg, resources: make(map[string]policies.Resource)}
}

// Handshake implements pulumirpc.AnalyzerServer; there is nothing to agree on.
func (s *Server) Handshake(context.Context, *pulumirpc.AnalyzerHandshakeRequest) (*pulumirpc.AnalyzerHandshakeResponse, error) {
	return &pulumirpc.AnalyzerHandshakeResponse{}, nil
}

// GetPluginInfo implements pulumirpc.AnalyzerServer.
func (s *Server) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: s.cfg.Version}, nil
}

// GetAnalyzerInfo lists the rules.
func (s *Server) GetAnalyzerInfo(context.Context, *emptypb.Empty) (*pulumirpc.AnalyzerInfo, error) {
	info := &pulumirpc.AnalyzerInfo{
		Name: Name, DisplayName: "Lifeboat", Version: s.cfg.Version,
		Description: "Disaster recovery is not weakened by a change of the stacks.",
	}
	for _, r := range s.cfg.Rules {
		info.Policies = append(info.Policies, &pulumirpc.PolicyInfo{
			Name: r.ID, DisplayName: r.Title, Description: r.Title, Message: r.Fix, EnforcementLevel: level(r, policies.Fail),
		})
	}
	return info, nil
}

// Configure implements pulumirpc.AnalyzerServer. The rules take no configuration: what
// may be different is said by a waiver.
func (s *Server) Configure(context.Context, *pulumirpc.ConfigureAnalyzerRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// ConfigureStack learns the stack's name.
func (s *Server) ConfigureStack(_ context.Context, req *pulumirpc.AnalyzerStackConfigureRequest) (*pulumirpc.AnalyzerStackConfigureResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stack = req.GetStack()
	clear(s.resources)
	return &pulumirpc.AnalyzerStackConfigureResponse{}, nil
}

// Analyze notes one resource's inputs; the verdict is on the stack as a whole.
func (s *Server) Analyze(_ context.Context, req *pulumirpc.AnalyzeRequest) (*pulumirpc.AnalyzeResponse, error) {
	r := policies.Resource{
		URN: req.GetUrn(), Type: preview.PlainType(req.GetType()), Name: req.GetName(),
		Inputs: preview.PlainInputs(req.GetProperties().AsMap()), Protect: req.GetOptions().GetProtect(),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resources[r.URN] = r
	return &pulumirpc.AnalyzeResponse{}, nil
}

// Remediate implements pulumirpc.AnalyzerServer: the rules judge and never rewrite.
func (s *Server) Remediate(context.Context, *pulumirpc.AnalyzeRequest) (*pulumirpc.RemediateResponse, error) {
	return &pulumirpc.RemediateResponse{}, nil
}

// Cancel implements pulumirpc.AnalyzerServer: an analysis takes milliseconds.
func (s *Server) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// AnalyzeStack judges the stack.
func (s *Server) AnalyzeStack(_ context.Context, req *pulumirpc.AnalyzeStackRequest) (*pulumirpc.AnalyzeResponse, error) {
	stack, err := s.gather(req.GetResources())
	if err != nil {
		return nil, err
	}
	response := new(pulumirpc.AnalyzeResponse)
	for _, result := range policies.Evaluate(s.cfg.Rules, stack, s.cfg.Project.Waivers) {
		for _, f := range result.Findings {
			response.Diagnostics = append(response.Diagnostics, &pulumirpc.AnalyzeDiagnostic{
				PolicyName: result.Rule.ID, PolicyPackName: Name, PolicyPackVersion: s.cfg.Version,
				Description: result.Rule.Title, Message: fmt.Sprintf("%s: %s. %s", f.Outcome, f.Message, result.Rule.Fix),
				EnforcementLevel: level(result.Rule, f.Outcome), Urn: f.Resource,
			})
		}
	}
	return response, nil
}

// level: only what is known to be wrong stops an update; what is unknown in a preview is
// shown, and judged again when it is known.
func level(r policies.Rule, o policies.Outcome) pulumirpc.EnforcementLevel {
	if r.Severity == policies.Error && o == policies.Fail {
		return pulumirpc.EnforcementLevel_MANDATORY
	}
	return pulumirpc.EnforcementLevel_ADVISORY
}

// gather joins the inputs that were noted with what only the whole stack shows.
func (s *Server) gather(whole []*pulumirpc.AnalyzerResource) (*policies.Stack, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range whole {
		if _, seen := s.resources[r.GetUrn()]; seen {
			continue
		}
		s.resources[r.GetUrn()] = policies.Resource{
			URN: r.GetUrn(), Type: preview.PlainType(r.GetType()), Name: r.GetName(),
			Inputs: preview.PlainInputs(r.GetProperties().AsMap()), Protect: r.GetOptions().GetProtect(),
		}
	}
	name := s.stack
	if name == "" {
		name = preview.StackOf(slices.Sorted(maps.Keys(s.resources)))
	}
	role, ok := policies.RoleOf(name)
	if !ok {
		return nil, fmt.Errorf("stack %q is none of primary, dr, failover-ID: the rules do not know what it must hold", name)
	}
	stack := &policies.Stack{Name: name, Role: role, Now: s.cfg.Clock().UTC(), Backend: s.cfg.Backend}
	if err := s.cfg.Project.Complete(stack); err != nil {
		return nil, err
	}
	for _, urn := range slices.Sorted(maps.Keys(s.resources)) {
		stack.Resources = append(stack.Resources, s.resources[urn])
	}
	return stack, nil
}
