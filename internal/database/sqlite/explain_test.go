package sqlite

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/database/sqlite/capi"
)

// TestErrorsSayWhatToDo covers failures that a test cannot bring about everywhere: a
// full disk, a file that may not be written.
func TestErrorsSayWhatToDo(t *testing.T) {
	t.Parallel()
	f := &file{path: "/data/ward.sqlite", wait: 5 * time.Second}
	for code, want := range map[int]struct {
		is   error
		text string
	}{
		capi.Full:            {ErrDiskFull, "free space in /data"},
		capi.ReadOnly:        {ErrReadOnly, "write permission"},
		capi.ReadOnly | 8<<8: {ErrReadOnly, "write permission"},
		capi.Busy:            {ErrLocked, "5s"},
		capi.Busy | 2<<8:     {ErrLocked, "5s"},
		capi.Corrupt:         {ErrDamaged, "restore"},
		capi.NotADB:          {ErrNotDatabase, "encrypted"},
		capi.IOErr | 3<<8:    {nil, "disk I/O error"},
		capi.Interrupt:       {nil, "interrupted"},
	} {
		plain := &capi.Error{Code: code, Msg: map[bool]string{true: "disk I/O error", false: "interrupted"}[code&0xff == capi.IOErr]}
		err := f.explain(context.Background(), fmt.Errorf("while working: %w", plain))
		require.ErrorContains(t, err, want.text)
		require.ErrorContains(t, err, "/data/ward.sqlite")
		if want.is != nil {
			require.ErrorIs(t, err, want.is)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	cause := errors.New("the agent stops")
	cancel(cause)
	require.ErrorIs(t, f.explain(ctx, &capi.Error{Code: capi.Interrupt}), cause)
	require.NoError(t, f.explain(ctx, nil))
	other := errors.New("not SQLite's")
	require.Equal(t, other, f.explain(ctx, other))
}
