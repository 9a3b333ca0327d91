package restore

import (
	"context"
	"errors"
	"fmt"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
)

// Prepare surveys a store and plans a restore to the target, from the newest snapshot of
// which no object is missing. If there is no plan it reads the whole log, so that the
// *WindowError names the nearest provable points. The inventory is what it read.
//
// Bytes are read by Run alone: when that ends with a *DamageError, prepare again without
// the snapshots that need the object (see snapshot.Verify, or the plan's own).
func Prepare(ctx context.Context, store blob.Store, target Target, without ...eventlog.Digest) (*Plan, *Inventory, error) {
	s, err := newSurveyor(ctx, store)
	if err != nil {
		return nil, nil, err
	}
	for _, d := range without {
		s.inv.Unusable[d] = "left out on request"
	}
	for {
		if err := s.follow(ctx, target); err != nil {
			return nil, nil, err
		}
		plan, err := NewPlan(s.inv, target)
		if errors.Is(err, ErrOutsideWindow) {
			if err := s.followAll(ctx); err != nil {
				return nil, nil, err
			}
			plan, err = NewPlan(s.inv, target)
		}
		if err != nil {
			return nil, s.inv, err
		}
		whole, err := s.check(ctx, plan.Snapshots)
		if err != nil {
			return nil, nil, err
		}
		if whole {
			return plan, s.inv, nil
		}
	}
}

// MarkMissing looks for every object of the inventory's snapshots in the store, by name
// and size, and marks the snapshots that lack one as unusable. Contents are not read:
// that is what snapshot.Verify is for.
func MarkMissing(ctx context.Context, store blob.Store, inv *Inventory) error {
	codec, err := NewCodec(1)
	if err != nil {
		return err
	}
	s := &surveyor{codec: codec, store: store, inv: inv}
	_, err = s.check(ctx, inv.Snapshots)
	return err
}

// check tells whether nothing is missing of the snapshots, and marks those that lack
// something.
func (s *surveyor) check(ctx context.Context, snapshots []Snapshot) (whole bool, err error) {
	whole = true
	needed := make(map[eventlog.Digest]int64)
	owners := make(map[eventlog.Digest][]Snapshot)
	for _, snapshot := range snapshots {
		refs, err := s.codec.Objects(ctx, s.store, snapshot.Manifest)
		var damage *DamageError
		if errors.As(err, &damage) {
			s.unusable(snapshot, damage.Object, err.Error())
			whole = false
			continue
		}
		if err != nil {
			return false, err
		}
		for _, ref := range refs {
			needed[ref.Digest] = ref.Size
			owners[ref.Digest] = append(owners[ref.Digest], snapshot)
		}
	}
	for info, err := range s.store.List(ctx, ChunkPrefix, "") {
		if err != nil {
			return false, fmt.Errorf("list the chunks of snapshots: %w", err)
		}
		if d, ok := ParseChunkName(info.Name); ok && needed[d] == info.Size {
			delete(needed, d)
		}
	}
	for d := range needed {
		for _, owner := range owners[d] {
			s.unusable(owner, ChunkName(d), "missing, or of another size")
		}
	}
	return whole && len(needed) == 0, nil
}

func (s *surveyor) unusable(snapshot Snapshot, object, detail string) {
	s.inv.Damage = append(s.inv.Damage, Damage{Object: object, Detail: detail})
	s.inv.Unusable[snapshot.Digest] = fmt.Sprintf("%s: %s", object, detail)
}

// Objects returns every object that a snapshot consists of, without its parents: schema,
// lists, chunks. It reads the lists.
func (c *Codec) Objects(ctx context.Context, store blob.Store, m *Manifest) ([]Ref, error) {
	if _, err := c.ReadSchema(ctx, store, m); err != nil {
		return nil, err
	}
	refs := []Ref{m.Schema}
	for i := range m.Tables {
		refs = append(refs, m.Tables[i].Lists...)
		chunks, err := c.ReadChunks(ctx, store, &m.Tables[i])
		if err != nil {
			return nil, err
		}
		for _, chunk := range chunks {
			refs = append(refs, chunk.Ref)
		}
	}
	return refs, nil
}

// ParseChunkName is the inverse of ChunkName.
func ParseChunkName(name string) (eventlog.Digest, bool) {
	if len(name) <= len(ChunkPrefix)+3 {
		return eventlog.Digest{}, false
	}
	d, err := eventlog.ParseDigest(name[len(ChunkPrefix)+3:])
	return d, err == nil && ChunkName(d) == name
}
