package config_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"lifeboat/internal/config"
)

var update = flag.Bool("update", false, "rewrite golden files")

func none(string) (string, bool) { return "", false }

func TestParseDefaults(t *testing.T) {
	t.Parallel()
	got, err := config.Parse([]byte("version: 1\nmirror:\n  store: dir:/m\n"), none)
	require.NoError(t, err)
	want := config.Defaults()
	want.Mirror.Store = "dir:/m"
	require.Equal(t, &want, got)
}

func TestParseEveryKey(t *testing.T) {
	t.Parallel()
	want := config.Defaults()
	want.Database, want.Primary.Store, want.Mirror.Store = "sqlserver://h?database=a b", "dir:/p", "dir:/m"
	want.AllowLost = []string{"assembly Geo", "full-text index dbo.D"}
	want.Log.OnMirrorLoss, want.Log.DrainInterval = config.Degrade, 20*time.Millisecond
	want.Snapshot.ReplayBudget, want.Snapshot.MaxDeltas = 3<<20+1, 7
	want.Restore.Scratch = "/tmp"
	want.Mirror.Endpoint, want.Mirror.Cloud, want.Mirror.KeyFile, want.Mirror.RootKey = "http://127.0.0.1:1/a", "china", "/k", "00ff"
	want.Encryption = config.Encryption{AgeRecipients: []string{"age1a", "age1b"}, VaultKeys: []string{"https://v/keys/k"}, IdentityFile: "/i"}
	text, err := config.Render(&want)
	require.NoError(t, err)
	got, err := config.Parse(text, none)
	require.NoError(t, err, "%s", text)
	require.Equal(t, &want, got)
}

// A file of a newer release is told from one that is wrong: its keys may be right there.
func TestParseTellsANewerFile(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"version: 2\n", "version: 2\nshards: 4\nsnapshot: {max_deltas: many}\n"} {
		_, err := config.Parse([]byte(text), none)
		require.ErrorIs(t, err, config.ErrNewer)
		require.NotErrorIs(t, err, config.ErrInvalid)
		require.ErrorContains(t, err, "it is 2; this program knows version 1")
	}
	_, err := config.ParseCommittee([]byte("version: 2\nshards: 4\n"), none)
	require.ErrorIs(t, err, config.ErrNewer)
}

