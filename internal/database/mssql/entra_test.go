package mssql

import (
	"testing"

	driver "github.com/microsoft/go-mssqldb"
	"github.com/stretchr/testify/require"

	"lifeboat/internal/database"
)

const aClient = "00112233-4455-6677-8899-AABBccddeeff"

func TestEntraUserStatements(t *testing.T) {
	t.Parallel()
	got, err := EntraUser{Name: "id-[a]", Roles: []string{"db_datareader", "my]role"}}.Statements(aClient)
	require.NoError(t, err)
	require.Equal(t, []string{
		"CREATE USER [id-[a]]] WITH SID = 0x33221100554477668899AABBCCDDEEFF, TYPE = E",
		"ALTER ROLE [db_datareader] ADD MEMBER [id-[a]]]",
		"ALTER ROLE [my]]role] ADD MEMBER [id-[a]]]",
	}, got)
	for _, bad := range []string{"", "0x33", "00112233445566778899aabbccddeeff", "001122334455-6677-8899-aabbccddeeff0011", "{0112233-4455-6677-8899-AABBccddeeff", "g0112233-4455-6677-8899-AABBccddeeff"} {
		_, err := EntraUser{Name: "x"}.Statements(bad)
		require.ErrorContains(t, err, "is not a GUID", bad)
	}
}

// TestApplicationSID: the bytes are those that the driver sends for the GUID.
func TestApplicationSID(t *testing.T) {
	t.Parallel()
	var id driver.UniqueIdentifier
	require.NoError(t, id.Scan(aClient))
	want, err := id.Value()
	require.NoError(t, err)
	got, err := applicationSID(aClient)
	require.NoError(t, err)
	require.Equal(t, want, got)
}

// TestFindEntraUser: in what the emitter writes, whatever the user and its roles are called.
func TestFindEntraUser(t *testing.T) {
	t.Parallel()
	sid, err := applicationSID(aClient)
	require.NoError(t, err)
	for _, name := range []string{"id-careful-ukw-careful", "a.b", "id-[a]", "with blank", "] x"} {
		for _, schema := range []string{"", "dbo", "sales"} {
			b := &builder{c: &catalog{
				Principals: []principalRow{
					{Name: "auditors", Type: "R"}, {Name: "other", Type: "E", SID: []byte{1}},
					{Name: name, Type: "E", SID: sid, DefaultSchema: schema, Auth: "EXTERNAL"},
				},
				Members: []memberRow{{"auditors", name}, {"db_datareader", "other"}, {"db_datareader", name}, {"very.odd", name}},
			}}
			b.principals()
			s := &database.Schema{Engine: engine}
			for _, n := range b.nodes {
				s.Objects = append(s.Objects, n.Object)
			}
			u, found, err := FindEntraUser(s, aClient)
			require.NoError(t, err)
			require.True(t, found, name)
			require.Equal(t, EntraUser{Name: name, Roles: []string{"auditors", "db_datareader", "very.odd"}}, u)

			_, found, err = FindEntraUser(s, "10112233-4455-6677-8899-aabbccddeeff")
			require.NoError(t, err)
			require.False(t, found)
			s.Engine = "sqlite"
			_, found, err = FindEntraUser(s, aClient)
			require.NoError(t, err)
			require.False(t, found)
		}
	}
	_, _, err = FindEntraUser(&database.Schema{Engine: engine}, "none")
	require.ErrorContains(t, err, "is not a GUID")
}
