package settings_test

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"lifeboat/infra/azure"
	"lifeboat/infra/storage"
	"lifeboat/stacks/settings"
	"lifeboat/stacks/stackfile"
)

func good(t testing.TB, stack string) *settings.Settings {
	t.Helper()
	s, err := stackfile.Read(filepath.Join("..", "..", "Pulumi."+stack+".yaml"))
	require.NoError(t, err)
	return s
}

func TestBothStackFilesHaveTheSameSettingsButForTheRole(t *testing.T) {
	t.Parallel()
	p, d := good(t, "primary"), good(t, "dr")
	require.Equal(t, settings.Primary, p.Role)
	require.Equal(t, settings.DR, d.Role)
	p.Role = d.Role
	require.Equal(t, d, p)
}

func TestEveryMistakeIsNamed(t *testing.T) {
	t.Parallel()
	mistakes := map[string]struct {
		change func(*settings.Settings)
		want   string
	}{
		"role":              {func(s *settings.Settings) { s.Role = "secondary" }, `role: "secondary" is not a role`},
		"organisation":      {func(s *settings.Settings) { s.Organisation = "A long name" }, "organisation: "},
		"tenant":            {func(s *settings.Settings) { s.Tenant = "x" }, "tenant: "},
		"subscription":      {func(s *settings.Settings) { s.Subscription = "" }, "subscription: "},
		"same region twice": {func(s *settings.Settings) { s.Regions.DR = s.Regions.Primary }, "regions.dr.region: is the primary region uksouth"},
		"unknown region":    {func(s *settings.Settings) { s.Regions.DR.Region = "uknorth" }, `regions.dr.region: "uknorth" is not a known region`},
		"mirror abroad":     {func(s *settings.Settings) { s.Regions.DR.Region = "northeurope" }, "regions.dr.region: northeurope lies in eu; the data may not leave uk"},
		"generation":        {func(s *settings.Settings) { s.Regions.Hub.Generation = 0 }, "regions.hub.generation: 0 is not in 1 to 99"},
		"owner":             {func(s *settings.Settings) { s.Tags.Owner = "" }, "tags.owner: is empty"},
		"network shape":     {func(s *settings.Settings) { s.Network.PrimaryCIDR = "10.20.0.0/24" }, "network.primaryCidr: "},
		"networks overlap":  {func(s *settings.Settings) { s.Network.FailoverCIDR = s.Network.PrimaryCIDR }, "overlaps network.primaryCidr"},
		"network taken":     {func(s *settings.Settings) { s.Network.PrimaryCIDR = "192.168.0.0/16" }, "which the cluster's pods and services use"},
		"immutable days":    {func(s *settings.Settings) { s.Store.ImmutableDays = 0 }, "store.immutableDays: 0 is not in 1 to 146000"},
		"soft delete":       {func(s *settings.Settings) { s.Store.SoftDeleteDays = 3 }, "store.softDeleteDays: 3"},
		"private operator":  {func(s *settings.Settings) { s.Store.OperatorAddresses = []string{"10.0.0.1"} }, "store.operatorAddresses[0]: "},
		"wide operator":     {func(s *settings.Settings) { s.Store.OperatorAddresses = []string{"8.0.0.0/8"} }, "store.operatorAddresses[0]: "},
		"wrong SKU":         {func(s *settings.Settings) { s.Database.SKU = "GP_Gen4_4" }, `database.sku: "GP_Gen4_4" is not a database size`},
		"too large":         {func(s *settings.Settings) { s.Database.MaxSizeGiB = 5000 }, "database.maxSizeGiB: 5000 is not in 1 to 4096"},
		"PITR":              {func(s *settings.Settings) { s.Database.PITRDays = 6 }, "database.pitrDays: 6 is not in 7 to 35"},
		"server undelete":   {func(s *settings.Settings) { s.Database.SoftDelete = 0 }, "database.softDeleteDays: 0"},
		"long term":         {func(s *settings.Settings) { s.Database.LongTerm.Weekly = "8 weeks" }, "database.longTerm.weekly: "},
		"admin":             {func(s *settings.Settings) { s.Database.Admin.Name = "" }, "database.admin.name: is empty"},
		"container primary": {func(s *settings.Settings) { s.Database.Kind = settings.Container }, "database.kind: container is for drills"},
		"database kind":     {func(s *settings.Settings) { s.Database.Kind = "oracle" }, `database.kind: "oracle" is not azure or container`},
		"node size":         {func(s *settings.Settings) { s.Cluster.User.Size = "Standard_A1" }, `cluster.user.size: "Standard_A1" is not a known node size`},
		"pool":              {func(s *settings.Settings) { s.Cluster.User.Max = 1 }, "cluster.user.max: 1 is not in 2 to 1000"},
		"window":            {func(s *settings.Settings) { s.Cluster.Maintenance.Hours = 2 }, "cluster.maintenance.hours: 2"},
		"image by tag":      {func(s *settings.Settings) { s.Application.Image = "careful/app:latest" }, "application.image: "},
		"one replica":       {func(s *settings.Settings) { s.Application.Replicas = 1 }, "application.replicas: 1 is not in 2 to 100"},
		"name taken":        {func(s *settings.Settings) { s.Application.Name = "lifeboat" }, "application.name: "},
		"secret in env":     {func(s *settings.Settings) { s.Application.Env = map[string]string{"DB_PASSWORD": "x"} }, "application.env.DB_PASSWORD: looks like a secret"},
		"interval":          {func(s *settings.Settings) { s.Agent.SnapshotInterval = "24h1s" }, "agent.snapshotInterval: 24h0m1s is over the policy's 24h0m0s"},
		"no interval":       {func(s *settings.Settings) { s.Agent.SnapshotInterval = "daily" }, "agent.snapshotInterval: "},
		"mirror mode":       {func(s *settings.Settings) { s.Agent.Mirror = "ignore" }, "agent.mirror: "},
		"cron":              {func(s *settings.Settings) { s.Agent.Schedules.Audit = "@daily" }, "agent.schedules.audit: "},
		"TTL":               {func(s *settings.Settings) { s.Edge.TTL = 61 }, "edge.ttl: 61 is not in 1 to 60"},
		"probe":             {func(s *settings.Settings) { s.Edge.Interval = 20 }, "edge.interval: 20"},
		"zone":              {func(s *settings.Settings) { s.Edge.Zone = "careful" }, "edge.zone: "},
		"nobody told":       {func(s *settings.Settings) { s.Alerts.Emails = nil }, "alerts.emails: nobody would be told"},
		"address":           {func(s *settings.Settings) { s.Alerts.Emails = map[string]string{"cto": "nobody"} }, "alerts.emails.cto: "},
		"repository":        {func(s *settings.Settings) { s.Code.Repository = "careful" }, "code.repository: "},
		"failover part":     {func(s *settings.Settings) { s.Failover.ID = "f1" }, "failover: belongs to role failover"},
	}
	for name, m := range mistakes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := good(t, "primary")
			m.change(s)
			err := s.Validate()
			require.ErrorIs(t, err, settings.ErrSettings)
			require.ErrorContains(t, err, m.want)
		})
	}
	// All of them at once: every message is there.
	s := good(t, "primary")
	var wants []string
	for name, m := range mistakes {
		switch name {
		case "same region twice", "networks overlap", "network taken", "database kind", "no interval", "unknown region", "role", "too large", "private operator", "nobody told":
			continue // another mistake of the same key would hide it
		}
		m.change(s)
		wants = append(wants, m.want)
	}
	err := s.Validate()
	for _, want := range wants {
		require.ErrorContains(t, err, want)
	}
}

