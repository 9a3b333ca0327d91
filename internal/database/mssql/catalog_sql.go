package mssql

import "strings"

// The queries below name every column they read after the field it goes into. They use
// nothing newer than SQL Server 2016 except through views.column.

func schemasSQL() string {
	return `SELECT s.schema_id AS ID, s.name AS Name, COALESCE(p.name, N'') AS Owner
FROM sys.schemas AS s LEFT JOIN sys.database_principals AS p ON p.principal_id = s.principal_id
WHERE s.name NOT IN ('sys', 'INFORMATION_SCHEMA', 'guest', 'cdc', '` + schemaName + `')
AND NOT EXISTS (SELECT 1 FROM sys.database_principals AS f WHERE f.name = s.name AND f.is_fixed_role = 1 AND s.name <> 'dbo')
ORDER BY s.name`
}

func principalsSQL() string {
	return `SELECT p.principal_id AS ID, p.name AS Name, RTRIM(CAST(p.type AS nvarchar(2))) AS Type,
COALESCE(p.default_schema_name, N'') AS DefaultSchema, p.sid AS SID, p.is_fixed_role AS Fixed, COALESCE(o.name, N'') AS Owner,
CAST(COALESCE(p.authentication_type_desc, N'') AS nvarchar(60)) AS Auth
FROM sys.database_principals AS p LEFT JOIN sys.database_principals AS o ON o.principal_id = p.owning_principal_id
WHERE p.principal_id > 4 AND p.is_fixed_role = 0 ORDER BY p.name`
}

func membersSQL() string {
	return `SELECT r.name AS Role, m.name AS Member FROM sys.database_role_members AS x
JOIN sys.database_principals AS r ON r.principal_id = x.role_principal_id
JOIN sys.database_principals AS m ON m.principal_id = x.member_principal_id
WHERE m.name <> 'dbo' ORDER BY r.name, m.name`
}

func grantsSQL() string {
	return `SELECT CAST(x.class_desc AS nvarchar(60)) AS Class, x.major_id AS Major, x.minor_id AS Minor,
COALESCE(c.name, N'') AS [Column], g.name AS Grantee, CAST(x.permission_name AS nvarchar(128)) AS Permission,
CAST(x.state_desc AS nvarchar(60)) AS State
FROM sys.database_permissions AS x
JOIN sys.database_principals AS g ON g.principal_id = x.grantee_principal_id
LEFT JOIN sys.columns AS c ON x.class = 1 AND c.object_id = x.major_id AND c.column_id = x.minor_id
WHERE (x.class <> 1 OR EXISTS (SELECT 1 FROM sys.objects AS o WHERE o.object_id = x.major_id AND ` + userObject + `))
AND (x.class <> 3 OR SCHEMA_NAME(x.major_id) <> '` + schemaName + `')
AND g.name <> 'dbo' AND g.is_fixed_role = 0
ORDER BY x.class, x.major_id, x.minor_id, g.name, x.permission_name`
}

func typesSQL() string {
	return `SELECT t.user_type_id AS ID, t.schema_id AS SchemaID, t.name AS Name, COALESCE(b.name, N'') AS Base,
t.max_length AS Bytes, t.precision AS Prec, t.scale AS Scale, t.is_nullable AS Nullable, t.is_table_type AS IsTable,
COALESCE(tt.type_table_object_id, 0) AS TableID, COALESCE(tt.is_memory_optimized, 0) AS Memory
FROM sys.types AS t LEFT JOIN sys.types AS b ON b.user_type_id = t.system_type_id
LEFT JOIN sys.table_types AS tt ON tt.user_type_id = t.user_type_id
WHERE t.is_user_defined = 1 AND t.is_assembly_type = 0 ORDER BY t.schema_id, t.name`
}

