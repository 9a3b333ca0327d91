package failover

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lifeboat/internal/blob"
)

const plans = "plans/" // plans/<id>, in the DR store

// ErrNoPlan: the store keeps no plan of that id.
var ErrNoPlan = errors.New("no such plan")

// Keep stores the plan under its id, where any machine finds it. On nil it is durable. The
// same plan again is nil; another one under the id is blob.ErrExists.
func Keep(ctx context.Context, store blob.Store, p *Plan) error {
	text, err := p.Encode()
	if err != nil {
		return err
	}
	if err := store.Create(ctx, plans+p.ID, text); err != nil {
		return fmt.Errorf("keep plan %s: %w", p.ID, err)
	}
	return nil
}

// Kept reads the plan of an id, or ErrNoPlan.
func Kept(ctx context.Context, store blob.Store, id string) (*Plan, error) {
	if err := CheckID(id); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoPlan, err)
	}
	text, err := blob.ReadAll(ctx, store, plans+id, maxPlan)
	if errors.Is(err, blob.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s: 'lifeboat failover show' lists those that there are", ErrNoPlan, id)
	}
	if err != nil {
		return nil, err
	}
	p, err := Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s%s: %w", plans, id, err)
	}
	if p.ID != id {
		return nil, fmt.Errorf("%s%s: %w: it says that it is plan %s", plans, id, ErrCorrupt, p.ID)
	}
	return p, nil
}

// Listed is a plan as List finds it.
type Listed struct {
	ID   string    `json:"id"`
	Kept time.Time `json:"kept"` // the store's clock
}

// List names the plans of a store.
func List(ctx context.Context, store blob.Store) ([]Listed, error) {
	found := []Listed{}
	for info, err := range store.List(ctx, plans, "") {
		if err != nil {
			return nil, fmt.Errorf("list plans: %w", err)
		}
		found = append(found, Listed{ID: info.Name[len(plans):], Kept: info.Created})
	}
	return found, nil
}
