IF SCHEMA_ID(N'lifeboat') IS NULL EXEC(N'CREATE SCHEMA lifeboat')
GO
CREATE TABLE lifeboat.restore_plan (id int NOT NULL CONSTRAINT lifeboat_restore_plan PRIMARY KEY, restore_name nvarchar(max) COLLATE Latin1_General_BIN2 NOT NULL, capture_schema nvarchar(max) NOT NULL)
GO
CREATE TABLE lifeboat.restore_units (unit nvarchar(400) COLLATE Latin1_General_BIN2 NOT NULL CONSTRAINT lifeboat_restore_units PRIMARY KEY, loaded bigint NOT NULL)
GO
CREATE TABLE lifeboat.restore_steps (step char(32) COLLATE Latin1_General_BIN2 NOT NULL CONSTRAINT lifeboat_restore_steps PRIMARY KEY)
GO
CREATE TABLE lifeboat.restore_position (id int NOT NULL CONSTRAINT lifeboat_restore_position PRIMARY KEY, seq nvarchar(20) NOT NULL)
GO
CREATE SCHEMA [sales]
GO
CREATE XML SCHEMA COLLECTION [dbo].[Notes] AS N'<xsd:schema xmlns:xsd="http://www.w3.org/2001/XMLSchema"/>'
GO
CREATE TYPE [dbo].[Phone] FROM nvarchar(30) NULL
GO
CREATE SEQUENCE [sales].[OrderNo] AS bigint START WITH 1000 INCREMENT BY 5 MINVALUE 1 MAXVALUE 9223372036854775807 CACHE 50
GO
CREATE FUNCTION dbo.IsGood(@n int) RETURNS int AS BEGIN RETURN 1 END
GO
CREATE TABLE [dbo].[Customer] (
    [Id] int IDENTITY(1,1) NOT FOR REPLICATION NOT NULL,
    [Name] nvarchar(40) COLLATE SQL_Latin1_General_CP1_CI_AS NULL,
    [Phone] [dbo].[Phone] NULL,
    [Email] nvarchar(100) COLLATE SQL_Latin1_General_CP1_CI_AS MASKED WITH (FUNCTION = 'email()') NULL,
    [Since] datetimeoffset(7) NOT NULL,
    [Good] AS ([dbo].[IsGood]([Id])) PERSISTED NOT NULL,
    [Row Guid] uniqueidentifier ROWGUIDCOL NOT NULL,
    [Nick] varchar(20) COLLATE Cyrillic_General_CI_AS SPARSE NULL,
    [Notes] xml(DOCUMENT [dbo].[Notes]) NULL,
    [Stamp] rowversion NOT NULL,
    [Twice] AS ([Id]*(2)),
    CONSTRAINT [PK_Customer] PRIMARY KEY CLUSTERED ([Id]) WITH (PAD_INDEX = ON, FILLFACTOR = 90, OPTIMIZE_FOR_SEQUENTIAL_KEY = ON, DATA_COMPRESSION = PAGE)
)
GO
CREATE TABLE [sales].[Order Line] (
    [No] int NOT NULL,
    [CustomerId] int NOT NULL,
    [Qty] decimal(18,3) NOT NULL,
    [Note] varchar(max) COLLATE SQL_Latin1_General_CP1_CI_AS NULL,
    [Parent] int NULL
)
GO
CREATE TABLE [dbo].[Price] (
    [Id] int NOT NULL,
    [Amount] money NOT NULL,
    [From] datetime2(7) NOT NULL,
    [To] datetime2(7) NOT NULL,
    CONSTRAINT [PK_Price] PRIMARY KEY CLUSTERED ([Id])
)
GO
CREATE TABLE [dbo].[PriceHistory] (
    [Id] int NOT NULL,
    [Amount] money NOT NULL,
    [From] datetime2(7) NOT NULL,
    [To] datetime2(7) NOT NULL
)
GO
CREATE TABLE [dbo].[Heap] (
    [A] int NOT NULL,
    [Place] geography NULL
) WITH (DATA_COMPRESSION = ROW)
GO
CREATE CLUSTERED INDEX [ix_PriceHistory] ON [dbo].[PriceHistory] ([To], [From]) WITH (DATA_COMPRESSION = PAGE)
GO
CREATE UNIQUE CLUSTERED INDEX [CX Line] ON [sales].[Order Line] ([CustomerId], [No] DESC) WITH (DATA_COMPRESSION = ROW)
GO
-- rows are loaded here
GO
ALTER TABLE [dbo].[Customer] ADD CONSTRAINT [UQ_Mail] UNIQUE NONCLUSTERED ([Email]) WITH (IGNORE_DUP_KEY = ON)
GO
ALTER TABLE [sales].[Order Line] ADD CONSTRAINT [PK_Line] PRIMARY KEY NONCLUSTERED ([No])
GO
CREATE UNIQUE NONCLUSTERED INDEX [UX_A] ON [dbo].[Heap] ([A])
GO
CREATE NONCLUSTERED COLUMNSTORE INDEX [CS] ON [sales].[Order Line] ([No], [Qty]) WITH (DATA_COMPRESSION = COLUMNSTORE_ARCHIVE)
GO
CREATE NONCLUSTERED INDEX [IX Cover] ON [sales].[Order Line] ([Qty] DESC) INCLUDE ([Note]) WHERE ([Qty]>(1)) WITH (ALLOW_ROW_LOCKS = OFF, ALLOW_PAGE_LOCKS = OFF)
GO
CREATE STATISTICS [ST_Email] ON [dbo].[Customer] ([Email], [Id]) WHERE ([Email] IS NOT NULL) WITH NORECOMPUTE
GO
ALTER INDEX [IX Cover] ON [sales].[Order Line] DISABLE
GO
ALTER TABLE [dbo].[Customer] ADD CONSTRAINT [DF_Customer_Since] DEFAULT (sysutcdatetime()) FOR [Since]
GO
ALTER TABLE [sales].[Order Line] ADD CONSTRAINT [DF_Line_No] DEFAULT (NEXT VALUE FOR [sales].[OrderNo]) FOR [No]
GO
ALTER TABLE [sales].[Order Line] WITH NOCHECK ADD CONSTRAINT [CK_Qty] CHECK ([Qty]>(0))
GO
ALTER TABLE [sales].[Order Line] WITH CHECK ADD CONSTRAINT [FK_Line_Customer] FOREIGN KEY ([CustomerId]) REFERENCES [dbo].[Customer] ([Id]) ON DELETE CASCADE
GO
ALTER TABLE [sales].[Order Line] WITH NOCHECK ADD CONSTRAINT [FK_Self] FOREIGN KEY ([Parent]) REFERENCES [sales].[Order Line] ([No]) ON UPDATE SET NULL
GO
ALTER TABLE [sales].[Order Line] NOCHECK CONSTRAINT [FK_Self]
GO
CREATE TYPE [sales].[Lines] AS TABLE (
    [No] int NOT NULL,
    [Qty] int NOT NULL DEFAULT ((1)),
    PRIMARY KEY CLUSTERED ([No]),
    CHECK ([Qty]<(9))
)
GO
CREATE SYNONYM [dbo].[Orders] FOR [sales].[Order Line]
GO
CREATE FUNCTION dbo.MayWrite(@c int) RETURNS TABLE AS RETURN SELECT 1 AS ok
GO
CREATE FUNCTION dbo.Unused(@p dbo.Phone) RETURNS int AS BEGIN RETURN 1 END
GO
ALTER TABLE [sales].[Order Line] WITH NOCHECK ADD CONSTRAINT [CK_Old] CHECK NOT FOR REPLICATION ([dbo].[IsGood]([Qty])=(1))
GO
ALTER TABLE [sales].[Order Line] NOCHECK CONSTRAINT [CK_Old]
GO
CREATE VIEW dbo.Middle WITH SCHEMABINDING AS SELECT [No] FROM sales.[Order Line]
GO
CREATE VIEW dbo.[Top] WITH SCHEMABINDING AS SELECT No FROM dbo.Middle
GO
CREATE UNIQUE CLUSTERED INDEX [CX_View] ON [dbo].[Top] ([No])
GO
SET ANSI_NULLS ON; SET QUOTED_IDENTIFIER OFF; EXEC sys.sp_executesql N'CREATE PROCEDURE [sales].[Pay] @amount money AS SELECT @amount'; SET ANSI_NULLS ON; SET QUOTED_IDENTIFIER ON
GO
ALTER TABLE [dbo].[Price] ADD PERIOD FOR SYSTEM_TIME ([From], [To])
GO
ALTER TABLE [dbo].[Price] ALTER COLUMN [To] ADD HIDDEN
GO
ALTER TABLE [dbo].[Price] SET (SYSTEM_VERSIONING = ON (HISTORY_TABLE = [dbo].[PriceHistory], DATA_CONSISTENCY_CHECK = ON))
GO
ALTER TABLE [dbo].[Customer] SET (LOCK_ESCALATION = DISABLE)
GO
EXEC sys.sp_tableoption N'[sales].[Order Line]', 'large value types out of row', 1
GO
CREATE TRIGGER dbo.Off ON dbo.Customer AFTER DELETE AS SET NOCOUNT ON
GO
CREATE TRIGGER sales.Audit ON sales.[Order Line] AFTER INSERT, UPDATE AS SET NOCOUNT ON
GO
DISABLE TRIGGER [dbo].[Off] ON [dbo].[Customer]
GO
EXEC sys.sp_settriggerorder @triggername = N'[sales].[Audit]', @order = 'First', @stmttype = N'INSERT'
GO
EXEC sys.sp_settriggerorder @triggername = N'[sales].[Audit]', @order = 'Last', @stmttype = N'UPDATE'
GO
CREATE ROLE [auditors]
GO
CREATE USER [svc@example.com] WITH SID = 0xAB01, TYPE = E
GO
IF SUSER_ID(N'clerk') IS NOT NULL CREATE USER [clerk] FOR LOGIN [clerk] WITH DEFAULT_SCHEMA = [sales] ELSE CREATE USER [clerk] WITHOUT LOGIN WITH DEFAULT_SCHEMA = [sales]
GO
CREATE USER [contained] WITHOUT LOGIN
GO
CREATE USER [guestbook] WITHOUT LOGIN
GO
CREATE USER [staff] WITH SID = 0xCD, TYPE = X
GO
ALTER ROLE [auditors] ADD MEMBER [clerk]
GO
ALTER ROLE [db_datareader] ADD MEMBER [svc@example.com]
GO
ALTER AUTHORIZATION ON ROLE::[auditors] TO [clerk]
GO
ALTER AUTHORIZATION ON SCHEMA::[sales] TO [clerk]
GO
ALTER AUTHORIZATION ON OBJECT::[sales].[Order Line] TO [clerk]
GO
DENY SELECT ON OBJECT::[dbo].[Customer] ([Email]) TO [auditors]
GO
GRANT SELECT ON SCHEMA::[sales] TO [auditors]
GO
GRANT CONNECT TO [clerk]
GO
GRANT EXECUTE ON TYPE::[dbo].[Phone] TO [clerk]
GO
GRANT UPDATE ON OBJECT::[dbo].[Customer] TO [clerk] WITH GRANT OPTION
GO
CREATE SECURITY POLICY [sales].[Guard]
ADD BLOCK PREDICATE [dbo].[MayWrite]([CustomerId]) ON [sales].[Order Line] AFTER INSERT
WITH (STATE = ON, SCHEMABINDING = ON)
GO
DECLARE @value sql_variant = CAST(7 AS int); EXEC sys.sp_addextendedproperty @name = N'Version', @value = @value
GO
DECLARE @value sql_variant = N'who buys; it''s all'; EXEC sys.sp_addextendedproperty @name = N'MS_Description', @value = @value, @level0type = N'SCHEMA', @level0name = N'dbo', @level1type = N'TABLE', @level1name = N'Customer'
GO
DECLARE @value sql_variant = 'mail'; EXEC sys.sp_addextendedproperty @name = N'MS_Description', @value = @value, @level0type = N'SCHEMA', @level0name = N'dbo', @level1type = N'TABLE', @level1name = N'Customer', @level2type = N'COLUMN', @level2name = N'Email'
GO
DECLARE @value sql_variant = N'E.164'; EXEC sys.sp_addextendedproperty @name = N'Form', @value = @value, @level0type = N'SCHEMA', @level0name = N'dbo', @level1type = N'TYPE', @level1name = N'Phone'
GO
DECLARE @value sql_variant = N'Sales'; EXEC sys.sp_addextendedproperty @name = N'Team', @value = @value, @level0type = N'SCHEMA', @level0name = N'sales'
GO
DECLARE @value sql_variant = N'old'; EXEC sys.sp_addextendedproperty @name = N'Why', @value = @value, @level0type = N'SCHEMA', @level0name = N'sales', @level1type = N'TABLE', @level1name = N'Order Line', @level2type = N'CONSTRAINT', @level2name = N'FK_Line_Customer'
GO
DECLARE @value sql_variant = N'hot'; EXEC sys.sp_addextendedproperty @name = N'Note', @value = @value, @level0type = N'SCHEMA', @level0name = N'sales', @level1type = N'TABLE', @level1name = N'Order Line', @level2type = N'INDEX', @level2name = N'IX Cover'
GO
DECLARE @value sql_variant = N'EUR'; EXEC sys.sp_addextendedproperty @name = N'Unit', @value = @value, @level0type = N'SCHEMA', @level0name = N'sales', @level1type = N'PROCEDURE', @level1name = N'Pay', @level2type = N'PARAMETER', @level2name = N'@amount'
GO
CREATE TRIGGER NoDrop ON DATABASE FOR DROP_TABLE AS ROLLBACK
GO
DISABLE TRIGGER [NoDrop] ON DATABASE
GO
DECLARE @next decimal(38, 0), @text nvarchar(400);
SELECT @next = 1234 + CAST(increment AS decimal(38, 0)) FROM sys.sequences WHERE object_id = OBJECT_ID(N'[sales].[OrderNo]');
SELECT @next = CASE WHEN is_cycling = 1 AND @next > CAST(maximum_value AS decimal(38, 0)) THEN CAST(minimum_value AS decimal(38, 0))
 WHEN is_cycling = 1 AND @next < CAST(minimum_value AS decimal(38, 0)) THEN CAST(maximum_value AS decimal(38, 0)) ELSE @next END
FROM sys.sequences WHERE object_id = OBJECT_ID(N'[sales].[OrderNo]');
SET @text = N'ALTER SEQUENCE [sales].[OrderNo] RESTART WITH ' + CAST(@next AS nvarchar(50));
EXEC sys.sp_executesql @text
GO
