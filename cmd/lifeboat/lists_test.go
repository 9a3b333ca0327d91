package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"lifeboat/eventlog"
	"lifeboat/restore/snapshot"
)

// A list is never null: jq '.damage[]' has to work where there is no damage.
func TestListsAreNeverNull(t *testing.T) {
	t.Parallel()
	type inner struct {
		Names []string `json:"names"`
	}
	for name, v := range map[string]any{
		"log verify":      verifyResult{1, &eventlog.VerifyReport{Damage: []eventlog.Damage{{Object: "x", Err: errors.New("y")}}}},
		"snapshot verify": snapshotVerifyResult{1, &snapshot.VerifyReport{}},
		"capture install": installResult{Version: 1},
		"capture status":  captureStatus{Version: 1},
		"nested":          struct{ All []inner }{[]inner{{}, {}}},
		"behind pointers": &struct{ In *inner }{&inner{}},
	} {
		var b bytes.Buffer
		require.NoError(t, writeJSON(&b, v), name)
		require.NotContains(t, b.String(), "null", name)
		require.True(t, json.Valid(b.Bytes()), name)
	}
	at := time.Date(2026, 3, 1, 9, 30, 0, 0, time.UTC)
	var b bytes.Buffer
	require.NoError(t, writeJSON(&b, struct {
		Raw  json.RawMessage `json:"raw"`
		None *inner          `json:"none"`
		Off  []string        `json:"off,omitempty"`
		At   time.Time       `json:"at"`
	}{At: at}))
	require.JSONEq(t, `{"raw":null,"none":null,"at":"2026-03-01T09:30:00Z"}`, b.String(), "what is no list stays as it is")
}
