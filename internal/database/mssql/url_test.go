package mssql

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestURLHidesSecrets(t *testing.T) {
	t.Parallel()
	const secret = "S3cr%40et"
	for _, u := range []URL{
		"sqlserver://sa:" + secret + "@db.example:1433?database=Shop",
		"sqlserver://db.example?database=Shop&user+id=sa&password=" + secret,
		"sqlserver://db.example?database=Shop&fedauth=ActiveDirectoryServicePrincipal&clientassertion=" + secret,
		"sqlserver://sa:S3cr@et#x@db.example:14x33?database=Shop",
		"not a url " + secret,
	} {
		config := Config{URL: u}
		text, err := json.Marshal(config)
		require.NoError(t, err)
		for _, printed := range []string{u.String(), fmt.Sprintf("%v %+v %#v %s", config, config, config, u), string(text)} {
			assert.NotContains(t, printed, "S3cr", "%q", u)
		}
		if _, err := u.connector("test"); err != nil {
			assert.NotContains(t, err.Error(), "S3cr")
		}
	}
	assert.Equal(t, "sqlserver://sa@db.example:1433?database=Shop", URL("sqlserver://sa:x@db.example:1433?database=Shop").String())
}

func TestURLIsEncryptedAndVerifiedUnlessItSaysOtherwise(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, query string
		encrypt     int
		trust       bool
	}{
		{"nothing said", "", 1, false},
		{"strict", "&encrypt=strict", 4, false},
		{"trusting", "&TrustServerCertificate=true", 1, true},
		{"off, in another case", "&Encrypt=disable", 3, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			connector, err := URL("sqlserver://sa:x@db.example?database=Shop" + c.query).connector("test")
			require.NoError(t, err)
			shown := fmt.Sprintf("%+v", connector)
			assert.Contains(t, shown, fmt.Sprintf("Encryption:%d", c.encrypt))
			assert.Contains(t, shown, fmt.Sprintf("TrustServerCertificate:%v", c.trust))
			assert.Contains(t, shown, "DisableRetry:true")
			assert.Contains(t, shown, "GuidConversion:false")
		})
	}
}

// TestURLThatIsMisread: half a password must not become the host that is asked for.
func TestURLThatIsMisread(t *testing.T) {
	t.Parallel()
	for _, password := range []string{"p@S3cr#x", "p@S3cr/x", "p@S3cr?x", "p#S3cr", "p?S3cr", "1/S3cr", "1?S3cr", "1#S3cr"} {
		u := URL("sqlserver://sa:" + password + "@db.example?database=Shop")
		_, err := u.connector("test")
		require.ErrorIs(t, err, errURL, password)
		assert.NotContains(t, u.String()+err.Error(), "S3cr", password)
	}
}

func TestURLDatabase(t *testing.T) {
	t.Parallel()
	u := URL("sqlserver://sa:x@db.example?Database=Shop&encrypt=strict")
	assert.Equal(t, "Shop", u.Database())
	other, err := u.WithDatabase("Shop 2")
	require.NoError(t, err)
	assert.Equal(t, "Shop 2", other.Database())
	assert.Contains(t, string(other), "encrypt=strict")
	_, err = URL("postgres://x").WithDatabase("y")
	assert.ErrorIs(t, err, errURL)
}
