package memory_test

import (
	"testing"

	"lifeboat/internal/blob"
	"lifeboat/internal/blob/blobtest"
	"lifeboat/internal/blob/memory"
)

func TestStore(t *testing.T) {
	t.Parallel()
	blobtest.Run(t, blobtest.Suite{New: func(*testing.T) blob.Store { return memory.New() }})
}
