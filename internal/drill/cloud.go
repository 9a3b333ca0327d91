package drill

import (
	"context"
	"fmt"
	"strings"
)

// Steps of a drill that has a Cloud.
const (
	stepStand     = "bring the standing mirror's stack up"
	stepProvision = "provision"
	stepDestroy   = "destroy the stack"
)

// Region is what came of the Cloud.
type Region struct {
	Title     string   `json:"title,omitempty"`
	Resources int      `json:"resources"`         // made for the fresh region
	Left      []string `json:"left,omitempty"`    // of it after the teardown
	Skipped   string   `json:"skipped,omitempty"` // why nothing was provisioned
}

func (s *scene) stand(ctx context.Context) error { return s.cfg.Cloud.Stand(ctx) }

// provision makes the region that takes over. In earnest the database would be in it; here
// the standby plays that part.
func (s *scene) provision(ctx context.Context) error {
	n, err := s.cfg.Cloud.Up(ctx)
	s.result.Region = &Region{Title: s.cfg.Cloud.Title(), Resources: n}
	return err
}

// tearDown removes the region. What it leaves is a claim that fails, not an error: the
// report must say so.
func (s *scene) tearDown(ctx context.Context) error {
	if s.cfg.Cloud == nil {
		if s.cfg.NoCloud != "" {
			s.result.Region = &Region{Skipped: s.cfg.NoCloud}
		}
		return nil
	}
	r := s.result.Region
	err := s.step(stepDestroy, false, func() (err error) {
		r.Left, err = s.cfg.Cloud.Down(ctx)
		return err
	})
	found := fmt.Sprintf("%d resources made, %d left", r.Resources, len(r.Left))
	if len(r.Left) > 0 {
		found += ": " + strings.Join(r.Left, ", ")
	}
	s.claim("A fresh region was made, and its teardown left nothing", r.Title, r.Resources > 0 && len(r.Left) == 0, found)
	return err
}
