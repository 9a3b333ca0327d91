package mssql

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestObjectNames(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		o            object
		text, quoted string
	}{
		{"plain", object{"dbo", "Album"}, "dbo.Album", "[dbo].[Album]"},
		{"spaces", object{"my schema", "Order Details"}, "my schema.Order Details", "[my schema].[Order Details]"},
		{"dots", object{"a.b", "c"}, "[a.b].c", "[a.b].[c]"},
		{"brackets", object{"a", "b]c["}, "a.[b]]c[]", "[a].[b]]c[]"},
		{"an attempt to break out", object{"dbo", "x]; DROP TABLE y--"}, "dbo.[x]]; DROP TABLE y--]", "[dbo].[x]]; DROP TABLE y--]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			assert.Equal(t, c.text, c.o.String())
			assert.Equal(t, c.quoted, c.o.SQL())
			back, err := parseObject(c.text)
			require.NoError(t, err)
			assert.Equal(t, c.o, back)
		})
	}
	for _, bad := range []string{"", "dbo", "a.b.c", "[a.b", "[a].b", "a.[b]", "a.b]c", "."} {
		_, err := parseObject(bad)
		require.Error(t, err, bad)
	}
	assert.Equal(t, "N'it''s'", literal("it's"))
}

func TestObjectNamesRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringMatching(`[a-c.\[\] é']{0,6}`)
		o := object{part.Draw(t, "schema"), part.Draw(t, "name")}
		back, err := parseObject(o.String())
		require.NoError(t, err)
		require.Equal(t, o, back)
	})
}
