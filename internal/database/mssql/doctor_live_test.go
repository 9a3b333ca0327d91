package mssql_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestLiveDoctor(t *testing.T) {
	t.Parallel()
	db := fresh(t)
	for i := range 30 {
		_, err := db.app.Exec("INSERT INTO dbo.people (id, name) VALUES (@p1, CONCAT(N'name ', @p1))", i)
		require.NoError(t, err)
	}
	r, err := db.source.Doctor(t.Context())
	require.NoError(t, err)
	assert.True(t, r.Ready(), "%+v", r)
	assert.Equal(t, "not installed", r.Capture)
	assert.Equal(t, 5, r.Tables)
	assert.Equal(t, int64(30), r.Rows)
	assert.Positive(t, r.Bytes)
	assert.Positive(t, r.SnapshotBytes)
	assert.Len(t, r.Triggers, 1)
	assert.Contains(t, r.NotCarried, "column dbo.extreme.stamped (rowversion)")
	assert.NotEmpty(t, r.Warnings)
	assert.Equal(t, "on", r.Settings["snapshot_isolation"])
	assert.NotEmpty(t, r.Settings["collation"])

	_, err = db.source.Install(t.Context())
	require.NoError(t, err)
	execAll(t, db.app, "UPDATE dbo.people SET n = 1 WHERE id < 5")
	require.NoError(t, db.source.Fence(t.Context(), "tested"))
	r, err = db.source.Doctor(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "installed", r.Capture)
	assert.Equal(t, int64(10), r.Pending)
	assert.Equal(t, "tested", r.Fenced)
	assert.False(t, r.Ready(), "a fenced database takes no writes")

	execAll(t, db.app, "CREATE TABLE dbo.keyless (a int NULL)")
	r, err = db.source.Doctor(t.Context())
	require.NoError(t, err, "what cannot be captured is the report, not its failure")
	assert.Equal(t, "installed for another schema", r.Capture)
	require.Len(t, r.Refused, 1)
	assert.Contains(t, r.Refused[0], "table dbo.keyless")
}
