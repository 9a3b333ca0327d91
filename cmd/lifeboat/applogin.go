package main

import (
	"context"
	"fmt"
	"strings"

	"lifeboat/failover/preflight"
	"lifeboat/internal/blob"
	"lifeboat/internal/database"
	"lifeboat/internal/database/mssql"
	"lifeboat/restore"
)

// applicationRoles are what most applications need; which ones this one needs, only its
// people know.
var applicationRoles = []string{"db_datareader", "db_datawriter"}

// loginProbe asks whether what a restore makes lets the application in.
func (b *bridge) loginProbe(cloud preflight.Cloud) preflight.Probe {
	lent := b.stack.Lent()
	i := preflight.Identity{Group: lent.Group, Name: lent.Application}
	return preflight.ApplicationLogin(cloud, i, func(ctx context.Context, client string) (string, error) {
		schema, err := restoredSchema(ctx, b.dr)
		if err != nil {
			return "", err
		}
		return carriedLogin(schema, mssql.EntraUser{Name: lent.Application, Roles: applicationRoles}, client)
	})
}

// restoredSchema is that of a restore of everything in a store.
func restoredSchema(ctx context.Context, store blob.Store) (*database.Schema, error) {
	plan, _, err := restore.Prepare(ctx, store, restore.Latest())
	if err != nil {
		return nil, err
	}
	codec, err := restore.NewCodec(1)
	if err != nil {
		return nil, err
	}
	return codec.ReadSchema(ctx, store, plan.Base().Manifest)
}

// carriedLogin tells of the user that a schema has for a client id. The error that there is
// none has the statements that make the one wanted.
func carriedLogin(schema *database.Schema, want mssql.EntraUser, client string) (string, error) {
	have, found, err := mssql.FindEntraUser(schema, client)
	if err != nil {
		return "", err
	}
	if !found {
		statements, err := want.Statements(client)
		if err != nil {
			return "", err
		}
		return "", fmt.Errorf("a restore makes no user for %s: %s (with the roles that the application needs)", want.Name, strings.Join(statements, "; "))
	}
	if len(have.Roles) == 0 {
		return fmt.Sprintf("a restore makes the user %s for %s, in no role: it may do what is granted to itself", have.Name, want.Name), nil
	}
	return fmt.Sprintf("a restore makes the user %s for %s, in %s", have.Name, want.Name, strings.Join(have.Roles, ", ")), nil
}

// loginNote says what has to be done in the night where the application's identity is new.
func (e *expedition) loginNote(admins string) (string, error) {
	derived, err := e.bridge.stack.ForFailover(e.stackRun())
	if err != nil {
		return "", err
	}
	names := derived.Names()
	id := names.Identity(derived.Application.Name)
	return fmt.Sprintf("when the step verify is done, a member of %s has to make a user in the new database for the identity %s of %s, "+
		"or the application cannot sign in; the statements are in docs/failover.md, The application's login; agent.standingIdentity takes that step away", admins, id, names.Group()), nil
}