func xmlCollectionsSQL() string {
	return `SELECT x.xml_collection_id AS ID, x.schema_id AS SchemaID, x.name AS Name,
CAST(XML_SCHEMA_NAMESPACE(SCHEMA_NAME(x.schema_id), x.name) AS nvarchar(max)) AS [Text]
FROM sys.xml_schema_collections AS x WHERE x.xml_collection_id > 1 AND SCHEMA_NAME(x.schema_id) <> 'sys' ORDER BY x.schema_id, x.name`
}

func sequencesSQL() string {
	return `SELECT o.object_id AS ID, o.schema_id AS SchemaID, o.name AS Name, b.name AS Base, o.precision AS Prec,
CAST(o.start_value AS nvarchar(50)) AS Start, CAST(o.increment AS nvarchar(50)) AS Increment,
CAST(o.minimum_value AS nvarchar(50)) AS [Min], CAST(o.maximum_value AS nvarchar(50)) AS [Max], o.is_cycling AS Cycling,
o.is_cached AS Cached, COALESCE(o.cache_size, 0) AS CacheSize, N'' AS [Current]
FROM sys.sequences AS o JOIN sys.types AS b ON b.user_type_id = o.system_type_id
WHERE ` + userObject + ` ORDER BY o.schema_id, o.name`
}

func tablesSQL(v views) string {
	tracked := "0"
	if v.has("change_tracking_tables") {
		tracked = "CASE WHEN EXISTS (SELECT 1 FROM sys.change_tracking_tables AS ct WHERE ct.object_id = o.object_id) THEN 1 ELSE 0 END"
	}
	return `SELECT o.object_id AS ID, o.schema_id AS SchemaID, o.name AS Name, COALESCE(p.name, N'') AS Owner,
COALESCE(` + v.column("tables", "o", "temporal_type", "0") + `, 0) AS Temporal, COALESCE(` + v.column("tables", "o", "history_table_id", "0") + `, 0) AS HistoryID,
COALESCE(` + v.column("tables", "o", "history_retention_period", "-1") + `, -1) AS Retention,
COALESCE(o.is_memory_optimized, 0) AS Memory, o.is_filetable AS FileTable, COALESCE(` + v.column("tables", "o", "is_external", "0") + `, 0) AS [External],
COALESCE(` + v.column("tables", "o", "is_node", "0") + `, 0) AS Node, COALESCE(` + v.column("tables", "o", "is_edge", "0") + `, 0) AS Edge,
COALESCE(` + v.column("tables", "o", "ledger_type", "0") + `, 0) AS Ledger, CAST(o.lock_escalation_desc AS nvarchar(60)) AS Escalation,
COALESCE(o.large_value_types_out_of_row, 0) AS LargeOutOfRow, ` + tracked + ` AS TracksChanges, o.is_tracked_by_cdc AS CDC
FROM sys.tables AS o LEFT JOIN sys.database_principals AS p ON p.principal_id = o.principal_id
WHERE ` + userObject + ` ORDER BY o.schema_id, o.name`
}

