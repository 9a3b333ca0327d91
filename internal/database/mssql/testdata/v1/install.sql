IF SCHEMA_ID(N'lifeboat') IS NULL EXEC(N'CREATE SCHEMA lifeboat')
GO
DECLARE @create nvarchar(400) = CONCAT(N'CREATE SEQUENCE lifeboat.change_id AS bigint START WITH ', DATEDIFF_BIG(MICROSECOND, '19700101', SYSUTCDATETIME()), N' INCREMENT BY 1 CACHE 1000'); EXEC(@create)
GO
CREATE TABLE lifeboat.state (id int NOT NULL CONSTRAINT lifeboat_state PRIMARY KEY, format int NOT NULL, fenced nvarchar(1000) NULL)
GO
CREATE TABLE lifeboat.installed (generation int NOT NULL CONSTRAINT lifeboat_installed PRIMARY KEY, last_id bigint NULL, capture_schema nvarchar(max) NOT NULL)
GO
INSERT INTO lifeboat.state (id, format, fenced) VALUES (1, 1, NULL)
GO
INSERT INTO lifeboat.installed (generation, last_id, capture_schema) VALUES (1, NULL, N'…')
GO
CREATE TABLE lifeboat.[dbo.Customer 41358ea0] (
    lifeboat_id bigint NOT NULL DEFAULT NEXT VALUE FOR lifeboat.change_id PRIMARY KEY WITH (OPTIMIZE_FOR_SEQUENTIAL_KEY = ON),
    lifeboat_tx bigint NOT NULL,
    lifeboat_session int NOT NULL,
    lifeboat_at datetime2(7) NOT NULL,
    lifeboat_op char(1) NOT NULL,
    [Id] int NULL,
    [Name] nvarchar(40) COLLATE SQL_Latin1_General_CP1_CI_AS NULL,
    [Phone] nvarchar(30) COLLATE SQL_Latin1_General_CP1_CI_AS NULL,
    [Email] nvarchar(100) COLLATE SQL_Latin1_General_CP1_CI_AS NULL,
    [Since] datetimeoffset(7) NULL,
    [Row Guid] uniqueidentifier NULL,
    [Nick] varchar(20) COLLATE Cyrillic_General_CI_AS NULL,
    [Notes] xml NULL
)
GO
CREATE TABLE lifeboat.[sales.Order Line 260009a8] (
    lifeboat_id bigint NOT NULL DEFAULT NEXT VALUE FOR lifeboat.change_id PRIMARY KEY WITH (OPTIMIZE_FOR_SEQUENTIAL_KEY = ON),
    lifeboat_tx bigint NOT NULL,
    lifeboat_session int NOT NULL,
    lifeboat_at datetime2(7) NOT NULL,
    lifeboat_op char(1) NOT NULL,
    [No] int NULL,
    [CustomerId] int NULL,
    [Qty] decimal(18,3) NULL,
    [Note] varchar(max) COLLATE SQL_Latin1_General_CP1_CI_AS NULL,
    [Parent] int NULL
)
GO
CREATE TABLE lifeboat.[dbo.Price e53e4d94] (
    lifeboat_id bigint NOT NULL DEFAULT NEXT VALUE FOR lifeboat.change_id PRIMARY KEY WITH (OPTIMIZE_FOR_SEQUENTIAL_KEY = ON),
    lifeboat_tx bigint NOT NULL,
    lifeboat_session int NOT NULL,
    lifeboat_at datetime2(7) NOT NULL,
    lifeboat_op char(1) NOT NULL,
    [Id] int NULL,
    [Amount] money NULL,
    [From] datetime2(7) NULL,
    [To] datetime2(7) NULL
)
GO
CREATE TABLE lifeboat.[dbo.PriceHistory f08f7d94] (
    lifeboat_id bigint NOT NULL DEFAULT NEXT VALUE FOR lifeboat.change_id PRIMARY KEY WITH (OPTIMIZE_FOR_SEQUENTIAL_KEY = ON),
    lifeboat_tx bigint NOT NULL,
    lifeboat_session int NOT NULL,
    lifeboat_at datetime2(7) NOT NULL,
    lifeboat_op char(1) NOT NULL,
    [Id] int NULL,
    [Amount] money NULL,
    [From] datetime2(7) NULL,
    [To] datetime2(7) NULL
)
GO
CREATE TABLE lifeboat.[dbo.Heap 23a4b85e] (
    lifeboat_id bigint NOT NULL DEFAULT NEXT VALUE FOR lifeboat.change_id PRIMARY KEY WITH (OPTIMIZE_FOR_SEQUENTIAL_KEY = ON),
    lifeboat_tx bigint NOT NULL,
    lifeboat_session int NOT NULL,
    lifeboat_at datetime2(7) NOT NULL,
    lifeboat_op char(1) NOT NULL,
    [A] int NULL,
    [Place] geography NULL
)
GO
CREATE TRIGGER [dbo].[lifeboat_capture_Customer] ON [dbo].[Customer]
WITH EXECUTE AS 'dbo'
AFTER INSERT, UPDATE, DELETE AS
BEGIN
    SET NOCOUNT ON;
    SET ROWCOUNT 0;
    IF NOT EXISTS (SELECT 1 FROM inserted) AND NOT EXISTS (SELECT 1 FROM deleted) RETURN;
    DECLARE @fenced nvarchar(1000);
    SELECT @fenced = fenced FROM lifeboat.state WITH (REPEATABLEREAD) WHERE id = 1;
    IF @fenced IS NOT NULL
    BEGIN
        DECLARE @message nvarchar(2000) = CONCAT(N'Lifeboat turned this write away: another database has taken over. ', @fenced);
        THROW 51207, @message, 1;
    END;
    INSERT INTO lifeboat.[dbo.Customer 41358ea0] (lifeboat_tx, lifeboat_session, lifeboat_at, lifeboat_op, [Id], [Name], [Phone], [Email], [Since], [Row Guid], [Nick], [Notes])
    SELECT CURRENT_TRANSACTION_ID(), @@SPID, SYSUTCDATETIME(), 'D', [Id], [Name], [Phone], [Email], [Since], [Row Guid], [Nick], CAST([Notes] AS xml) FROM deleted;
    INSERT INTO lifeboat.[dbo.Customer 41358ea0] (lifeboat_tx, lifeboat_session, lifeboat_at, lifeboat_op, [Id], [Name], [Phone], [Email], [Since], [Row Guid], [Nick], [Notes])
    SELECT CURRENT_TRANSACTION_ID(), @@SPID, SYSUTCDATETIME(), 'I', [Id], [Name], [Phone], [Email], [Since], [Row Guid], [Nick], CAST([Notes] AS xml) FROM inserted;
