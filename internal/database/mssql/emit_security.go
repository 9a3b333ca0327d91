package mssql

import (
	"fmt"
	"strconv"
	"strings"

	"lifeboat/internal/database"
)

// principals emits users, roles and memberships. Passwords and logins are not in a
// database and are not carried.
func (b *builder) principals() {
	for _, p := range b.c.Principals {
		name := plainPart(p.Name)
		switch p.Type {
		case "R":
			b.add(node{rank: rankRole, Object: database.Object{Kind: "role", Name: name, SQL: "CREATE ROLE " + quote(p.Name)}})
			if p.Owner != "" && p.Owner != "dbo" {
				b.owner("role "+name, "ROLE::"+quote(p.Name), p.Owner)
			}
		case "S", "U", "G", "E", "X":
			b.add(node{rank: rankUser, Object: database.Object{Kind: "user", Name: name, SQL: b.userSQL(p)}})
		default:
			b.unmodelled(otherRow{"principal", name}, "principals of type "+p.Type+" are not modelled")
		}
	}
	for _, m := range b.c.Members {
		b.add(node{rank: rankMember, Object: database.Object{Kind: "member", Name: plainPart(m.Role) + " " + plainPart(m.Member), SQL: memberSQL(m)}})
	}
}

// userSQL makes a user that works without asking a directory: an Entra user by its SID,
// a user of a login if the server has that login, anyone else without a login, so that
// what is granted to it is not lost.
func (b *builder) userSQL(p principalRow) string {
	options := ""
	if p.DefaultSchema != "" && p.DefaultSchema != "dbo" && p.Type != "X" {
		options = ", DEFAULT_SCHEMA = " + quote(p.DefaultSchema)
	}
	with := ""
	if options != "" {
		with = " WITH " + options[2:]
	}
	name := plainPart(p.Name)
	switch {
	case p.Type == "E" || p.Type == "X":
		return entraUserSQL(p) + options
	case p.Auth == "NONE":
		return "CREATE USER " + quote(p.Name) + " WITHOUT LOGIN" + with
	case p.Auth == "DATABASE":
		b.notCarried = append(b.notCarried, "user "+name+" (its password; it is restored without a login)")
		return "CREATE USER " + quote(p.Name) + " WITHOUT LOGIN" + with
	}
	b.notCarried = append(b.notCarried, "user "+name+" (its login, which belongs to the server)")
	return fmt.Sprintf("IF SUSER_ID(%s) IS NOT NULL CREATE USER %s FOR LOGIN %s%s ELSE CREATE USER %s WITHOUT LOGIN%s",
		literal(p.Name), quote(p.Name), quote(p.Name), with, quote(p.Name), with)
}

// owners emits the owners of schemas and objects that are not who they would be.
func (b *builder) owners() {
	for _, s := range b.c.Schemas {
		if s.Name != "dbo" && s.Owner != "" && s.Owner != "dbo" {
			b.owner("schema "+plainPart(s.Name), "SCHEMA::"+quote(s.Name), s.Owner)
		}
	}
	for _, t := range b.c.Tables {
		if t.Owner != "" && !b.leftOut[t.ID] {
			b.owner("table "+b.objects[t.ID].String(), "OBJECT::"+b.objects[t.ID].SQL(), t.Owner)
		}
	}
	for _, m := range b.c.Modules {
		if m.Owner != "" && m.Type != "TR" {
			b.owner(b.objects[m.ID].String(), "OBJECT::"+b.objects[m.ID].SQL(), m.Owner)
		}
	}
}

func (b *builder) owner(name, securable, owner string) {
	b.add(node{rank: rankOwner, Object: database.Object{Kind: "owner", Name: name, SQL: "ALTER AUTHORIZATION ON " + securable + " TO " + quote(owner)}})
}

func (b *builder) permissions() {
	for _, g := range b.c.Grants {
		on, ok := b.securable(g)
		if !ok {
			continue
		}
		verb, option := "GRANT", ""
		switch g.State {
		case "DENY":
			verb = "DENY"
		case "REVOKE":
			verb = "REVOKE"
		case "GRANT_WITH_GRANT_OPTION":
			option = " WITH GRANT OPTION"
		}
		to := " TO "
		if verb == "REVOKE" {
			to = " FROM "
		}
		sql := verb + " " + g.Permission + on + to + quote(g.Grantee) + option
		b.add(node{rank: rankPermission, Object: database.Object{Kind: "permission",
			Name: strings.TrimSpace(plainPart(g.Grantee) + " " + strings.ToLower(g.Permission) + strings.TrimPrefix(on, " ON")), SQL: sql}})
	}
}