func TestParseReportsEverything(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []string
	}{
		{"empty file", "", []string{"version: is 0; this program knows version 1"}},
		{"unknown keys", "version: 1\nmirrors: {}\nsnapshot:\n  max_interva1: 1h\n  whatever: 2\n", []string{
			`line 2: mirrors: unknown key; did you mean "mirror"?`,
			`line 4: snapshot.max_interva1: unknown key; did you mean "max_interval"?`,
			"line 5: snapshot.whatever: unknown key",
		}},
		{"of every kind", "version: 1\nprimry: {}\nlog: {on_mirror_loss: maybe}\nsnapshot:\n  max_interval: 99h\n  max_deltas: many\n", []string{
			`line 2: primry: unknown key; did you mean "primary"?`, "line 3: log.on_mirror_loss:", "line 5: snapshot.max_interval:", "line 6:",
		}},
		{"given twice", "version: 1\naudit: {interval: 1h}\naudit: {interval: 2h}\n", []string{"line 3: audit: given twice"}},
		{"wrong types", "version: 1\nsnapshot:\n  max_deltas: many\n  replay_budget: [1]\n  max_interval: soon\n", []string{"line 3:", "line 4:", "line 5:"}},
		{"out of range", "version: 1\nsnapshot:\n  max_interval: 25h\n  max_deltas: 0\nrestore: {memory: 1MiB}\n", []string{
			"line 3: snapshot.max_interval: 25h0m0s is outside 1m0s to 24h0m0s",
			"line 4: snapshot.max_deltas: 0 is outside 1 to 100",
			"line 5: restore.memory: 1MiB is outside 64MiB to 64GiB",
		}},
		{"mirror is the primary", "version: 1\nprimary: {store: 'dir:/x'}\nmirror: {store: 'dir:/x'}\n", []string{"protects from nothing"}},
		{"same name", "version: 1\nprimary: {name: a}\nmirror: {name: a}\n", []string{`mirror.name: "a" is the primary's name too`}},
		{"no scheme", "version: 1\ndatabase: /srv/app.sqlite\n", []string{"line 2: database:", "not a URL of the form KIND:PLACE"}},
		{"pin without encryption", "version: 1\nmirror: {root_key: '00'}\n", []string{"line 2: mirror.root_key: is set, and encryption is not configured"}},
		{"no recipient", "version: 1\nencryption: {identity_file: /i}\n", []string{"line 2: encryption: has no recipient"}},
		{"no opener", "version: 1\nencryption: {age_recipients: [age1a]}\n", []string{"nothing opens what is there"}},
		{"key and SAS", "version: 1\nprimary: {key_file: a, sas_file: b}\n", []string{"line 2: primary.sas_file: is set beside key_file"}},
		{"variable in a list", "version: 1\nencryption: {identity_file: /i, age_recipients: ['${NOT_SET}']}\n", []string{"variable NOT_SET is not set"}},
		{"choice", "version: 1\nlog: {on_mirror_loss: ignore}\n", []string{`"ignore" is neither "block" nor "degrade"`}},
		{"min over max", "version: 1\nsnapshot: {min_interval: 2h, max_interval: 1h}\n", []string{"min_interval: 2h0m0s is longer"}},
		{"listen", "version: 1\nagent: {listen: nowhere}\n", []string{`agent.listen: "nowhere" is not HOST:PORT`}},
		{"variable", "version: 1\ndatabase: 'sqlite:${NOT_SET}'\n", []string{"line 2: database: variable NOT_SET is not set"}},
		{"not yaml", "version: [1\n", []string{"yaml"}},
		{"two documents", "version: 1\n---\nversion: 1\n", []string{"more than one document"}},
		{"not a mapping", "- a\n", []string{"cannot unmarshal"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := config.Parse([]byte(tt.text), none)
			require.ErrorIs(t, err, config.ErrInvalid)
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
		})
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	lookup := func(name string) (string, bool) { return "/data", name == "DATA" }
	got, err := config.Parse([]byte("version: 1\ndatabase: 'sqlite:${DATA}/a$b.sqlite'\n"), lookup)
	require.NoError(t, err)
	require.Equal(t, "sqlite:/data/a$b.sqlite", got.Database.Reveal())
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	urls := []config.URL{
		"sqlserver://sa:hunter2@db.example:1433?database=app",
		"azblob://account/container?sv=1&sig=hunter2",
		"sqlserver://db?user+id=sa&password=hunter2",
		"sqlserver://sa:hunter2@[bad",
		"sqlserver://sa:hunter2%@db",
		"sqlserver://sa:x@y#hunter2@db?database=app",
		"sqlserver://sa:x@y/hunter2@db?database=app",
		"sqlserver://sa:1?hunter2@db?database=app",
		"sqlserver://db?user+id=sa&change+password=hunter2&clientassertion=hunter2&systemtoken=hunter2",
	}
	for _, u := range urls {
		f := config.Defaults()
		f.Database, f.Mirror.Store = u, u
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "url", u, "file", f)
		j, err := json.Marshal(f)
		require.NoError(t, err)
		y, err := yaml.Marshal(f)
		require.NoError(t, err)
		all := fmt.Sprintf("%v %+v %#v %s %q %x %d", f, f, f, u, u, u, u) + fmt.Sprintf("%v %#v", &f, &f) + log.String() + string(j) + string(y)
		require.NotContains(t, all, "hunter2")
		require.NotContains(t, all, fmt.Sprintf("%x", "hunter2"))
		require.Contains(t, u.Reveal(), "hunter2")
	}
	require.Equal(t, "sqlserver://sa:***@db.example:1433?database=app", urls[0].String())
	require.Equal(t, "dir:/a b", config.URL("dir:/a b").String())
}

func TestSize(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]config.Size{"512MiB": 512 << 20, "1.5 KiB": 1536, "4096": 4096, "1GB": 1e9} {
		got, err := config.ParseSize(text)
		require.NoError(t, err)
		require.Equal(t, want, got)
		again, err := config.ParseSize(got.String())
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	_, err := config.ParseSize("lots")
	require.Error(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("version: 1\nmirror: {store: 'dir:/m'}\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := config.Parse(text, none)
		if err == nil && file.Validate() != nil {
			t.Errorf("accepted what Validate refuses: %v", file.Validate())
		}
	})
}

// TestReference keeps docs/configuration.md equal to the structs.
func TestReference(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- keys: made by go test ./internal/config -update -->\n", "<!-- end of keys -->"
	path := filepath.Join("..", "..", "docs", "configuration.md")
	page, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, ok := strings.Cut(string(page), begin)
	require.True(t, ok, "no marker in %s", path)
	_, after, ok := strings.Cut(rest, end)
	require.True(t, ok, "no end marker in %s", path)
	var b strings.Builder
	b.WriteString("\n| Key | Default | What it is |\n| --- | --- | --- |\n")
	for _, k := range config.Keys() {
		require.NotEmpty(t, k.Doc, k.Name)
		value, doc := "", k.Doc
		if k.Default != "" {
			value = "`" + k.Default + "`"
		}
		if k.Example != "" {
			doc += " Example: `" + k.Example + "`."
		}
		if k.Section {
			doc = "**" + doc + "**"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", k.Name, value, doc)
	}
	want := before + begin + b.String() + "\n" + end + after
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(want), 0o644))
		return
	}
	require.Equal(t, want, string(page), "run go test ./internal/config -update")
}
