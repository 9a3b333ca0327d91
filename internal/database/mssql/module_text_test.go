package mssql

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRenamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, kind, text, parent, want string
		o                              object
	}{
		{"as created", "P", "CREATE PROCEDURE dbo.P1 AS SELECT 1", "", "CREATE PROCEDURE dbo.P1 AS SELECT 1", object{"dbo", "P1"}},
		{"renamed since", "P", "create proc [dbo].[Old] @a int AS SELECT 1", "", "CREATE proc [dbo].[New] @a int AS SELECT 1", object{"dbo", "New"}},
		{"without a schema", "V", "CREATE VIEW V1 AS SELECT 1 AS a", "", "CREATE VIEW [dbo].[V1] AS SELECT 1 AS a", object{"dbo", "V1"}},
		{"or alter", "FN", "CREATE OR ALTER FUNCTION dbo.f() RETURNS int AS BEGIN RETURN 1 END", "",
			"CREATE FUNCTION dbo.f() RETURNS int AS BEGIN RETURN 1 END", object{"dbo", "f"}},
		{"alter", "V", "ALTER VIEW dbo.v AS SELECT 1 AS a", "", "CREATE VIEW dbo.v AS SELECT 1 AS a", object{"dbo", "v"}},
		{"comments first", "P", "-- CREATE VIEW x\n/* a /* nested */ b */\r\nCREATE /* here */ PROC \"dbo\" . Old AS SELECT 1", "",
			"-- CREATE VIEW x\n/* a /* nested */ b */\r\nCREATE /* here */ PROC [dbo].[New] AS SELECT 1", object{"dbo", "New"}},
		{"trigger and table renamed", "TR", "CREATE TRIGGER dbo.T ON dbo.[Old Table] AFTER INSERT AS SELECT 1", "[dbo].[New Table]",
			"CREATE TRIGGER [dbo].[T2] ON [dbo].[New Table] AFTER INSERT AS SELECT 1", object{"dbo", "T2"}},
		{"brackets in a name", "P", "CREATE PROC dbo.[a]]b] AS SELECT 1", "", "CREATE PROC dbo.[a]]b] AS SELECT 1", object{"dbo", "a]b"}},
		{"letters beyond ASCII", "P", "CREATE PROC dbo.Größe AS SELECT 1", "", "CREATE PROC dbo.Größe AS SELECT 1", object{"dbo", "Größe"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := renamed(c.text, c.kind, c.o, c.parent)
			require.NoError(t, err)
			assert.Equal(t, c.want, got)
		})
	}
	for _, bad := range []string{"", "SELECT 1", "CREATE", "CREATE PROC", "CREATE OR PROC x", "CREATE TABLE dbo.x", "/* open", "CREATE PROC dbo."} {
		_, err := renamed(bad, "P", object{"dbo", "x"}, "")
		assert.ErrorIs(t, err, errHeader, bad)
	}
}

func FuzzRenamed(f *testing.F) {
	f.Add("CREATE /* x */ PROC [dbo].[a]]b] AS SELECT 1", "P")
	f.Add("CREATE TRIGGER a ON b AFTER INSERT AS SELECT 1", "TR")
	f.Fuzz(func(t *testing.T, text, kind string) {
		got, err := renamed(text, kind, object{"dbo", "n"}, "")
		if err == nil {
			again, err := renamed(got, kind, object{"dbo", "n"}, "")
			require.NoError(t, err)
			require.Equal(t, got, again, "naming is stable")
		}
	})
}
