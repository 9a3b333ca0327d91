package effect_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/policies/effect"
	"lifeboat/stacks/settings"
	"lifeboat/stacks/stackfile"
)

func primary(t *testing.T) *settings.Settings {
	t.Helper()
	s, err := stackfile.Read(filepath.Join("..", "..", "Pulumi.primary.yaml"))
	require.NoError(t, err)
	return s
}

func TestOf(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		change  func(*settings.Settings)
		changed []string
		worse   []string
	}{
		{"nothing", func(*settings.Settings) {}, nil, nil},
		{"degrading mirror", func(s *settings.Settings) { s.Agent.Mirror = "degrade" }, []string{"RPO: without the mirror"}, []string{"RPO: without the mirror"}},
		{"shorter retention", func(s *settings.Settings) { s.Store.ImmutableDays = 7 }, []string{"Restore points kept, days"}, []string{"Restore points kept, days"}},
		{
			"larger database", func(s *settings.Settings) { s.Database.SKU = "GP_Gen5_8" },
			[]string{"RTO: log rate of the database, MB/s", "RTO: restore of a full database, at most", "Cost of compute, GBP a month, about"}, nil,
		},
		{
			"smaller database", func(s *settings.Settings) { s.Database.SKU = "GP_Gen5_2" },
			[]string{"RTO: log rate of the database, MB/s", "RTO: restore of a full database, at most", "Cost of compute, GBP a month, about"},
			[]string{"RTO: log rate of the database, MB/s", "RTO: restore of a full database, at most"},
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			now := primary(t)
			tt.change(now)
			rows, err := effect.Of(primary(t), now)
			require.NoError(t, err)
			var changed, worse []string
			for _, r := range rows {
				if r.Changed {
					changed = append(changed, r.What)
				}
				if r.Worse {
					worse = append(worse, r.What)
				}
			}
			require.Equal(t, tt.changed, changed)
			require.Equal(t, tt.worse, worse)
			var b bytes.Buffer
			require.NoError(t, effect.Markdown(&b, rows))
			require.Equal(t, len(tt.worse) > 0, bytes.Contains(b.Bytes(), []byte("**weaker**")))
		})
	}
}
