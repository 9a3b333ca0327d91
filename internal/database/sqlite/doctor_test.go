package sqlite_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestDoctor(t *testing.T) {
	t.Parallel()
	db := freshApp(t, suiteTables, "")
	require.NoError(t, db.Exec(
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) INSERT INTO people SELECT 1000 * i, 'name ' || i, i FROM n",
		"INSERT INTO pair VALUES (1, 'b', 2)"))
	r, err := db.source.Doctor(t.Context())
	require.NoError(t, err)
	assert.True(t, r.Ready(), "%+v", r)
	assert.Equal(t, "not installed", r.Capture)
	assert.Equal(t, 5, r.Tables)
	assert.Equal(t, int64(3002), r.Rows, "counted, not taken from row ids")
	assert.Greater(t, r.Bytes, int64(3000*10))
	assert.Positive(t, r.SnapshotBytes)
	assert.LessOrEqual(t, r.SnapshotBytes, r.Bytes)
	assert.Equal(t, []string{"pair_journal on pair"}, r.Triggers)
	assert.Equal(t, "7", r.Settings["user_version"])

	_, err = db.source.Install(t.Context())
	require.NoError(t, err)
	require.NoError(t, db.Exec("UPDATE people SET n = 0 WHERE n < 6"))
	r, err = db.source.Doctor(t.Context())
	require.NoError(t, err)
	assert.Equal(t, "installed", r.Capture)
	assert.Equal(t, int64(10), r.Pending)
	require.NoError(t, db.source.Fence(t.Context(), "tested"))

	require.NoError(t, db.Exec("CREATE TABLE keyless (a INT)"))
	r, err = db.source.Doctor(t.Context())
	require.NoError(t, err, "what cannot be captured is the report, not its failure")
	assert.False(t, r.Ready())
	assert.Equal(t, "tested", r.Fenced)
	assert.Equal(t, "installed for another schema", r.Capture)
}
