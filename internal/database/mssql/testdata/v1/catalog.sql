SELECT CAST(SERVERPROPERTY('EngineEdition') AS int),
CAST(SERVERPROPERTY('ProductVersion') AS nvarchar(128)),
COALESCE(CAST(SERVERPROPERTY('Edition') AS nvarchar(128)), N''),
COALESCE(CAST(SERVERPROPERTY('BabelfishVersion') AS nvarchar(128)), N''),
CAST(N'A' + NCHAR(8364) AS varbinary(8))
GO
SELECT CONCAT(
(SELECT CONCAT(COUNT_BIG(*), N' ', SUM(CAST(CHECKSUM(o.object_id, o.name, o.modify_date) AS bigint)), N' ', CONVERT(nvarchar(40), MAX(o.modify_date), 126)) FROM sys.objects AS o WHERE o.is_ms_shipped = 0), N'; ',
(SELECT CONCAT(COUNT_BIG(*), N' ', SUM(CAST(CHECKSUM(c.object_id, c.column_id, c.name, c.user_type_id, c.max_length, c.precision, c.scale, c.collation_name, c.is_nullable) AS bigint))) FROM sys.columns AS c), N'; ',
(SELECT CONCAT(COUNT_BIG(*), N' ', SUM(CAST(CHECKSUM(i.object_id, i.index_id, i.name, i.is_disabled) AS bigint))) FROM sys.indexes AS i), N'; ',
(SELECT CONCAT(COUNT_BIG(*), N' ', SUM(CAST(CHECKSUM(t.object_id, t.is_disabled) AS bigint))) FROM sys.triggers AS t), N'; ',
(SELECT CONCAT(COUNT_BIG(*), N' ', SUM(CAST(CHECKSUM(p.principal_id, p.name, p.modify_date) AS bigint))) FROM sys.database_principals AS p), N'; ',
(SELECT COUNT_BIG(*) FROM sys.database_permissions), N' ', (SELECT COUNT_BIG(*) FROM sys.extended_properties), N' ', (SELECT COUNT_BIG(*) FROM sys.database_role_members))
GO
SELECT s.schema_id AS ID, s.name AS Name, COALESCE(p.name, N'') AS Owner
FROM sys.schemas AS s LEFT JOIN sys.database_principals AS p ON p.principal_id = s.principal_id
WHERE s.name NOT IN ('sys', 'INFORMATION_SCHEMA', 'guest', 'cdc', 'lifeboat')
AND NOT EXISTS (SELECT 1 FROM sys.database_principals AS f WHERE f.name = s.name AND f.is_fixed_role = 1 AND s.name <> 'dbo')
ORDER BY s.name
GO
SELECT p.principal_id AS ID, p.name AS Name, RTRIM(CAST(p.type AS nvarchar(2))) AS Type,
COALESCE(p.default_schema_name, N'') AS DefaultSchema, p.sid AS SID, p.is_fixed_role AS Fixed, COALESCE(o.name, N'') AS Owner,
CAST(COALESCE(p.authentication_type_desc, N'') AS nvarchar(60)) AS Auth
FROM sys.database_principals AS p LEFT JOIN sys.database_principals AS o ON o.principal_id = p.owning_principal_id
WHERE p.principal_id > 4 AND p.is_fixed_role = 0 ORDER BY p.name
GO
SELECT r.name AS Role, m.name AS Member FROM sys.database_role_members AS x
JOIN sys.database_principals AS r ON r.principal_id = x.role_principal_id
JOIN sys.database_principals AS m ON m.principal_id = x.member_principal_id
WHERE m.name <> 'dbo' ORDER BY r.name, m.name
GO
SELECT CAST(x.class_desc AS nvarchar(60)) AS Class, x.major_id AS Major, x.minor_id AS Minor,
COALESCE(c.name, N'') AS [Column], g.name AS Grantee, CAST(x.permission_name AS nvarchar(128)) AS Permission,
CAST(x.state_desc AS nvarchar(60)) AS State
FROM sys.database_permissions AS x
JOIN sys.database_principals AS g ON g.principal_id = x.grantee_principal_id
LEFT JOIN sys.columns AS c ON x.class = 1 AND c.object_id = x.major_id AND c.column_id = x.minor_id
WHERE (x.class <> 1 OR EXISTS (SELECT 1 FROM sys.objects AS o WHERE o.object_id = x.major_id AND o.is_ms_shipped = 0 AND SCHEMA_NAME(o.schema_id) <> 'lifeboat'))
AND (x.class <> 3 OR SCHEMA_NAME(x.major_id) <> 'lifeboat')
AND g.name <> 'dbo' AND g.is_fixed_role = 0
ORDER BY x.class, x.major_id, x.minor_id, g.name, x.permission_name
GO
SELECT t.user_type_id AS ID, t.schema_id AS SchemaID, t.name AS Name, COALESCE(b.name, N'') AS Base,
t.max_length AS Bytes, t.precision AS Prec, t.scale AS Scale, t.is_nullable AS Nullable, t.is_table_type AS IsTable,
COALESCE(tt.type_table_object_id, 0) AS TableID, COALESCE(tt.is_memory_optimized, 0) AS Memory
FROM sys.types AS t LEFT JOIN sys.types AS b ON b.user_type_id = t.system_type_id
LEFT JOIN sys.table_types AS tt ON tt.user_type_id = t.user_type_id
WHERE t.is_user_defined = 1 AND t.is_assembly_type = 0 ORDER BY t.schema_id, t.name
GO
SELECT x.xml_collection_id AS ID, x.schema_id AS SchemaID, x.name AS Name,
CAST(XML_SCHEMA_NAMESPACE(SCHEMA_NAME(x.schema_id), x.name) AS nvarchar(max)) AS [Text]
FROM sys.xml_schema_collections AS x WHERE x.xml_collection_id > 1 AND SCHEMA_NAME(x.schema_id) <> 'sys' ORDER BY x.schema_id, x.name
GO
SELECT o.object_id AS ID, o.schema_id AS SchemaID, o.name AS Name, b.name AS Base, o.precision AS Prec,
CAST(o.start_value AS nvarchar(50)) AS Start, CAST(o.increment AS nvarchar(50)) AS Increment,
CAST(o.minimum_value AS nvarchar(50)) AS [Min], CAST(o.maximum_value AS nvarchar(50)) AS [Max], o.is_cycling AS Cycling,
o.is_cached AS Cached, COALESCE(o.cache_size, 0) AS CacheSize, N'' AS [Current]
FROM sys.sequences AS o JOIN sys.types AS b ON b.user_type_id = o.system_type_id
WHERE o.is_ms_shipped = 0 AND SCHEMA_NAME(o.schema_id) <> 'lifeboat' ORDER BY o.schema_id, o.name
GO
SELECT o.object_id AS ID, o.schema_id AS SchemaID, o.name AS Name, COALESCE(p.name, N'') AS Owner,
COALESCE(o.temporal_type, 0) AS Temporal, COALESCE(o.history_table_id, 0) AS HistoryID,
COALESCE(o.history_retention_period, -1) AS Retention,
COALESCE(o.is_memory_optimized, 0) AS Memory, o.is_filetable AS FileTable, COALESCE(o.is_external, 0) AS [External],
COALESCE(o.is_node, 0) AS Node, COALESCE(o.is_edge, 0) AS Edge,
COALESCE(o.ledger_type, 0) AS Ledger, CAST(o.lock_escalation_desc AS nvarchar(60)) AS Escalation,
COALESCE(o.large_value_types_out_of_row, 0) AS LargeOutOfRow, CASE WHEN EXISTS (SELECT 1 FROM sys.change_tracking_tables AS ct WHERE ct.object_id = o.object_id) THEN 1 ELSE 0 END AS TracksChanges, o.is_tracked_by_cdc AS CDC
FROM sys.tables AS o LEFT JOIN sys.database_principals AS p ON p.principal_id = o.principal_id
WHERE o.is_ms_shipped = 0 AND SCHEMA_NAME(o.schema_id) <> 'lifeboat' ORDER BY o.schema_id, o.name
GO
SELECT x.object_id AS ObjectID, x.column_id AS ID, x.name AS Name, x.user_type_id AS TypeID,
COALESCE(b.name, u.name, N'') AS Base, x.max_length AS Bytes, x.precision AS Prec, x.scale AS Scale,
COALESCE(CAST(x.collation_name AS nvarchar(128)), N'') AS Collation, COALESCE(CAST(COLLATIONPROPERTY(x.collation_name, 'CodePage') AS int), 0) AS CodePage,
x.is_nullable AS Nullable, CASE WHEN x.is_ansi_padded = 0 AND b.name IN ('char', 'varchar', 'binary', 'varbinary') THEN 1 ELSE 0 END AS Unpadded,
x.is_rowguidcol AS RowGUID, x.is_sparse AS Sparse, x.is_column_set AS ColumnSet, x.is_filestream AS FileStream,
x.xml_collection_id AS XMLID, x.is_xml_document AS XMLDoc, COALESCE(x.generated_always_type, 0) AS Generated,
CASE WHEN x.encryption_type IS NULL THEN 0 ELSE 1 END AS Encrypted,
COALESCE(x.is_hidden, 0) AS Hidden, COALESCE(x.graph_type, 0) AS GraphType,
CASE WHEN x.rule_object_id <> 0 OR EXISTS (SELECT 1 FROM sys.objects AS d WHERE d.object_id = x.default_object_id AND d.type = 'D' AND d.parent_object_id = 0) THEN 1 ELSE 0 END AS [Rule],
COALESCE(m.masking_function, N'') AS Mask, x.is_identity AS [Identity],
COALESCE(CAST(i.seed_value AS nvarchar(50)), CAST(IDENT_SEED(QUOTENAME(OBJECT_SCHEMA_NAME(i.object_id)) + '.' + QUOTENAME(OBJECT_NAME(i.object_id))) AS nvarchar(50)), N'') AS Seed,
COALESCE(CAST(i.increment_value AS nvarchar(50)), CAST(IDENT_INCR(QUOTENAME(OBJECT_SCHEMA_NAME(i.object_id)) + '.' + QUOTENAME(OBJECT_NAME(i.object_id))) AS nvarchar(50)), N'') AS Increment,
COALESCE(i.is_not_for_replication, 0) AS NotForRepl, x.is_computed AS Computed, COALESCE(f.definition, N'') AS Definition, COALESCE(f.is_persisted, 0) AS Persisted
FROM sys.columns AS x LEFT JOIN sys.types AS b ON b.user_type_id = x.system_type_id LEFT JOIN sys.types AS u ON u.user_type_id = x.user_type_id
LEFT JOIN sys.identity_columns AS i ON i.object_id = x.object_id AND i.column_id = x.column_id
LEFT JOIN sys.computed_columns AS f ON f.object_id = x.object_id AND f.column_id = x.column_id
LEFT JOIN sys.masked_columns AS m ON m.object_id = x.object_id AND m.column_id = x.column_id AND m.is_masked = 1
WHERE ((EXISTS (SELECT 1 FROM sys.tables AS o WHERE o.object_id = x.object_id AND o.is_ms_shipped = 0 AND SCHEMA_NAME(o.schema_id) <> 'lifeboat')
OR EXISTS (SELECT 1 FROM sys.table_types AS tt WHERE tt.type_table_object_id = x.object_id)) OR EXISTS (SELECT 1 FROM sys.views AS vw JOIN sys.indexes AS vi ON vi.object_id = vw.object_id WHERE vw.object_id = x.object_id AND vw.is_ms_shipped = 0)) ORDER BY x.object_id, x.column_id
GO
SELECT x.object_id AS ObjectID, x.index_id AS ID, COALESCE(x.name, N'') AS Name, CAST(x.type_desc AS nvarchar(60)) AS Type,
x.is_unique AS [Unique], x.is_primary_key AS PrimaryKey, x.is_unique_constraint AS UniqueKey, x.ignore_dup_key AS IgnoreDup,
x.fill_factor AS Fill, x.is_padded AS Padded, x.is_disabled AS Disabled, 1 - x.allow_row_locks AS NoRowLocks, 1 - x.allow_page_locks AS NoPageLocks,
COALESCE(x.filter_definition, N'') AS Filter, COALESCE(x.optimize_for_sequential_key, 0) AS Sequential,
COALESCE((SELECT MAX(CAST(p.data_compression_desc AS nvarchar(60))) FROM sys.partitions AS p WHERE p.object_id = x.object_id AND p.index_id = x.index_id), N'NONE') AS Compression,
CASE WHEN EXISTS (SELECT 1 FROM sys.partition_schemes AS ps WHERE ps.data_space_id = x.data_space_id) THEN 1 ELSE 0 END AS Partitioned
FROM sys.indexes AS x WHERE x.is_hypothetical = 0 AND EXISTS (SELECT 1 FROM sys.objects AS o WHERE o.object_id = x.object_id AND o.type IN ('U', 'V', 'TT')
AND (o.is_ms_shipped = 0 OR o.type = 'TT') AND SCHEMA_NAME(o.schema_id) <> 'lifeboat') ORDER BY x.object_id, x.index_id
GO
SELECT x.object_id AS ObjectID, x.index_id AS IndexID, x.key_ordinal AS Ordinal, x.index_column_id AS Place, x.column_id AS ColumnID,
x.is_descending_key AS [Desc], x.is_included_column AS Included
FROM sys.index_columns AS x WHERE EXISTS (SELECT 1 FROM sys.objects AS o WHERE o.object_id = x.object_id AND o.type IN ('U', 'V', 'TT')
AND (o.is_ms_shipped = 0 OR o.type = 'TT') AND SCHEMA_NAME(o.schema_id) <> 'lifeboat') ORDER BY x.object_id, x.index_id, x.key_ordinal, x.index_column_id
GO
SELECT d.object_id AS ID, d.parent_object_id AS ObjectID, d.parent_column_id AS ColumnID, d.name AS Name, d.definition AS Definition
FROM sys.default_constraints AS d JOIN sys.columns AS x ON x.object_id = d.parent_object_id AND x.column_id = d.parent_column_id
WHERE (EXISTS (SELECT 1 FROM sys.tables AS o WHERE o.object_id = x.object_id AND o.is_ms_shipped = 0 AND SCHEMA_NAME(o.schema_id) <> 'lifeboat')
OR EXISTS (SELECT 1 FROM sys.table_types AS tt WHERE tt.type_table_object_id = x.object_id)) ORDER BY d.parent_object_id, d.parent_column_id
GO
SELECT d.object_id AS ID, d.parent_object_id AS ObjectID, d.name AS Name, d.definition AS Definition,
d.is_disabled AS Disabled, d.is_not_trusted AS Untrusted, d.is_not_for_replication AS NotForRepl
FROM sys.check_constraints AS d JOIN sys.objects AS x ON x.object_id = d.parent_object_id
WHERE (EXISTS (SELECT 1 FROM sys.tables AS o WHERE o.object_id = x.object_id AND o.is_ms_shipped = 0 AND SCHEMA_NAME(o.schema_id) <> 'lifeboat')
OR EXISTS (SELECT 1 FROM sys.table_types AS tt WHERE tt.type_table_object_id = x.object_id)) ORDER BY d.parent_object_id, d.name
GO
SELECT f.object_id AS ID, f.parent_object_id AS ObjectID, f.referenced_object_id AS ReferencedID, f.name AS Name,
f.is_disabled AS Disabled, f.is_not_trusted AS Untrusted, f.is_not_for_replication AS NotForRepl,
CAST(f.delete_referential_action_desc AS nvarchar(60)) AS OnDelete, CAST(f.update_referential_action_desc AS nvarchar(60)) AS OnUpdate
FROM sys.foreign_keys AS f JOIN sys.tables AS o ON o.object_id = f.parent_object_id WHERE o.is_ms_shipped = 0 AND SCHEMA_NAME(o.schema_id) <> 'lifeboat' ORDER BY f.parent_object_id, f.name
GO
SELECT x.constraint_object_id AS KeyID, x.constraint_column_id AS Place, x.parent_column_id AS ColumnID, x.referenced_column_id AS Referenced
FROM sys.foreign_key_columns AS x ORDER BY x.constraint_object_id, x.constraint_column_id
GO
SELECT x.object_id AS ObjectID, x.start_column_id AS StartID, x.end_column_id AS EndID FROM sys.periods AS x ORDER BY x.object_id
GO
SELECT o.object_id AS ID, COALESCE(o.schema_id, 0) AS SchemaID, COALESCE(o.parent_object_id, 0) AS ParentID, o.name AS Name,
RTRIM(CAST(o.type AS nvarchar(2))) AS Type, COALESCE(t.parent_class, 1) AS Class, COALESCE(m.definition, N'') AS Definition, COALESCE(m.uses_ansi_nulls, 1) AS AnsiNulls,
COALESCE(m.uses_quoted_identifier, 1) AS Quoted, COALESCE(m.is_schema_bound, 0) AS Bound, COALESCE(m.uses_native_compilation, 0) AS Native,
COALESCE(t.is_disabled, 0) AS Disabled,
COALESCE(QUOTENAME(OBJECT_SCHEMA_NAME(t.parent_id)) + N'.' + QUOTENAME(OBJECT_NAME(t.parent_id)), N'') AS Parent, COALESCE(p.name, N'') AS Owner
FROM sys.objects AS o LEFT JOIN sys.sql_modules AS m ON m.object_id = o.object_id LEFT JOIN sys.triggers AS t ON t.object_id = o.object_id
LEFT JOIN sys.database_principals AS p ON p.principal_id = o.principal_id
WHERE o.is_ms_shipped = 0 AND SCHEMA_NAME(o.schema_id) <> 'lifeboat' AND o.type IN ('V', 'P', 'FN', 'IF', 'TF', 'TR') AND o.name NOT LIKE 'lifeboat[_]capture[_]%'
UNION ALL
SELECT t.object_id, 0, 0, t.name, N'TR', 0, COALESCE(m.definition, N''), COALESCE(m.uses_ansi_nulls, 1), COALESCE(m.uses_quoted_identifier, 1),
COALESCE(m.is_schema_bound, 0), 0, t.is_disabled, N'', N''
FROM sys.triggers AS t LEFT JOIN sys.sql_modules AS m ON m.object_id = t.object_id WHERE t.parent_class = 0 AND t.is_ms_shipped = 0
ORDER BY SchemaID, Name
GO
SELECT e.object_id AS ID, CAST(e.type_desc AS nvarchar(60)) AS Event, COALESCE(e.is_first, 0) AS First,
COALESCE(e.is_last, 0) AS Last FROM sys.trigger_events AS e JOIN sys.triggers AS t ON t.object_id = e.object_id
WHERE t.is_ms_shipped = 0 ORDER BY e.object_id, e.type
GO
SELECT o.object_id AS ID, o.schema_id AS SchemaID, o.name AS Name, o.base_object_name AS Base FROM sys.synonyms AS o
WHERE o.is_ms_shipped = 0 AND SCHEMA_NAME(o.schema_id) <> 'lifeboat' ORDER BY o.schema_id, o.name
GO
SELECT x.object_id AS ObjectID, x.stats_id AS ID, x.name AS Name, COALESCE(x.filter_definition, N'') AS Filter, x.no_recompute AS NoRecomp
FROM sys.stats AS x WHERE x.user_created = 1 AND EXISTS (SELECT 1 FROM sys.objects AS o WHERE o.object_id = x.object_id AND o.type IN ('U', 'V', 'TT')
AND (o.is_ms_shipped = 0 OR o.type = 'TT') AND SCHEMA_NAME(o.schema_id) <> 'lifeboat') ORDER BY x.object_id, x.name
GO
SELECT x.object_id AS ObjectID, x.stats_id AS StatID, x.stats_column_id AS Place, x.column_id AS ColumnID
FROM sys.stats_columns AS x JOIN sys.stats AS s ON s.object_id = x.object_id AND s.stats_id = x.stats_id
WHERE s.user_created = 1 AND EXISTS (SELECT 1 FROM sys.objects AS o WHERE o.object_id = x.object_id AND o.type IN ('U', 'V', 'TT')
AND (o.is_ms_shipped = 0 OR o.type = 'TT') AND SCHEMA_NAME(o.schema_id) <> 'lifeboat') ORDER BY x.object_id, x.stats_id, x.stats_column_id
GO
SELECT o.object_id AS ID, o.schema_id AS SchemaID, o.name AS Name, o.is_enabled AS Enabled, o.is_not_for_replication AS NotForRepl,
o.is_schema_bound AS Bound FROM sys.security_policies AS o WHERE o.is_ms_shipped = 0 AND SCHEMA_NAME(o.schema_id) <> 'lifeboat' ORDER BY o.schema_id, o.name
GO
SELECT x.object_id AS PolicyID, x.target_object_id AS TargetID, x.predicate_definition AS Definition,
CAST(x.predicate_type_desc AS nvarchar(60)) AS Type, COALESCE(CAST(x.operation_desc AS nvarchar(60)), N'') AS Operation
FROM sys.security_predicates AS x ORDER BY x.object_id, x.security_predicate_id
GO
SELECT e.class AS Class, e.major_id AS Major, e.minor_id AS Minor, e.name AS Name,
COALESCE(CAST(SQL_VARIANT_PROPERTY(e.value, 'BaseType') AS nvarchar(128)), N'') AS Base, COALESCE(CAST(e.value AS nvarchar(4000)), N'') AS Value,
COALESCE(c.name, pa.name, i.name, N'') AS Part
FROM sys.extended_properties AS e
LEFT JOIN sys.columns AS c ON e.class = 1 AND e.minor_id > 0 AND c.object_id = e.major_id AND c.column_id = e.minor_id
LEFT JOIN sys.all_parameters AS pa ON e.class = 2 AND pa.object_id = e.major_id AND pa.parameter_id = e.minor_id
LEFT JOIN sys.indexes AS i ON e.class = 7 AND i.object_id = e.major_id AND i.index_id = e.minor_id
WHERE (e.class NOT IN (1, 2, 7) OR EXISTS (SELECT 1 FROM sys.objects AS o WHERE o.object_id = e.major_id AND o.is_ms_shipped = 0 AND SCHEMA_NAME(o.schema_id) <> 'lifeboat'))
AND (e.class <> 3 OR SCHEMA_NAME(e.major_id) <> 'lifeboat')
ORDER BY e.class, e.major_id, e.minor_id, e.name
GO
SELECT DISTINCT d.referencing_id AS [From], d.referenced_id AS [To] FROM sys.sql_expression_dependencies AS d
WHERE d.referenced_id IS NOT NULL AND d.referencing_class IN (1, 12) AND d.referenced_class IN (1, 6, 10) AND d.referencing_id <> d.referenced_id
ORDER BY [From], [To]
GO
SELECT LOWER(REPLACE(CAST(o.type_desc AS nvarchar(60)), '_', ' ')) AS Kind, COALESCE(SCHEMA_NAME(o.schema_id) + N'.', N'') + o.name AS Name
FROM sys.objects AS o WHERE o.is_ms_shipped = 0 AND SCHEMA_NAME(o.schema_id) <> 'lifeboat'
AND o.type NOT IN ('U', 'V', 'P', 'FN', 'IF', 'TF', 'TR', 'PK', 'UQ', 'F', 'C', 'SO', 'SN', 'TT', 'S', 'IT', 'SP')
AND NOT (o.type = 'D' AND o.parent_object_id <> 0)
UNION ALL
SELECT N'assembly', CAST(x.name AS nvarchar(600)) FROM sys.assemblies AS x WHERE CAST(x.is_user_defined AS int) = 1
UNION ALL
SELECT N'partition function', CAST(x.name AS nvarchar(600)) FROM sys.partition_functions AS x WHERE 1 = 1
UNION ALL
SELECT N'full-text index', CAST(OBJECT_SCHEMA_NAME(x.object_id) + N'.' + OBJECT_NAME(x.object_id) AS nvarchar(600)) FROM sys.fulltext_indexes AS x WHERE 1 = 1
UNION ALL
SELECT N'full-text catalog', CAST(x.name AS nvarchar(600)) FROM sys.fulltext_catalogs AS x WHERE 1 = 1
UNION ALL
SELECT N'certificate', CAST(x.name AS nvarchar(600)) FROM sys.certificates AS x WHERE x.name NOT LIKE '##%'
UNION ALL
SELECT N'symmetric key', CAST(x.name AS nvarchar(600)) FROM sys.symmetric_keys AS x WHERE x.name NOT LIKE '##%'
UNION ALL
SELECT N'asymmetric key', CAST(x.name AS nvarchar(600)) FROM sys.asymmetric_keys AS x WHERE x.name NOT LIKE '##%'
UNION ALL
SELECT N'column master key', CAST(x.name AS nvarchar(600)) FROM sys.column_master_keys AS x WHERE 1 = 1
UNION ALL
SELECT N'column encryption key', CAST(x.name AS nvarchar(600)) FROM sys.column_encryption_keys AS x WHERE 1 = 1
UNION ALL
SELECT N'external data source', CAST(x.name AS nvarchar(600)) FROM sys.external_data_sources AS x WHERE 1 = 1
UNION ALL
SELECT N'external file format', CAST(x.name AS nvarchar(600)) FROM sys.external_file_formats AS x WHERE 1 = 1
UNION ALL
SELECT N'database scoped credential', CAST(x.name AS nvarchar(600)) FROM sys.database_scoped_credentials AS x WHERE 1 = 1
UNION ALL
SELECT N'service', CAST(x.name AS nvarchar(600)) FROM sys.services AS x WHERE x.service_id > 65535
UNION ALL
SELECT N'plan guide', CAST(x.name AS nvarchar(600)) FROM sys.plan_guides AS x WHERE 1 = 1
UNION ALL
SELECT N'event notification', CAST(x.name AS nvarchar(600)) FROM sys.event_notifications AS x WHERE 1 = 1
UNION ALL
SELECT N'numbered procedure', CAST(OBJECT_NAME(x.object_id) + N';' + CAST(x.procedure_number AS nvarchar(10)) AS nvarchar(600)) FROM sys.numbered_procedures AS x WHERE 1 = 1
UNION ALL
SELECT N'sensitivity classification', CAST(OBJECT_SCHEMA_NAME(x.major_id) + N'.' + OBJECT_NAME(x.major_id) + N'.' + COL_NAME(x.major_id, x.minor_id) AS nvarchar(600)) FROM sys.sensitivity_classifications AS x WHERE x.class = 1
UNION ALL
SELECT N'server option', CAST(N'nested triggers off' AS nvarchar(600)) FROM sys.configurations AS x WHERE x.name = 'nested triggers' AND CAST(x.value_in_use AS int) = 0
UNION ALL
SELECT N'database audit specification', CAST(x.name AS nvarchar(600)) FROM sys.database_audit_specifications AS x WHERE 1 = 1
ORDER BY Kind, Name
GO
SELECT CAST(COALESCE(SUM(w.wait_time_ms), 0) AS bigint) FROM sys.dm_db_wait_stats AS w WHERE w.wait_type LIKE '%LOG_RATE%'
GO