// securable is what a permission is on, as " ON CLASS::name"; ok is false if that is not
// carried.
func (b *builder) securable(g permissionRow) (string, bool) {
	switch g.Class {
	case "DATABASE":
		return "", true
	case "SCHEMA":
		return " ON SCHEMA::" + quote(b.schemas[g.Major]), b.schemas[g.Major] != ""
	case "OBJECT_OR_COLUMN":
		o, ok := b.objects[g.Major]
		if !ok || b.leftOut[g.Major] {
			return "", false
		}
		if g.Column != "" {
			return " ON OBJECT::" + o.SQL() + " (" + quote(g.Column) + ")", true
		}
		return " ON OBJECT::" + o.SQL(), true
	case "TYPE":
		if t := b.types[g.Major]; t != nil {
			return " ON TYPE::" + object{b.schemas[t.SchemaID], t.Name}.SQL(), true
		}
	case "DATABASE_PRINCIPAL":
		for _, p := range b.c.Principals {
			if p.ID == g.Major {
				kind := "USER"
				if p.Type == "R" {
					kind = "ROLE"
				}
				return " ON " + kind + "::" + quote(p.Name), true
			}
		}
	case "XML_SCHEMA_COLLECTION":
		if name := b.xmlCollection(g.Major); name != "" {
			if o, err := parseObject(name); err == nil {
				return " ON XML SCHEMA COLLECTION::" + o.SQL(), true
			}
		}
	}
	b.unmodelled(otherRow{"permission", plainPart(g.Grantee) + " " + strings.ToLower(g.Permission) + " on " +
		strings.ToLower(g.Class) + " " + strconv.Itoa(g.Major)}, "permissions of this class are not modelled")
	return "", false
}

// properties emits extended properties.
func (b *builder) properties() {
	for _, p := range b.c.Properties {
		levels, where, ok := b.propertyLevels(p)
		if !ok {
			continue
		}
		name := strings.TrimSpace(where + " " + plainPart(p.Name))
		value, ok := propertyValue(p)
		if !ok {
			b.unmodelled(otherRow{"extended property", name}, "a value of type "+p.Base+" is not modelled")
			continue
		}
		b.add(node{rank: rankProperty, Object: database.Object{Kind: "extended property", Name: name,
			SQL: "DECLARE @value sql_variant = " + value + "; EXEC sys.sp_addextendedproperty @name = " + literal(p.Name) + ", @value = @value" + levels}})
	}
}

func propertyValue(p propertyRow) (string, bool) {
	switch p.Base {
	case "nvarchar", "nchar":
		return literal(p.Value), true
	case "varchar", "char":
		return "'" + strings.ReplaceAll(p.Value, "'", "''") + "'", true
	case "int", "bigint", "smallint", "tinyint", "bit":
		return "CAST(" + p.Value + " AS " + p.Base + ")", true
	case "":
		return "NULL", true
	}
	return "", false
}

// propertyLevels are the @level arguments of what a property belongs to, and its name.
func (b *builder) propertyLevels(p propertyRow) (args, where string, ok bool) {
	level := func(n int, kind, name string) string {
		return fmt.Sprintf(", @level%dtype = %s, @level%dname = %s", n, literal(kind), n, literal(name))
	}
	inSchema := func(o object, kind string) string { return level(0, "SCHEMA", o.Schema) + level(1, kind, o.Name) }
	switch p.Class {
	case 0:
		return "", "", true
	case 3:
		return level(0, "SCHEMA", b.schemas[p.Major]), plainPart(b.schemas[p.Major]), b.schemas[p.Major] != ""
	case 6:
		if t := b.types[p.Major]; t != nil {
			o := object{b.schemas[t.SchemaID], t.Name}
			return inSchema(o, "TYPE"), o.String(), true
		}
	case 1, 2, 7:
		if b.leftOut[p.Major] {
			return "", "", false
		}
		if o, parent, kind, found := b.propertyOwner(p.Major); found {
			args, where = inSchema(o, kind), o.String()
			if parent != "" {
				child := "CONSTRAINT"
				if b.kinds[p.Major] == "TRIGGER" {
					child = "TRIGGER"
				}
				return args + level(2, child, parent), where + "." + plainPart(parent), true
			}
			if p.Minor > 0 {
				return args + level(2, map[int]string{1: "COLUMN", 2: "PARAMETER", 7: "INDEX"}[p.Class], p.Part), where + "." + plainPart(p.Part), true
			}
			return args, where, true
		}
	}
	b.unmodelled(otherRow{"extended property", fmt.Sprintf("%s (class %d, %d)", plainPart(p.Name), p.Class, p.Major)}, "it belongs to something that is not modelled")
	return "", "", false
}

// propertyOwner is the schema-scoped object an id stands for; a constraint or a trigger
// is a part of its table.
func (b *builder) propertyOwner(id int) (o object, part, kind string, ok bool) {
	child := func(parent int, name string) (object, string, string, bool) {
		o, ok := b.objects[parent]
		return o, name, b.kinds[parent], ok && !b.leftOut[parent]
	}
	for _, d := range b.c.Defaults {
		if d.ID == id {
			return child(d.ObjectID, d.Name)
		}
	}
	for _, d := range b.c.Checks {
		if d.ID == id {
			return child(d.ObjectID, d.Name)
		}
	}
	for _, f := range b.c.Keys {
		if f.ID == id {
			return child(f.ObjectID, f.Name)
		}
	}
	for _, m := range b.c.Modules {
		if m.ID == id && m.Type == "TR" {
			return child(m.ParentID, m.Name)
		}
	}
	o, ok = b.objects[id]
	return o, "", b.kinds[id], ok
}
