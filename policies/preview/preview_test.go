package preview_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/policies"
	"lifeboat/policies/preview"
)

const (
	account = "urn:pulumi:dr::lifeboat::lifeboat:index:Store$azure-native:storage/v20230501:StorageAccount::store"
	typ     = "azure-native:storage/v20230501:StorageAccount"
)

func step(op, state string) string {
	return `{"op":"` + op + `","urn":"` + account + `","` + state + `":{"urn":"` + account + `","type":"` + typ + `","protect":true,
		"inputs":{"location":"ukwest","kind":"04da6b54-80e4-46f7-96ec-b56ff0331ba9","sku":{"name":"[secret]"},
		"tags":{"4dabf18193072939515e22adb298388d":"1b47061264138c4ac30d75fd1eb44270"},"list":["a",null]}}}`
}

func previewOf(steps ...string) string {
	return `{"config":{},"steps":[` + strings.Join(steps, ",") + `],"changeSummary":{"create":1}}`
}

func TestReadPreview(t *testing.T) {
	t.Parallel()
	s, err := preview.ReadBytes([]byte(previewOf(step("create", "newState"))))
	require.NoError(t, err)
	require.Equal(t, "dr", s.Name)
	require.Equal(t, policies.DR, s.Role)
	require.Len(t, s.Resources, 1)
	r := s.Resources[0]
	require.Equal(t, "azure-native:storage:StorageAccount", r.Type)
	require.Equal(t, "store", r.Name)
	require.True(t, r.Protect)
	require.Equal(t, policies.Keep, r.Change)
	require.Equal(t, "ukwest", r.At("location").Text())
	require.True(t, r.At("kind").Unknown(), "a computed value is unknown")
	require.True(t, r.At("sku.name").Unknown(), "a masked secret is unknown")
	require.True(t, r.At("tags.owner").Unknown(), "so is what is inside a secret")
	require.Equal(t, "a", r.At("list.0").Text())
	require.False(t, r.At("list.1.x").Found())
	require.False(t, r.At("list.9").Found())
}

func TestReadPreviewChanges(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		steps []string
		want  []policies.Change
	}{
		{"unchanged", []string{step("same", "newState")}, []policies.Change{policies.Keep}},
		{"deleted", []string{step("delete", "oldState")}, []policies.Change{policies.Delete}},
		{"replaced", []string{step("create-replacement", "newState"), step("replace", "newState"), step("delete-replaced", "oldState")}, []policies.Change{policies.Replace}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s, err := preview.ReadBytes([]byte(previewOf(tt.steps...)))
			require.NoError(t, err)
			var got []policies.Change
			for _, r := range s.Resources {
				got = append(got, r.Change)
			}
			require.Equal(t, tt.want, got)
		})
	}
}

func TestReadExport(t *testing.T) {
	t.Parallel()
	text := `{"version":3,"deployment":{"resources":[{"urn":"` + account + `","type":"` + typ + `","inputs":{"location":"ukwest"}},
		{"urn":"` + account + `","type":"` + typ + `","delete":true}]}}`
	s, err := preview.ReadBytes([]byte(text))
	require.NoError(t, err)
	require.Len(t, s.Resources, 1, "what is only waiting to be deleted is not part of the stack")
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	whole := previewOf(step("create", "newState"))
	other := strings.ReplaceAll(step("create", "newState"), "urn:pulumi:dr::", "urn:pulumi:primary::")
	for _, tt := range []struct {
		name, text string
		want       error
	}{
		{"nothing", "", preview.ErrFormat},
		{"garbage", "Previewing update (dr)", preview.ErrFormat},
		{"truncated", whole[:len(whole)/2], preview.ErrFormat},
		{"another JSON", `{"a":1}`, preview.ErrFormat},
		{"two values", whole + whole, preview.ErrFormat},
		{"empty stack", `{"steps":[],"changeSummary":{}}`, preview.ErrFormat},
		{"two stacks", previewOf(step("create", "newState"), other), preview.ErrFormat},
		{"foreign stack", strings.ReplaceAll(whole, "urn:pulumi:dr::", "urn:pulumi:prod::"), preview.ErrFormat},
		{"no state", previewOf(`{"op":"create","urn":"` + account + `"}`), preview.ErrFormat},
		{"bad URN", strings.ReplaceAll(whole, account, "x"), preview.ErrFormat},
		{"unknown step", previewOf(step("teleport", "newState")), preview.ErrNewer},
		{"newer export", `{"version":99,"deployment":{"resources":[]}}`, preview.ErrNewer},
		{"without what stays", strings.Replace(whole, `"changeSummary":{"create":1}`, `"changeSummary":{"create":1,"same":27}`, 1), preview.ErrPartial},
		{"failed preview", `{"steps":[` + step("create", "newState") + `],"diagnostics":[{"severity":"error","message":"bad settings"}]}`, preview.ErrFailed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := preview.ReadBytes([]byte(tt.text))
			require.ErrorIs(t, err, tt.want)
		})
	}
}

func TestPlainType(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"azure-native:sql/v20230801:Server":                 "azure-native:sql:Server",
		"azure-native:sql:Server":                           "azure-native:sql:Server",
		"azure-native:insights/v20210501preview:Setting":    "azure-native:insights:Setting",
		"kubernetes:apps/v1:Deployment":                     "kubernetes:apps/v1:Deployment",
		"kubernetes:autoscaling/v2:HorizontalPodAutoscaler": "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
	} {
		require.Equal(t, want, preview.PlainType(in))
	}
}

func FuzzRead(f *testing.F) {
	f.Add(previewOf(step("create", "newState")))
	f.Add(`{"version":3,"deployment":{"resources":[]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		s, err := preview.Read(strings.NewReader(text))
		if err == nil && len(s.Resources) == 0 {
			t.Fatal("an empty stack was accepted: every rule about what is there would pass")
		}
	})
}
