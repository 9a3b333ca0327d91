package record_test

import (
	"encoding/json"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/failover/incident"
	"lifeboat/failover/incident/record"
	"lifeboat/internal/signers"
)

// TestFormatSaysWhatTheCodecDoes reads the limits, the namespace and the fields out of FORMAT.md.
func TestFormatSaysWhatTheCodecDoes(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("FORMAT.md")
	require.NoError(t, err)
	spec := string(body)
	require.Contains(t, spec, "format "+strconv.Itoa(incident.Format))
	require.Contains(t, spec, "| SSHSIG namespace | `"+record.Namespace+"` |")
	entry, attachment, entries := record.Limits()
	for _, n := range []int{entry, attachment, entries} {
		require.Regexp(t, `\b`+strconv.Itoa(n)+`\b`, spec)
	}
	after := 0
	for field := range reflect.TypeFor[incident.Entry]().Fields() {
		name, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		at := strings.Index(spec[after:], "`"+name+"`")
		require.GreaterOrEqual(t, at, 0, "FORMAT.md lists no field %s, or not in its order", name)
		after += at
	}
}

// TestGoldenEntryIsCanonical: the kept entry is what today's encoder writes.
func TestGoldenEntryIsCanonical(t *testing.T) {
	t.Parallel()
	body, err := os.ReadFile("testdata/v1/entry")
	require.NoError(t, err)
	text, _, err := signers.Split(body)
	require.NoError(t, err)
	var e incident.Entry
	require.NoError(t, json.Unmarshal(text, &e))
	again, err := json.Marshal(e)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again)+"\n")
}