func TestUnknownKeysAreAllNamed(t *testing.T) {
	t.Parallel()
	text, err := good(t, "primary").JSON()
	require.NoError(t, err)
	bad := strings.Replace(text, `"role":`, `"rolle":1,"role":`, 1)
	bad = strings.Replace(bad, `"ttl":`, `"tttl":1,"ttl":`, 1)
	bad = strings.Replace(bad, `"geography":`, `"Geography":"us","geography":`, 1)
	_, err = settings.Parse(bad)
	require.ErrorIs(t, err, settings.ErrSettings)
	require.ErrorContains(t, err, "settings.rolle: unknown key")
	require.ErrorContains(t, err, "settings.Geography: unknown key")
	require.ErrorContains(t, err, "settings.edge.tttl: unknown key; known here: interval, record, ttl, zone")
}

func TestParseRefusesWhatIsNotOneObject(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"", "null null", "[]", "{} {}", "{", `{"role": 7}`, strings.Repeat("[", 100000)} {
		_, err := settings.Parse(text)
		require.ErrorIs(t, err, settings.ErrSettings)
	}
}

func TestJSONRoundTrip(t *testing.T) {
	t.Parallel()
	s := good(t, "primary")
	text, err := s.JSON()
	require.NoError(t, err)
	again, err := settings.Parse(text)
	require.NoError(t, err)
	require.Equal(t, s, again)
}

