package restore

import (
	"context"
	"fmt"

	"lifeboat/eventlog"
	"lifeboat/internal/blob"
	"lifeboat/internal/database"
)

// ReplayConfig says what to replay.
type ReplayConfig struct {
	Store blob.Store
	// After is a position at or before the one of the database that follows, such as that
	// of the snapshot it was restored from.
	After eventlog.Position
	// To is the last Seq to apply; 0: the end of the log.
	To eventlog.Seq
}

// Replay applies transactions one by one to a restored database that follows the log,
// each with its position in one transaction of the database: killed anywhere, it goes on
// where it was. It returns the Seq that the database is at. database.ErrSchemaChanged: a
// change of schema is next, which only a restore from a newer snapshot passes. Where the
// changes of a row are many, Run is faster: it writes each row once.
func Replay(ctx context.Context, cfg ReplayConfig, follower database.Replayer) (eventlog.Seq, error) {
	position, ok, err := follower.Position(ctx)
	if err != nil {
		return 0, fmt.Errorf("replay: ask the database for its position: %w", err)
	}
	at := eventlog.Seq(position)
	if !ok || at < cfg.After.Seq {
		return at, fmt.Errorf("replay: the database is not at or after seq %d: restore it first", uint64(cfg.After.Seq))
	}
	for segment, err := range eventlog.OpenLog(cfg.Store).Segments(ctx, cfg.After) {
		if err != nil {
			return at, fmt.Errorf("replay after seq %d: %w", uint64(at), err)
		}
		for e, err := range segment.Events() {
			if err != nil {
				return at, fmt.Errorf("replay after seq %d: %w", uint64(at), err)
			}
			if cfg.To > 0 && at >= cfg.To {
				return at, nil
			}
			if e.Schema != nil && e.Seq >= at {
				return at, fmt.Errorf("replay: %w after seq %d: restore from a snapshot behind it", database.ErrSchemaChanged, uint64(at))
			}
			if e.Tx == nil || e.Seq <= at {
				continue
			}
			if err := follower.Apply(ctx, uint64(e.Seq), e.Tx.Changes); err != nil {
				return at, fmt.Errorf("replay seq %d: %w", uint64(e.Seq), err)
			}
			at = e.Seq
		}
	}
	if cfg.To > 0 && at < cfg.To {
		return at, &WindowError{Target: AtSeq(cfg.To), Reason: "it is after the end of the log", Before: &Point{Seq: at}}
	}
	return at, nil
}