func columnsSQL(v views) string {
	mask, masks := "N''", ""
	if v.has("masked_columns") {
		mask, masks = "COALESCE(m.masking_function, N'')", "\nLEFT JOIN sys.masked_columns AS m ON m.object_id = x.object_id AND m.column_id = x.column_id AND m.is_masked = 1"
	}
	return `SELECT x.object_id AS ObjectID, x.column_id AS ID, x.name AS Name, x.user_type_id AS TypeID,
COALESCE(b.name, u.name, N'') AS Base, x.max_length AS Bytes, x.precision AS Prec, x.scale AS Scale,
COALESCE(CAST(x.collation_name AS nvarchar(128)), N'') AS Collation, COALESCE(CAST(COLLATIONPROPERTY(x.collation_name, 'CodePage') AS int), 0) AS CodePage,
x.is_nullable AS Nullable, CASE WHEN x.is_ansi_padded = 0 AND b.name IN ('char', 'varchar', 'binary', 'varbinary') THEN 1 ELSE 0 END AS Unpadded,
x.is_rowguidcol AS RowGUID, x.is_sparse AS Sparse, x.is_column_set AS ColumnSet, x.is_filestream AS FileStream,
x.xml_collection_id AS XMLID, x.is_xml_document AS XMLDoc, COALESCE(` + v.column("columns", "x", "generated_always_type", "0") + `, 0) AS Generated,
CASE WHEN ` + v.column("columns", "x", "encryption_type", "NULL") + ` IS NULL THEN 0 ELSE 1 END AS Encrypted,
COALESCE(` + v.column("columns", "x", "is_hidden", "0") + `, 0) AS Hidden, COALESCE(` + v.column("columns", "x", "graph_type", "0") + `, 0) AS GraphType,
CASE WHEN x.rule_object_id <> 0 OR EXISTS (SELECT 1 FROM sys.objects AS d WHERE d.object_id = x.default_object_id AND d.type = 'D' AND d.parent_object_id = 0) THEN 1 ELSE 0 END AS [Rule],
` + mask + ` AS Mask, x.is_identity AS [Identity],
COALESCE(CAST(i.seed_value AS nvarchar(50)), CAST(IDENT_SEED(QUOTENAME(OBJECT_SCHEMA_NAME(i.object_id)) + '.' + QUOTENAME(OBJECT_NAME(i.object_id))) AS nvarchar(50)), N'') AS Seed,
COALESCE(CAST(i.increment_value AS nvarchar(50)), CAST(IDENT_INCR(QUOTENAME(OBJECT_SCHEMA_NAME(i.object_id)) + '.' + QUOTENAME(OBJECT_NAME(i.object_id))) AS nvarchar(50)), N'') AS Increment,
COALESCE(i.is_not_for_replication, 0) AS NotForRepl, x.is_computed AS Computed, COALESCE(f.definition, N'') AS Definition, COALESCE(f.is_persisted, 0) AS Persisted
FROM sys.columns AS x LEFT JOIN sys.types AS b ON b.user_type_id = x.system_type_id LEFT JOIN sys.types AS u ON u.user_type_id = x.user_type_id
LEFT JOIN sys.identity_columns AS i ON i.object_id = x.object_id AND i.column_id = x.column_id
LEFT JOIN sys.computed_columns AS f ON f.object_id = x.object_id AND f.column_id = x.column_id` + masks + `
WHERE ` + userColumns + ` ORDER BY x.object_id, x.column_id`
}

func indexesSQL(v views) string {
	return `SELECT x.object_id AS ObjectID, x.index_id AS ID, COALESCE(x.name, N'') AS Name, CAST(x.type_desc AS nvarchar(60)) AS Type,
x.is_unique AS [Unique], x.is_primary_key AS PrimaryKey, x.is_unique_constraint AS UniqueKey, x.ignore_dup_key AS IgnoreDup,
x.fill_factor AS Fill, x.is_padded AS Padded, x.is_disabled AS Disabled, 1 - x.allow_row_locks AS NoRowLocks, 1 - x.allow_page_locks AS NoPageLocks,
COALESCE(x.filter_definition, N'') AS Filter, COALESCE(` + v.column("indexes", "x", "optimize_for_sequential_key", "0") + `, 0) AS Sequential,
COALESCE((SELECT MAX(CAST(p.data_compression_desc AS nvarchar(60))) FROM sys.partitions AS p WHERE p.object_id = x.object_id AND p.index_id = x.index_id), N'NONE') AS Compression,
CASE WHEN EXISTS (SELECT 1 FROM sys.partition_schemes AS ps WHERE ps.data_space_id = x.data_space_id) THEN 1 ELSE 0 END AS Partitioned
FROM sys.indexes AS x WHERE x.is_hypothetical = 0 AND ` + userRelation + ` ORDER BY x.object_id, x.index_id`
}

