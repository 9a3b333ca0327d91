package blobtest

import (
	"errors"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
)

// Hostile is the body of a fuzz target for a reader of kept JSON objects: whatever a store
// gives, read succeeds or fails with one of the known errors. It begins with the golden files,
// and with a format newer than any.
func Hostile(f *testing.F, golden []string, read func(t *testing.T, body []byte) error, known ...error) {
	f.Helper()
	for _, path := range golden {
		body, err := os.ReadFile(path)
		require.NoError(f, err)
		f.Add(body)
	}
	f.Add([]byte(`{"format":2}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if len(body) == 0 {
			return // no store keeps it
		}
		err := read(t, body)
		for _, k := range known {
			if errors.Is(err, k) {
				return
			}
		}
		require.NoError(t, err)
	})
}