END
GO
CREATE TRIGGER [sales].[lifeboat_capture_Order Line] ON [sales].[Order Line]
WITH EXECUTE AS 'dbo'
AFTER INSERT, UPDATE, DELETE AS
BEGIN
    SET NOCOUNT ON;
    SET ROWCOUNT 0;
    IF NOT EXISTS (SELECT 1 FROM inserted) AND NOT EXISTS (SELECT 1 FROM deleted) RETURN;
    DECLARE @fenced nvarchar(1000);
    SELECT @fenced = fenced FROM lifeboat.state WITH (REPEATABLEREAD) WHERE id = 1;
    IF @fenced IS NOT NULL
    BEGIN
        DECLARE @message nvarchar(2000) = CONCAT(N'Lifeboat turned this write away: another database has taken over. ', @fenced);
        THROW 51207, @message, 1;
    END;
    INSERT INTO lifeboat.[sales.Order Line 260009a8] (lifeboat_tx, lifeboat_session, lifeboat_at, lifeboat_op, [No], [CustomerId], [Qty], [Note], [Parent])
    SELECT CURRENT_TRANSACTION_ID(), @@SPID, SYSUTCDATETIME(), 'D', [No], [CustomerId], [Qty], [Note], [Parent] FROM deleted;
    INSERT INTO lifeboat.[sales.Order Line 260009a8] (lifeboat_tx, lifeboat_session, lifeboat_at, lifeboat_op, [No], [CustomerId], [Qty], [Note], [Parent])
    SELECT CURRENT_TRANSACTION_ID(), @@SPID, SYSUTCDATETIME(), 'I', [No], [CustomerId], [Qty], [Note], [Parent] FROM inserted;
