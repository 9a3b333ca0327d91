package mssql

import (
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/microsoft/go-mssqldb"
	"github.com/microsoft/go-mssqldb/azuread"
)

// URL says how to reach a database:
//
//	sqlserver://USER:PASSWORD@HOST[:PORT]?database=NAME
//	sqlserver://HOST?database=NAME&fedauth=ActiveDirectoryDefault
//
// with the parameters of go-mssqldb. Unless it says otherwise the connection is
// encrypted and the server's certificate verified. It prints without its secrets.
type URL string

// secretParameters are those of go-mssqldb that must not be seen.
func secretParameters() []string {
	return []string{"password", "clientcertpath", "clientassertion", "systemtoken", "change password", "clientsecret"}
}

// String leaves out the password and every other secret.
func (u URL) String() string {
	parsed, err := url.Parse(string(u))
	if err != nil || parsed.Host == "" || misread(parsed) {
		return "sqlserver://(hidden)"
	}
	shown := url.URL{Scheme: parsed.Scheme, Host: parsed.Host, Path: parsed.Path}
	if parsed.User != nil {
		shown.User = url.User(parsed.User.Username())
	}
	kept := url.Values{}
	for key, values := range parsed.Query() {
		if strings.EqualFold(key, "database") || strings.EqualFold(key, "fedauth") || strings.EqualFold(key, "encrypt") {
			kept[key] = values
		}
	}
	shown.RawQuery = kept.Encode()
	return shown.String()
}

// misread tells whether a special character of a password, not escaped, has put part of it
// where a path, a parameter's name or a fragment stands. The driver would connect to
// another host then, and messages would show that part.
func misread(u *url.URL) bool {
	if u.Fragment != "" || strings.Contains(u.Path, "@") {
		return true
	}
	for part := range strings.SplitSeq(u.RawQuery, "&") {
		if name, _, _ := strings.Cut(part, "="); strings.Contains(name, "@") {
			return true
		}
	}
	return false
}

// GoString is String, so that %#v is safe too.
func (u URL) GoString() string { return u.String() }

// MarshalText is String, so that a printed configuration is safe too.
func (u URL) MarshalText() ([]byte, error) { return []byte(u.String()), nil }

// Database is the name of the database, "" for the login's default.
func (u URL) Database() string {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return ""
	}
	for key, values := range parsed.Query() {
		if strings.EqualFold(key, "database") && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// WithDatabase returns the URL of another database on the same server.
func (u URL) WithDatabase(name string) (URL, error) {
	parsed, err := u.parse()
	if err != nil {
		return "", err
	}
	setParameter(parsed, "database", name)
	return URL(parsed.String()), nil
}

// errURL never holds the text: a password with a special character is easily taken for
// another part of the URL and would be quoted.
var errURL = errors.New("database URL is not sqlserver://USER:PASSWORD@HOST?database=NAME (escape special characters of the password, as in p%40ss)")

func (u URL) parse() (*url.URL, error) {
	parsed, err := url.Parse(string(u))
	if err != nil || parsed.Host == "" || parsed.Scheme != "sqlserver" && parsed.Scheme != "azuresql" || misread(parsed) {
		return nil, errURL
	}
	if _, err := url.ParseQuery(parsed.RawQuery); err != nil {
		return nil, errURL
	}
	parsed.Scheme = "sqlserver"
	return parsed, nil
}

// setParameter replaces a query parameter whatever its case.
func setParameter(u *url.URL, name, value string) {
	q := u.Query()
	for key := range q {
		if strings.EqualFold(key, name) {
			q.Del(key)
		}
	}
	q.Set(name, value)
	u.RawQuery = q.Encode()
}

func hasParameter(u *url.URL, name string) bool {
	for key := range u.Query() {
		if strings.EqualFold(key, name) {
			return true
		}
	}
	return false
}

// sessionInit makes every session alike, whatever the login's or the database's defaults:
// the options that indexes on computed columns and views need, no limit on rows or on
// the size of values, errors that end the transaction they happen in, and counts of rows,
// by which a bulk load is checked.
const sessionInit = `SET ANSI_NULLS ON; SET ANSI_PADDING ON; SET ANSI_WARNINGS ON; SET ARITHABORT ON;
SET CONCAT_NULL_YIELDS_NULL ON; SET QUOTED_IDENTIFIER ON; SET NUMERIC_ROUNDABORT OFF;
SET TEXTSIZE 2147483647; SET ROWCOUNT 0; SET XACT_ABORT ON; SET NOCOUNT OFF; SET IMPLICIT_TRANSACTIONS OFF`

// connector is the driver's connector with safe defaults: encryption on and verified,
// values in UTC and in wire order, and no retries by the driver, which cannot know what
// may be done twice.
func (u URL) connector(application string) (*mssql.Connector, error) {
	parsed, err := u.parse()
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"encrypt": "true", "TrustServerCertificate": "false", "app name": application} {
		if !hasParameter(parsed, name) {
			setParameter(parsed, name, value)
		}
	}
	for name, value := range map[string]string{"guid conversion": "false", "timezone": "UTC", "disableretry": "true", "columnencryption": "false"} {
		setParameter(parsed, name, value)
	}
	c, err := azuread.NewConnector(parsed.String())
	if err != nil {
		return nil, fmt.Errorf("database URL %s: %s", u, u.redact(err.Error()))
	}
	c.SessionInitSQL = sessionInit
	return c, nil
}

// redact takes the URL's secrets out of a message of the driver.
func (u URL) redact(message string) string {
	parsed, err := url.Parse(string(u))
	if err != nil {
		return "(hidden)"
	}
	var secrets []string
	if password, ok := parsed.User.Password(); ok {
		secrets = append(secrets, password)
	}
	for key, values := range parsed.Query() {
		for _, name := range secretParameters() {
			if strings.EqualFold(key, name) {
				secrets = append(secrets, values...)
			}
		}
	}
	for _, s := range secrets {
		if s != "" {
			message = strings.NewReplacer(s, "(hidden)", url.QueryEscape(s), "(hidden)", url.PathEscape(s), "(hidden)").Replace(message)
		}
	}
	return message
}
