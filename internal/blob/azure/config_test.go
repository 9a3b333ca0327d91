package azure_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/blob/azure"
)

func TestParseURL(t *testing.T) {
	t.Parallel()
	good := map[string]azure.Location{
		"azblob://uksouth/lifeboat":         {Account: "uksouth", Container: "lifeboat"},
		"azblob://uksouth/life-boat/":       {Account: "uksouth", Container: "life-boat"},
		"azblob://devstoreaccount1/abc/a/b": {Account: "devstoreaccount1", Container: "abc", Prefix: "a/b"},
	}
	for s, want := range good {
		got, err := azure.ParseURL(s)
		require.NoError(t, err, s)
		require.Equal(t, want, got)
		again, err := azure.ParseURL(got.String())
		require.NoError(t, err)
		require.Equal(t, got, again)
	}
	bad := map[string]string{
		"":                                     "azblob://ACCOUNT",
		"uksouth/lifeboat":                     "azblob://ACCOUNT",
		"https://uksouth/lifeboat":             "azblob://ACCOUNT",
		"azblob://uksouth":                     "container",
		"azblob://UKSouth/lifeboat":            "account",
		"azblob://uksouth:443/lifeboat":        "account",
		"azblob://uk/lifeboat":                 "account",
		"azblob://uksouth/Lifeboat":            "container",
		"azblob://uksouth/a--b":                "container",
		"azblob://uksouth/$root":               "container",
		"azblob://uksouth/abc/../x":            "prefix",
		"azblob://uksouth/abc//x":              "prefix",
		"azblob://uksouth/abc?sv=1&sig=SECRET": "by environment or file",
		"azblob://user:SECRET@uksouth/abc":     "by environment or file",
		"azblob://uksouth/abc#SECRET":          "by environment or file",
		"azblob://uksouth/abc/\x7f?sig=SECRET": "azblob://ACCOUNT",
		"azblob://a/b?sig=SECRET":              "container",
		"azblob://uksouth/abc?":                "by environment or file",
	}
	for s, says := range bad {
		_, err := azure.ParseURL(s)
		require.ErrorContains(t, err, says, s)
		require.NotContains(t, err.Error(), "SECRET")
	}
}

func FuzzParseURL(f *testing.F) {
	f.Add("azblob://uksouth/lifeboat/prefix")
	f.Add("azblob://uksouth/abc?sig=1")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := azure.ParseURL(s)
		if err != nil {
			return
		}
		again, err := azure.ParseURL(l.String())
		require.NoError(t, err)
		require.Equal(t, l, again)
		_, err = azure.Open(azure.Config{Location: l, SAS: "sv=1"})
		require.NoError(t, err)
	})
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	ok := azure.Config{Location: azure.Location{Account: "uksouth", Container: "log"}, SAS: "sv=1&sig=SECRET"}
	_, err := azure.Open(ok)
	require.NoError(t, err)
	tests := []struct {
		name   string
		change func(*azure.Config)
		says   string
	}{
		{"two credentials", func(c *azure.Config) { c.Key = "a2V5" }, "one of token, key and SAS"},
		{"key that is none", func(c *azure.Config) { c.SAS, c.Key = "", "SECRET%%" }, "not base64"},
		{"cloud", func(c *azure.Config) { c.Cloud = "moon" }, "cloud \"moon\""},
		{"cloud beside an endpoint", func(c *azure.Config) { c.Cloud, c.Endpoint = "moon", "https://x" }, "cloud \"moon\""},
		{"endpoint", func(c *azure.Config) { c.Endpoint = "uksouth.blob" }, "https://HOST"},
		{"endpoint with a SAS", func(c *azure.Config) { c.Endpoint = "https://x/?sig=SECRET" }, "no query"},
		{"clear text", func(c *azure.Config) { c.Endpoint = "http://storage.example.org" }, "clear text"},
		{"all at once", func(c *azure.Config) { c.Location = azure.Location{} }, "container"},
	}
	for _, tt := range tests {
		c := ok
		tt.change(&c)
		_, err := azure.Open(c)
		require.ErrorContains(t, err, tt.says, tt.name)
		require.NotContains(t, err.Error(), "SECRET", tt.name)
	}
	for _, endpoint := range []string{"http://127.0.0.1:10000/uksouth", "http://[::1]:1/x", "http://localhost:1/x", "https://uksouth.z1.blob.storage.azure.net"} {
		c := ok
		c.Endpoint = endpoint
		_, err := azure.Open(c)
		require.NoError(t, err, endpoint)
	}
	for _, cloud := range []string{azure.Public, azure.Government, azure.China} {
		_, err := azure.Open(azure.Config{Location: ok.Location, Cloud: cloud})
		require.NoError(t, err, "entra id in %s", cloud)
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	t.Parallel()
	c := azure.Config{Key: "SECRET1", SAS: "SECRET2"}
	marshalled, err := json.Marshal(c)
	require.NoError(t, err)
	for _, s := range []string{
		fmt.Sprint(c), fmt.Sprintf("%+v", c), fmt.Sprintf("%#v", c), fmt.Sprintf("%s %v %q", c.Key, c.SAS, c.SAS), string(marshalled),
		c.Key.LogValue().String(),
	} {
		require.NotContains(t, s, "SECRET")
	}
}
