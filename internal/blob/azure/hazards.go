package azure

import (
	"context"
	"fmt"

	azblob "github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
)

// Hazards looks for signs that a lifecycle rule, or a person, changes what the store
// holds: objects moved to another tier, which Lifeboat never does, and objects that will
// expire. The rules themselves can be read only by the account's management interface,
// for which an identity that may only handle data has no right; and a rule that deletes
// leaves nothing to be seen but what Verify misses. So nil proves nothing; keep rules off
// the container by policy. It lists every object once.
func (s *Store) Hazards(ctx context.Context) ([]string, error) {
	var archived, moved, expiring tally
	options := &container.ListBlobsFlatOptions{}
	if s.prefix != "" {
		options.Prefix = &s.prefix
	}
	for pager := s.container.NewListBlobsFlatPager(options); pager.More(); {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, s.explain("list", s.prefix, err)
		}
		for _, item := range page.Segment.BlobItems {
			if item == nil || item.Name == nil || item.Properties == nil {
				continue
			}
			p := item.Properties
			switch tier := item.Properties.AccessTier; {
			case tier == nil || p.AccessTierInferred != nil && *p.AccessTierInferred: // the account's own
			case *tier == azblob.AccessTierArchive:
				archived.add(*item.Name)
			case *tier == azblob.AccessTierCool || *tier == azblob.AccessTierCold:
				moved.add(*item.Name)
			}
			if p.ExpiresOn != nil {
				expiring.add(*item.Name)
			}
		}
	}
	var found []string
	for _, h := range []struct {
		tally
		what string
	}{
		{archived, "are in the archive tier, where no restore can read them: rehydrate them, and remove the lifecycle rule that moved them"},
		{moved, "were moved to another tier, which Lifeboat never does: is there a lifecycle rule on this container? Remove it"},
		{expiring, "have an expiry time and will be deleted: take it away, and whatever sets it"},
	} {
		if h.count > 0 {
			found = append(found, fmt.Sprintf("%d objects, %s for one, %s", h.count, h.first, h.what))
		}
	}
	return found, nil
}

type tally struct {
	count int
	first string
}

func (t *tally) add(name string) {
	if t.count++; t.count == 1 {
		t.first = name
	}
}