func indexColumnsSQL() string {
	return `SELECT x.object_id AS ObjectID, x.index_id AS IndexID, x.key_ordinal AS Ordinal, x.index_column_id AS Place, x.column_id AS ColumnID,
x.is_descending_key AS [Desc], x.is_included_column AS Included
FROM sys.index_columns AS x WHERE ` + userRelation + ` ORDER BY x.object_id, x.index_id, x.key_ordinal, x.index_column_id`
}

func defaultsSQL() string {
	return `SELECT d.object_id AS ID, d.parent_object_id AS ObjectID, d.parent_column_id AS ColumnID, d.name AS Name, d.definition AS Definition
FROM sys.default_constraints AS d JOIN sys.columns AS x ON x.object_id = d.parent_object_id AND x.column_id = d.parent_column_id
WHERE ` + userTable + ` ORDER BY d.parent_object_id, d.parent_column_id`
}

func checksSQL() string {
	return `SELECT d.object_id AS ID, d.parent_object_id AS ObjectID, d.name AS Name, d.definition AS Definition,
d.is_disabled AS Disabled, d.is_not_trusted AS Untrusted, d.is_not_for_replication AS NotForRepl
FROM sys.check_constraints AS d JOIN sys.objects AS x ON x.object_id = d.parent_object_id
WHERE ` + userTable + ` ORDER BY d.parent_object_id, d.name`
}

func foreignKeysSQL() string {
	return `SELECT f.object_id AS ID, f.parent_object_id AS ObjectID, f.referenced_object_id AS ReferencedID, f.name AS Name,
f.is_disabled AS Disabled, f.is_not_trusted AS Untrusted, f.is_not_for_replication AS NotForRepl,
CAST(f.delete_referential_action_desc AS nvarchar(60)) AS OnDelete, CAST(f.update_referential_action_desc AS nvarchar(60)) AS OnUpdate
FROM sys.foreign_keys AS f JOIN sys.tables AS o ON o.object_id = f.parent_object_id WHERE ` + userObject + ` ORDER BY f.parent_object_id, f.name`
}

func foreignKeyColumnsSQL() string {
	return `SELECT x.constraint_object_id AS KeyID, x.constraint_column_id AS Place, x.parent_column_id AS ColumnID, x.referenced_column_id AS Referenced
FROM sys.foreign_key_columns AS x ORDER BY x.constraint_object_id, x.constraint_column_id`
}

func periodsSQL() string {
	return `SELECT x.object_id AS ObjectID, x.start_column_id AS StartID, x.end_column_id AS EndID FROM sys.periods AS x ORDER BY x.object_id`
}

func modulesSQL() string {
	return `SELECT o.object_id AS ID, COALESCE(o.schema_id, 0) AS SchemaID, COALESCE(o.parent_object_id, 0) AS ParentID, o.name AS Name,
RTRIM(CAST(o.type AS nvarchar(2))) AS Type, COALESCE(t.parent_class, 1) AS Class, COALESCE(m.definition, N'') AS Definition, COALESCE(m.uses_ansi_nulls, 1) AS AnsiNulls,
COALESCE(m.uses_quoted_identifier, 1) AS Quoted, COALESCE(m.is_schema_bound, 0) AS Bound, COALESCE(m.uses_native_compilation, 0) AS Native,
COALESCE(t.is_disabled, 0) AS Disabled,
COALESCE(QUOTENAME(OBJECT_SCHEMA_NAME(t.parent_id)) + N'.' + QUOTENAME(OBJECT_NAME(t.parent_id)), N'') AS Parent, COALESCE(p.name, N'') AS Owner
FROM sys.objects AS o LEFT JOIN sys.sql_modules AS m ON m.object_id = o.object_id LEFT JOIN sys.triggers AS t ON t.object_id = o.object_id
LEFT JOIN sys.database_principals AS p ON p.principal_id = o.principal_id
WHERE ` + userObject + ` AND o.type IN ('V', 'P', 'FN', 'IF', 'TF', 'TR') AND o.name NOT LIKE '` + strings.ReplaceAll(triggerPrefix, "_", "[_]") + `%'
UNION ALL
SELECT t.object_id, 0, 0, t.name, N'TR', 0, COALESCE(m.definition, N''), COALESCE(m.uses_ansi_nulls, 1), COALESCE(m.uses_quoted_identifier, 1),
COALESCE(m.is_schema_bound, 0), 0, t.is_disabled, N'', N''
FROM sys.triggers AS t LEFT JOIN sys.sql_modules AS m ON m.object_id = t.object_id WHERE t.parent_class = 0 AND t.is_ms_shipped = 0
ORDER BY SchemaID, Name`
}

