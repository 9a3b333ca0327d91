CREATE TABLE #lifeboat_stage (
    lifeboat_row int IDENTITY(1,1) NOT NULL,
    [Id] int NULL,
    [lifeboat_variant_1_0] nvarchar(400) NULL,
    [lifeboat_variant_1_1] nvarchar(4000) NULL,
    [lifeboat_variant_1_2] float NULL,
    [lifeboat_variant_1_3] varbinary(8000) NULL,
    [lifeboat_variant_1_4] datetime2(7) NULL,
    [lifeboat_variant_1_5] datetimeoffset(7) NULL,
    [lifeboat_variant_1_6] datetime NULL,
    [Note] nvarchar(20) COLLATE Latin1_General_CI_AS NULL
)
GO
SET IDENTITY_INSERT [dbo].[Things] ON;
INSERT INTO [dbo].[Things] ([Id], [V], [Note])
SELECT s.[Id],
    CASE s.[lifeboat_variant_1_0] WHEN N'binary(4)' THEN CAST(CAST(s.[lifeboat_variant_1_3] AS binary(4)) AS sql_variant) WHEN N'datetime' THEN CAST(CAST(s.[lifeboat_variant_1_6] AS datetime) AS sql_variant) WHEN N'datetimeoffset(3)' THEN CAST(CAST(s.[lifeboat_variant_1_5] AS datetimeoffset(3)) AS sql_variant) WHEN N'decimal(20,5)' THEN CAST(CONVERT(decimal(20,5), s.[lifeboat_variant_1_1]) AS sql_variant) WHEN N'int' THEN CAST(CONVERT(int, s.[lifeboat_variant_1_1]) AS sql_variant) WHEN N'nchar(3) COLLATE Latin1_General_BIN2' THEN CAST(CONVERT(nchar(3), s.[lifeboat_variant_1_1]) COLLATE Latin1_General_BIN2 AS sql_variant) WHEN N'real' THEN CAST(CAST(s.[lifeboat_variant_1_2] AS real) AS sql_variant) WHEN N'time(5)' THEN CAST(CAST(s.[lifeboat_variant_1_4] AS time(5)) AS sql_variant) WHEN N'uniqueidentifier' THEN CAST(CAST(s.[lifeboat_variant_1_3] AS uniqueidentifier) AS sql_variant) WHEN N'varchar(20) COLLATE Cyrillic_General_CI_AS' THEN CAST(CONVERT(varchar(20), s.[lifeboat_variant_1_1] COLLATE Cyrillic_General_CI_AS) AS sql_variant) END,
    s.[Note]
FROM #lifeboat_stage AS s ORDER BY s.lifeboat_row;
SET IDENTITY_INSERT [dbo].[Things] OFF
GO
SELECT t.[Id], t.[V], CAST(SQL_VARIANT_PROPERTY(t.[V], 'BaseType') AS nvarchar(128)), CAST(SQL_VARIANT_PROPERTY(t.[V], 'Precision') AS int), CAST(SQL_VARIANT_PROPERTY(t.[V], 'Scale') AS int), CAST(SQL_VARIANT_PROPERTY(t.[V], 'MaxLength') AS int), CAST(SQL_VARIANT_PROPERTY(t.[V], 'Collation') AS nvarchar(128)), CAST(t.[Note] AS varbinary(40)) FROM [dbo].[Things] AS t ORDER BY t.[Id]
GO
