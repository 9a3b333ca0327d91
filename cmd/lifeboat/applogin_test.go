package main

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/failover"
	"lifeboat/internal/config"
	"lifeboat/internal/database"
	"lifeboat/internal/database/mssql"
	"lifeboat/internal/repotest"
	"lifeboat/stacks/stackfile"
)

// TestWhetherARestoreLetsTheApplicationIn: by the client id, whatever its user is called.
func TestWhetherARestoreLetsTheApplicationIn(t *testing.T) {
	t.Parallel()
	const client = "00112233-4455-6677-8899-aabbccddeeff"
	want := mssql.EntraUser{Name: "id-careful-ukw-careful", Roles: applicationRoles}
	user := database.Object{Kind: "user", Name: "the application", SQL: "CREATE USER [the application] WITH SID = 0x33221100554477668899AABBCCDDEEFF, TYPE = E"}
	member := database.Object{Kind: "member", Name: "clerks the application", SQL: "ALTER ROLE [clerks] ADD MEMBER [the application]"}
	for name, tt := range map[string]struct {
		objects      []database.Object
		client       string
		says, refuse string
	}{
		"carried": {[]database.Object{user, member}, client, "the user the application for id-careful-ukw-careful, in clerks", ""},
		"no role": {[]database.Object{user}, client, "in no role", ""},
		"another": {[]database.Object{user, member}, "10112233-4455-6677-8899-aabbccddeeff", "",
			"makes no user for id-careful-ukw-careful: CREATE USER [id-careful-ukw-careful] WITH SID = 0x33221110554477668899AABBCCDDEEFF, TYPE = E; " +
				"ALTER ROLE [db_datareader] ADD MEMBER [id-careful-ukw-careful]; ALTER ROLE [db_datawriter] ADD MEMBER [id-careful-ukw-careful]"},
		"odd": {nil, "c", "", "is not a GUID"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			says, err := carriedLogin(&database.Schema{Engine: "mssql", Objects: tt.objects}, want, tt.client)
			if tt.refuse != "" {
				require.ErrorContains(t, err, tt.refuse)
				return
			}
			require.NoError(t, err)
			require.Contains(t, says, tt.says)
		})
	}
}

// TestWhoMakesTheApplicationsUserAtNight: a run says it of the identity that it will make.
func TestWhoMakesTheApplicationsUserAtNight(t *testing.T) {
	t.Parallel()
	s, err := stackfile.Read(filepath.Join(repotest.Root(t), "Pulumi.dr.yaml"))
	require.NoError(t, err)
	e := &expedition{bridge: &bridge{config: &config.File{}, stack: s}, plan: &failover.Plan{ID: "f2603011030", Kind: failover.Failover}}
	note, err := e.loginNote("admins")
	require.NoError(t, err)
	require.Contains(t, note, "a member of admins has to make a user in the new database for the identity id-careful-f2603011030-careful of rg-careful-f2603011030")
}