func triggerEventsSQL(v views) string {
	return `SELECT e.object_id AS ID, CAST(e.type_desc AS nvarchar(60)) AS Event, COALESCE(` + v.column("trigger_events", "e", "is_first", "0") + `, 0) AS First,
COALESCE(` + v.column("trigger_events", "e", "is_last", "0") + `, 0) AS Last FROM sys.trigger_events AS e JOIN sys.triggers AS t ON t.object_id = e.object_id
WHERE t.is_ms_shipped = 0 ORDER BY e.object_id, e.type`
}

func synonymsSQL() string {
	return `SELECT o.object_id AS ID, o.schema_id AS SchemaID, o.name AS Name, o.base_object_name AS Base FROM sys.synonyms AS o
WHERE ` + userObject + ` ORDER BY o.schema_id, o.name`
}

func statsSQL() string {
	return `SELECT x.object_id AS ObjectID, x.stats_id AS ID, x.name AS Name, COALESCE(x.filter_definition, N'') AS Filter, x.no_recompute AS NoRecomp
FROM sys.stats AS x WHERE x.user_created = 1 AND ` + userRelation + ` ORDER BY x.object_id, x.name`
}

func statColumnsSQL() string {
	return `SELECT x.object_id AS ObjectID, x.stats_id AS StatID, x.stats_column_id AS Place, x.column_id AS ColumnID
FROM sys.stats_columns AS x JOIN sys.stats AS s ON s.object_id = x.object_id AND s.stats_id = x.stats_id
WHERE s.user_created = 1 AND ` + userRelation + ` ORDER BY x.object_id, x.stats_id, x.stats_column_id`
}

func policiesSQL() string {
	return `SELECT o.object_id AS ID, o.schema_id AS SchemaID, o.name AS Name, o.is_enabled AS Enabled, o.is_not_for_replication AS NotForRepl,
o.is_schema_bound AS Bound FROM sys.security_policies AS o WHERE ` + userObject + ` ORDER BY o.schema_id, o.name`
}

func predicatesSQL() string {
	return `SELECT x.object_id AS PolicyID, x.target_object_id AS TargetID, x.predicate_definition AS Definition,
CAST(x.predicate_type_desc AS nvarchar(60)) AS Type, COALESCE(CAST(x.operation_desc AS nvarchar(60)), N'') AS Operation
FROM sys.security_predicates AS x ORDER BY x.object_id, x.security_predicate_id`
}

func propertiesSQL() string {
	return `SELECT e.class AS Class, e.major_id AS Major, e.minor_id AS Minor, e.name AS Name,
COALESCE(CAST(SQL_VARIANT_PROPERTY(e.value, 'BaseType') AS nvarchar(128)), N'') AS Base, COALESCE(CAST(e.value AS nvarchar(4000)), N'') AS Value,
COALESCE(c.name, pa.name, i.name, N'') AS Part
FROM sys.extended_properties AS e
LEFT JOIN sys.columns AS c ON e.class = 1 AND e.minor_id > 0 AND c.object_id = e.major_id AND c.column_id = e.minor_id
LEFT JOIN sys.all_parameters AS pa ON e.class = 2 AND pa.object_id = e.major_id AND pa.parameter_id = e.minor_id
LEFT JOIN sys.indexes AS i ON e.class = 7 AND i.object_id = e.major_id AND i.index_id = e.minor_id
WHERE (e.class NOT IN (1, 2, 7) OR EXISTS (SELECT 1 FROM sys.objects AS o WHERE o.object_id = e.major_id AND ` + userObject + `))
AND (e.class <> 3 OR SCHEMA_NAME(e.major_id) <> '` + schemaName + `')
ORDER BY e.class, e.major_id, e.minor_id, e.name`
}

