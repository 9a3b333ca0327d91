package mssql

import (
	"context"
	"time"

	"lifeboat/internal/database"
)

// The schema is looked at by every drain, several times a second, so it is not read
// again unless its pulse has changed: counts, dates and checksums over the catalog that
// one query gives. Checksums of 32 bits can miss a change; dates of modification and
// counts stand beside them, and whatever all of them miss is found when the schema is
// read anyway.
const schemaInterval = time.Minute

const pulseSQL = `SELECT CONCAT(
(SELECT CONCAT(COUNT_BIG(*), N' ', SUM(CAST(CHECKSUM(o.object_id, o.name, o.modify_date) AS bigint)), N' ', CONVERT(nvarchar(40), MAX(o.modify_date), 126)) FROM sys.objects AS o WHERE o.is_ms_shipped = 0), N'; ',
(SELECT CONCAT(COUNT_BIG(*), N' ', SUM(CAST(CHECKSUM(c.object_id, c.column_id, c.name, c.user_type_id, c.max_length, c.precision, c.scale, c.collation_name, c.is_nullable) AS bigint))) FROM sys.columns AS c), N'; ',
(SELECT CONCAT(COUNT_BIG(*), N' ', SUM(CAST(CHECKSUM(i.object_id, i.index_id, i.name, i.is_disabled) AS bigint))) FROM sys.indexes AS i), N'; ',
(SELECT CONCAT(COUNT_BIG(*), N' ', SUM(CAST(CHECKSUM(t.object_id, t.is_disabled) AS bigint))) FROM sys.triggers AS t), N'; ',
(SELECT CONCAT(COUNT_BIG(*), N' ', SUM(CAST(CHECKSUM(p.principal_id, p.name, p.modify_date) AS bigint))) FROM sys.database_principals AS p), N'; ',
(SELECT COUNT_BIG(*) FROM sys.database_permissions), N' ', (SELECT COUNT_BIG(*) FROM sys.extended_properties), N' ', (SELECT COUNT_BIG(*) FROM sys.database_role_members))`

// known is a schema and the state of capture as of one pulse.
type known struct {
	pulse  string
	at     time.Time
	schema *database.Schema
	state  *captureState
}

// look returns the schema and the capture state, read again only if something changed.
// What it returns is shared and not to be changed.
func (s *Source) look(ctx context.Context, q querier) (*known, error) {
	pulse, err := one[string](ctx, q, pulseSQL)
	if err != nil {
		return nil, err
	}
	now := s.config.Clock()
	s.mu.Lock()
	k := s.known
	s.mu.Unlock()
	if k != nil && k.pulse == pulse && now.Sub(k.at) < schemaInterval {
		return k, nil
	}
	schema, err := s.readSchema(ctx, q)
	if err != nil {
		return nil, err
	}
	state, err := readState(ctx, q)
	if err != nil {
		return nil, err
	}
	k = &known{pulse: pulse, at: now, schema: schema, state: state}
	s.mu.Lock()
	s.known = k
	s.mu.Unlock()
	return k, nil
}

// readSchema reads the whole schema.
func (s *server) readSchema(ctx context.Context, q querier) (*database.Schema, error) {
	c, err := readCatalog(ctx, q, s.caps, s.views)
	if err != nil {
		return nil, err
	}
	return c.schema(s.config.Allow)
}
