package mssql

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"lifeboat/internal/database"
)

// EntraUser is the database user of an application or a managed identity of Entra ID. A
// database knows it by its client id (not by the id of its object in the directory), so it
// can be made before the identity has ever signed in, by a server that cannot read the
// directory.
type EntraUser struct {
	Name  string
	Roles []string // of the database
}

// Statements make the user in a database, given its client id, a GUID: itself, then its
// roles. They are to be run once.
func (u EntraUser) Statements(client string) ([]string, error) {
	sid, err := applicationSID(client)
	if err != nil {
		return nil, err
	}
	list := []string{entraUserSQL(principalRow{Name: u.Name, Type: "E", SID: sid})}
	for _, role := range u.Roles {
		list = append(list, memberSQL(memberRow{role, u.Name}))
	}
	return list, nil
}

// FindEntraUser looks in a schema for the user that its restore makes for the application or
// identity with a client id. Permissions that are granted to the user itself are in the
// schema too, and are not told.
func FindEntraUser(schema *database.Schema, client string) (u EntraUser, found bool, err error) {
	sid, err := applicationSID(client)
	if err != nil {
		return u, false, err
	}
	at := slices.IndexFunc(schema.Objects, func(o database.Object) bool {
		made := entraUserSQL(principalRow{Name: unplainPart(o.Name), Type: "E", SID: sid})
		return o.Kind == "user" && (o.SQL == made || strings.HasPrefix(o.SQL, made+", "))
	})
	if schema.Engine != engine || at < 0 {
		return u, false, nil
	}
	u.Name = unplainPart(schema.Objects[at].Name)
	for _, o := range schema.Objects {
		role, ok := strings.CutSuffix(o.Name, " "+plainPart(u.Name))
		if o.Kind == "member" && ok && o.SQL == memberSQL(memberRow{unplainPart(role), u.Name}) {
			u.Roles = append(u.Roles, unplainPart(role))
		}
	}
	return u, true, nil
}

// applicationSID is what a database has of an application: its client id, as the server
// stores a GUID, its first three numbers with the lowest byte first.
func applicationSID(client string) ([]byte, error) {
	sid, err := hex.DecodeString(strings.ReplaceAll(client, "-", ""))
	if err != nil || len(sid) != 16 || !strings.EqualFold(client, fmt.Sprintf("%x-%x-%x-%x-%x", sid[:4], sid[4:6], sid[6:8], sid[8:10], sid[10:])) {
		return nil, fmt.Errorf("client id %q is not a GUID", client)
	}
	slices.Reverse(sid[:4])
	slices.Reverse(sid[4:6])
	slices.Reverse(sid[6:8])
	return sid, nil
}

func entraUserSQL(p principalRow) string {
	return fmt.Sprintf("CREATE USER %s WITH SID = 0x%s, TYPE = %s", quote(p.Name), strings.ToUpper(hex.EncodeToString(p.SID)), p.Type)
}

func memberSQL(m memberRow) string {
	return "ALTER ROLE " + quote(m.Role) + " ADD MEMBER " + quote(m.Member)
}

// unplainPart undoes plainPart.
func unplainPart(s string) string {
	if part, rest, ok := cutPart(s); ok && rest == "" {
		return part
	}
	return s
}
