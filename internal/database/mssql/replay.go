package mssql

import (
	"context"
	"errors"

	"lifeboat/internal/database"
)

type replayer struct{}

func (t *Target) leaveReplay(ctx context.Context) error { return nil }

func (t *Target) Position(ctx context.Context) (uint64, bool, error) {
	return 0, false, errors.New("no")
}
func (t *Target) SetPosition(ctx context.Context, seq uint64) error { return errors.New("no") }
func (t *Target) Apply(ctx context.Context, seq uint64, changes []database.Change) error {
	return errors.New("no")
}