func dependenciesSQL() string {
	return `SELECT DISTINCT d.referencing_id AS [From], d.referenced_id AS [To] FROM sys.sql_expression_dependencies AS d
WHERE d.referenced_id IS NOT NULL AND d.referencing_class IN (1, 12) AND d.referenced_class IN (1, 6, 10) AND d.referencing_id <> d.referenced_id
ORDER BY [From], [To]`
}

// othersSQL finds what has no model: by kind of object first, so that a kind this program
// has never heard of is found too, then what is not an object.
func othersSQL(v views) string {
	parts := []string{`SELECT LOWER(REPLACE(CAST(o.type_desc AS nvarchar(60)), '_', ' ')) AS Kind, COALESCE(SCHEMA_NAME(o.schema_id) + N'.', N'') + o.name AS Name
FROM sys.objects AS o WHERE ` + userObject + `
AND o.type NOT IN ('U', 'V', 'P', 'FN', 'IF', 'TF', 'TR', 'PK', 'UQ', 'F', 'C', 'SO', 'SN', 'TT', 'S', 'IT', 'SP')
AND NOT (o.type = 'D' AND o.parent_object_id <> 0)`}
	for _, o := range []struct{ view, kind, name, where string }{
		{"assemblies", "assembly", "x.name", "CAST(x.is_user_defined AS int) = 1"},
		{"partition_functions", "partition function", "x.name", "1 = 1"},
		{"fulltext_indexes", "full-text index", "OBJECT_SCHEMA_NAME(x.object_id) + N'.' + OBJECT_NAME(x.object_id)", "1 = 1"},
		{"fulltext_catalogs", "full-text catalog", "x.name", "1 = 1"},
		{"certificates", "certificate", "x.name", "x.name NOT LIKE '##%'"},
		{"symmetric_keys", "symmetric key", "x.name", "x.name NOT LIKE '##%'"},
		{"asymmetric_keys", "asymmetric key", "x.name", "x.name NOT LIKE '##%'"},
		{"column_master_keys", "column master key", "x.name", "1 = 1"},
		{"column_encryption_keys", "column encryption key", "x.name", "1 = 1"},
		{"external_data_sources", "external data source", "x.name", "1 = 1"},
		{"external_file_formats", "external file format", "x.name", "1 = 1"},
		{"database_scoped_credentials", "database scoped credential", "x.name", "1 = 1"},
		{"services", "service", "x.name", "x.service_id > 65535"},
		{"plan_guides", "plan guide", "x.name", "1 = 1"},
		{"event_notifications", "event notification", "x.name", "1 = 1"},
		{"numbered_procedures", "numbered procedure", "OBJECT_NAME(x.object_id) + N';' + CAST(x.procedure_number AS nvarchar(10))", "1 = 1"},
		{"sensitivity_classifications", "sensitivity classification", "OBJECT_SCHEMA_NAME(x.major_id) + N'.' + OBJECT_NAME(x.major_id) + N'.' + COL_NAME(x.major_id, x.minor_id)", "x.class = 1"},
		// Without it nothing fires for what an application's trigger changes.
		{"configurations", "server option", "N'nested triggers off'", "x.name = 'nested triggers' AND CAST(x.value_in_use AS int) = 0"},
		{"database_audit_specifications", "database audit specification", "x.name", "1 = 1"},
	} {
		if v.has(o.view) {
			parts = append(parts, "SELECT N'"+o.kind+"', CAST("+o.name+" AS nvarchar(600)) FROM sys."+o.view+" AS x WHERE "+o.where)
		}
	}
	return strings.Join(parts, "\nUNION ALL\n") + "\nORDER BY Kind, Name"
}