END
GO
CREATE TRIGGER [dbo].[lifeboat_capture_Price] ON [dbo].[Price]
AFTER INSERT, UPDATE, DELETE AS
BEGIN
    SET NOCOUNT ON;
    SET ROWCOUNT 0;
    IF NOT EXISTS (SELECT 1 FROM inserted) AND NOT EXISTS (SELECT 1 FROM deleted) RETURN;
    DECLARE @fenced nvarchar(1000);
    SELECT @fenced = fenced FROM lifeboat.state WITH (REPEATABLEREAD) WHERE id = 1;
    IF @fenced IS NOT NULL
    BEGIN
        DECLARE @message nvarchar(2000) = CONCAT(N'Lifeboat turned this write away: another database has taken over. ', @fenced);
        THROW 51207, @message, 1;
    END;
    INSERT INTO lifeboat.[dbo.Price e53e4d94] (lifeboat_tx, lifeboat_session, lifeboat_at, lifeboat_op, [Id], [Amount], [From], [To])
    SELECT CURRENT_TRANSACTION_ID(), @@SPID, SYSUTCDATETIME(), 'D', [Id], [Amount], [From], [To] FROM deleted;
    INSERT INTO lifeboat.[dbo.Price e53e4d94] (lifeboat_tx, lifeboat_session, lifeboat_at, lifeboat_op, [Id], [Amount], [From], [To])
    SELECT CURRENT_TRANSACTION_ID(), @@SPID, SYSUTCDATETIME(), 'I', [Id], [Amount], [From], [To] FROM inserted;
    IF EXISTS (SELECT 1 FROM deleted)
    BEGIN
        DECLARE @ended datetime2(7);
        SELECT TOP (1) @ended = [From] FROM inserted;
        IF @ended IS NULL
            SELECT TOP (1) @ended = h.[To] FROM [dbo].[PriceHistory] AS h JOIN (SELECT TOP (1) [Id], [From] FROM deleted) AS d
                ON h.[Id] = d.[Id] AND h.[From] = d.[From] ORDER BY h.[To] DESC;
        IF @ended IS NULL THROW 51208, N'Lifeboat cannot find the history row of this change; write refused.', 1;
        INSERT INTO lifeboat.[dbo.PriceHistory f08f7d94] (lifeboat_tx, lifeboat_session, lifeboat_at, lifeboat_op, [Id], [Amount], [From], [To])
        SELECT CURRENT_TRANSACTION_ID(), @@SPID, SYSUTCDATETIME(), 'I', [Id], [Amount], [From], @ended FROM deleted;
    END;
END
GO
CREATE TRIGGER [dbo].[lifeboat_capture_Heap] ON [dbo].[Heap]
AFTER INSERT, UPDATE, DELETE AS
BEGIN
    SET NOCOUNT ON;
    SET ROWCOUNT 0;
    IF NOT EXISTS (SELECT 1 FROM inserted) AND NOT EXISTS (SELECT 1 FROM deleted) RETURN;
    DECLARE @fenced nvarchar(1000);
    SELECT @fenced = fenced FROM lifeboat.state WITH (REPEATABLEREAD) WHERE id = 1;
    IF @fenced IS NOT NULL
    BEGIN
        DECLARE @message nvarchar(2000) = CONCAT(N'Lifeboat turned this write away: another database has taken over. ', @fenced);
        THROW 51207, @message, 1;
    END;
    INSERT INTO lifeboat.[dbo.Heap 23a4b85e] (lifeboat_tx, lifeboat_session, lifeboat_at, lifeboat_op, [A], [Place])
    SELECT CURRENT_TRANSACTION_ID(), @@SPID, SYSUTCDATETIME(), 'D', [A], [Place] FROM deleted;
    INSERT INTO lifeboat.[dbo.Heap 23a4b85e] (lifeboat_tx, lifeboat_session, lifeboat_at, lifeboat_op, [A], [Place])
    SELECT CURRENT_TRANSACTION_ID(), @@SPID, SYSUTCDATETIME(), 'I', [A], [Place] FROM inserted;
END
GO
EXEC sys.sp_settriggerorder @triggername = N'[dbo].[lifeboat_capture_Customer]', @order = 'First', @stmttype = 'INSERT'
GO
EXEC sys.sp_settriggerorder @triggername = N'[dbo].[lifeboat_capture_Customer]', @order = 'First', @stmttype = 'UPDATE'
GO
EXEC sys.sp_settriggerorder @triggername = N'[dbo].[lifeboat_capture_Customer]', @order = 'First', @stmttype = 'DELETE'
GO