func TestFailoverIsDerivedNotRetyped(t *testing.T) {
	t.Parallel()
	s := good(t, "primary")
	for _, run := range []settings.FailoverRun{{ID: "f1"}, {ID: "d1", Drill: true}} {
		f, err := s.ForFailover(run)
		require.NoError(t, err)
		require.Equal(t, azure.Region("ukwest"), f.Region())
		require.Equal(t, "failover-"+run.ID, f.StackName())
		require.Equal(t, !run.Drill, f.Protect)
		require.Equal(t, s.Database, f.Database, "the new region must hold what the old one held")
		require.Equal(t, s.Cluster, f.Cluster)
		require.Equal(t, s.NamesOf(s.Regions.DR), f.NamesOf(f.Regions.DR), "both must mean the same mirror")
	}
	large, err := s.ForFailover(settings.FailoverRun{ID: "f1", RestoreSKU: "GP_Gen5_16"})
	require.NoError(t, err)
	require.Equal(t, "GP_Gen5_16", large.DatabaseSKU(), "for the restore")
	large.Failover.Deploy = true
	require.Equal(t, s.Database.SKU, large.DatabaseSKU(), "and then as the old one was")
	require.Equal(t, s.Database.SKU, s.DatabaseSKU())
	for id, run := range map[string]settings.FailoverRun{
		"restore on no size":      {ID: "f1", RestoreSKU: "GP_Gen5_5"},
		"restore on another tier": {ID: "f1", RestoreSKU: "HS_Gen5_4"},
		"no id":                   {}, "capital": {ID: "F1"}, "region's code": {ID: "ukw"}, "live drill": {ID: "d1", Drill: true, Deploy: true, Live: true},
		"live, not deployed":  {ID: "f1", Live: true},
		"mirror where it is":  {ID: "f1", Mirror: settings.Half{Region: "ukwest", Generation: 2}},
		"mirror out of bound": {ID: "f1", Mirror: settings.Half{Region: "westeurope", Generation: 2}},
	} {
		_, err := s.ForFailover(run)
		require.ErrorIs(t, err, settings.ErrSettings, id)
	}
}

// TestMirrorOfAFailover: the region that serves now gets a mirror in the old one, under
// names that do not touch what the lost stack held.
func TestMirrorOfAFailover(t *testing.T) {
	t.Parallel()
	s := good(t, "primary")
	next := settings.Half{Region: "uksouth", Generation: 2}
	m, err := s.ForMirror(s.Regions.DR, next)
	require.NoError(t, err)
	require.Equal(t, "dr-2", m.StackName())
	require.False(t, m.IsHub(), "registry and DNS stay where they are")
	require.NotEqual(t, s.Names().LogAccount(), m.Names().LogAccount())
	require.Equal(t, s.NamesOf(s.Regions.Hub).Registry(), m.NamesOf(m.Regions.Hub).Registry())
	f, err := s.ForFailover(settings.FailoverRun{ID: "f1", Deploy: true, Live: true, Mirror: next})
	require.NoError(t, err)
	require.Equal(t, m.Names(), f.NamesOf(f.Failover.Mirror))
	found, ok := s.HalfOf(m.Names().StoreURL(storage.Log))
	require.True(t, ok)
	require.Equal(t, next, found)
	_, ok = s.HalfOf("azblob://somewhere/log")
	require.False(t, ok)
	b, err := m.ForFailover(settings.FailoverRun{ID: "b1"})
	require.NoError(t, err)
	require.Equal(t, azure.Region("uksouth"), b.Region(), "a failback goes to the region that was lost")
	require.NotEqual(t, f.Network.FailoverCIDR, b.Network.FailoverCIDR, "the two have to be joined")
}

// TestNamesKeepAzuresRules for every owner, region and generation that settings allow.
func TestNamesKeepAzuresRules(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := settings.Settings{
			Organisation: rapid.StringMatching(`[a-z][a-z0-9]{1,9}`).Draw(t, "organisation"),
			Subscription: rapid.StringMatching(`[0-9a-f]{8}-1111-4111-8111-111111111111`).Draw(t, "subscription"),
		}
		half := settings.Half{
			Region:     rapid.SampledFrom(azure.Regions()).Draw(t, "region"),
			Generation: rapid.IntRange(1, 99).Draw(t, "generation"),
		}
		n := s.NamesOf(half)
		for name, limit := range map[string]int{n.LogAccount(): 24, n.StateAccount(): 24, n.Vault(): 24, n.Registry(): 50, n.Server(): 63, n.Cluster(): 63, n.Profile(): 63, n.AppLabel(): 63, n.NodeGroup(): 80} {
			if len(name) > limit || name != strings.ToLower(name) {
				t.Fatalf("%q: %d bytes, limit %d", name, len(name), limit)
			}
		}
		if n.LogAccount() == n.StateAccount() {
			t.Fatalf("%q twice", n.LogAccount())
		}
	})
}

func FuzzParse(f *testing.F) {
	text, err := good(f, "primary").JSON()
	require.NoError(f, err)
	f.Add(text)
	f.Add("{}")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := settings.Parse(text)
		if err != nil {
			require.ErrorIs(t, err, settings.ErrSettings)
			return
		}
		require.NoError(t, s.Validate())
	})
}
