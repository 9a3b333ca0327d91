package mssql

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"lifeboat/internal/database"
)

// capabilities is everything that differs between engines that speak T-SQL. What SQL
// Server and Azure SQL have is the first choice everywhere; another engine is served only
// by what is said here, found out once per connection pool.
type capabilities struct {
	Product string // "SQL Server", "Azure SQL Database", "Azure SQL Managed Instance", "Babelfish"
	Version string
	Edition string
	azure   bool // Azure SQL Database: no instance, one database

	// rawText: text cast to varbinary gives exactly the bytes stored.
	rawText bool
	// transactionID is the expression for the current transaction's id.
	transactionID string
	// sequenceCache is what a sequence is declared with so that numbers are given in the
	// order of time across sessions, without a log write for each.
	sequenceCache string
	// sequentialKey is the option of a primary key that takes rows at its end from many
	// sessions at once.
	sequentialKey string
	// triggerOrder: sp_settriggerorder exists.
	triggerOrder bool
	// foldedNames: sys views give lower-case names; INFORMATION_SCHEMA has the declared ones.
	foldedNames bool
	// executeAs: modules may run as another user.
	executeAs bool
	// alterDatabase: options of the database can be set by statement.
	alterDatabase bool
	// xmlSchemas: collections of XML schemas exist.
	xmlSchemas bool
	// reseedVirgin: a table that never had a row gives out first what it is reseeded to,
	// not what follows it.
	reseedVirgin bool
	// rowCounts: sys.partitions counts rows.
	rowCounts bool
	// updateStatistics: UPDATE STATISTICS exists.
	updateStatistics bool
	// appLock: sp_getapplock locks between sessions.
	appLock bool
}

// oldest is SQL Server 2016, the first with CURRENT_TRANSACTION_ID.
const oldest = 13

const detectSQL = `SELECT CAST(SERVERPROPERTY('EngineEdition') AS int),
CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)),
COALESCE(CAST(SERVERPROPERTY('Edition') AS nvarchar(128)), N''),
COALESCE(CAST(SERVERPROPERTY('BabelfishVersion') AS nvarchar(128)), N''),
CAST(N'A' + NCHAR(8364) AS varbinary(8))`

// detect asks the server what it is.
func detect(ctx context.Context, conn *sql.Conn) (capabilities, error) {
	var edition int
	var c capabilities
	var babelfish string
	var raw []byte
	if err := conn.QueryRowContext(ctx, detectSQL).Scan(&edition, &c.Version, &c.Edition, &babelfish, &raw); err != nil {
		return c, fmt.Errorf("ask the server for its version: %w", err)
	}
	c.rawText = string(raw) == "A\x00\xac\x20"
	if babelfish != "" {
		c.Product, c.Version = "Babelfish", babelfish
		c.transactionID = "txid_current()"
		c.foldedNames = true
		return c, nil
	}
	return c.microsoft(edition)
}

func (c capabilities) microsoft(edition int) (capabilities, error) {
	switch edition {
	case 5:
		c.Product, c.azure = "Azure SQL Database", true
	case 8:
		c.Product = "Azure SQL Managed Instance"
	case 1, 2, 3, 4, 9:
		c.Product = "SQL Server"
	default:
		return c, fmt.Errorf("%w: engine edition %d (version %s)", database.ErrUnsupported, edition, c.Version)
	}
	var major int
	if _, err := fmt.Sscanf(c.Version, "%d.", &major); err != nil {
		return c, fmt.Errorf("%w: version %q", database.ErrUnsupported, c.Version)
	}
	if c.Product == "SQL Server" && major < oldest {
		return c, fmt.Errorf("%w: SQL Server version %s is older than 2016", database.ErrUnsupported, c.Version)
	}
	c.transactionID = "CURRENT_TRANSACTION_ID()"
	c.sequenceCache = " CACHE 1000"
	if c.azure || major >= 15 { // SQL Server 2019
		c.sequentialKey = " WITH (OPTIMIZE_FOR_SEQUENTIAL_KEY = ON)"
	}
	c.triggerOrder, c.executeAs, c.alterDatabase, c.xmlSchemas, c.appLock = true, true, true, true, true
	c.reseedVirgin, c.updateStatistics, c.rowCounts = true, true, true
	return c, nil
}

// String is what an operator reads.
func (c capabilities) String() string {
	return strings.TrimSpace(c.Product + " " + c.Version + " " + c.Edition)
}
