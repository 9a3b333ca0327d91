package mssql_test

// extremeTable has a column of each type that SQL Server and the test server both have.
const extremeTable = `CREATE TABLE dbo.extreme (id int NOT NULL PRIMARY KEY,
 a_bit bit NULL, a_tinyint tinyint NULL, a_smallint smallint NULL, an_int int NULL, a_bigint bigint NULL,
 decimal_38 decimal(38,0) NULL, decimal_38_38 decimal(38,38) NULL, decimal_38_10 decimal(38,10) NULL, decimal_28 decimal(28,4) NULL, decimal_9 decimal(9,2) NULL,
 numeric_19 numeric(19,19) NULL, a_money money NULL, a_smallmoney smallmoney NULL, a_float float NULL, a_real real NULL,
 a_char char(10) NULL, a_varchar varchar(20) NULL, cyrillic varchar(20) COLLATE Cyrillic_General_CI_AS NULL, greek varchar(20) COLLATE Greek_CI_AS NULL,
 varchar_max varchar(max) NULL, an_nchar nchar(10) NULL, an_nvarchar nvarchar(40) NULL, nvarchar_max nvarchar(max) NULL,
 a_binary binary(8) NULL, a_varbinary varbinary(20) NULL, varbinary_max varbinary(max) NULL,
 a_date date NULL, a_time time(6) NULL, time_0 time(0) NULL, a_datetime datetime NULL, a_smalldatetime smalldatetime NULL, a_datetime2 datetime2(6) NULL,
 datetime2_3 datetime2(3) NULL, an_offset datetimeoffset(6) NULL, a_guid uniqueidentifier NULL, an_xml xml NULL, a_variant sql_variant NULL,
 computed AS (id * 2), stamped rowversion)`

func extremeRows() []string {
	return []string{
		`INSERT INTO dbo.extreme (id) VALUES (0)`,
		`INSERT INTO dbo.extreme (id, a_bit, a_tinyint, a_smallint, an_int, a_bigint) VALUES (1, 0, 0, -32768, -2147483648, -9223372036854775808), (2, 1, 255, 32767, 2147483647, 9223372036854775807)`,
	}
}
