package agent

import (
	"context"
	"errors"

	"lifeboat/restore"
)

// TakeBase runs an agent just long enough to make a new base durable in both regions. As
// any agent it begins an epoch, and so fences one that is running.
func TakeBase(ctx context.Context, cfg Config) (restore.Snapshot, error) {
	a, err := Start(ctx, cfg)
	if err != nil {
		return restore.Snapshot{}, err
	}
	run, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- a.Run(run) }()
	select {
	case <-a.Ready():
	case err := <-ended:
		return restore.Snapshot{}, errors.Join(err, ctx.Err())
	}
	if !a.keeper.hasTaken() { // there was a base already
		err = a.keeper.rebase(ctx)
	}
	newest, _, _, _ := a.keeper.newestOf()
	stop()
	return newest, errors.Join(err, <-ended)
}
