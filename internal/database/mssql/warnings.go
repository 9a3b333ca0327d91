package mssql

import (
	"context"

	"lifeboat/internal/database"
)

// warnings are what an operator should know before capture is installed.
func (s *server) warnings(ctx context.Context, q querier, schema *database.Schema) ([]string, error) {
	return nil, nil
}
