package mssql

import (
	"fmt"
	"strconv"
	"strings"
)

// sqlType is a built-in type as a column declares it.
type sqlType struct {
	Name      string // lower case: "nvarchar", "decimal", …
	Length    int    // characters or bytes; maxLength for max; 0 where the type has none
	Precision int    // of decimal and numeric
	Scale     int    // of decimal, numeric, time, datetime2, datetimeoffset
}

// maxLength stands for the max in varchar(max).
const maxLength = -1

// catalogType builds a type from what the catalog views say: max_length in bytes.
func catalogType(name string, bytes, precision, scale int) sqlType {
	t := sqlType{Name: strings.ToLower(name)}
	switch t.Name {
	case "char", "varchar", "binary", "varbinary":
		t.Length = bytes
	case "nchar", "nvarchar":
		t.Length = bytes
		if bytes > 0 {
			t.Length = bytes / 2
		}
	case "decimal", "numeric":
		t.Precision, t.Scale = precision, scale
	case "time", "datetime2", "datetimeoffset":
		t.Scale = scale
	}
	return t
}

// String is the complete declaration: "decimal(10,2)", "nvarchar(max)", "datetime2(7)".
func (t sqlType) String() string {
	switch t.Name {
	case "char", "varchar", "binary", "varbinary", "nchar", "nvarchar":
		if t.Length == maxLength {
			return t.Name + "(max)"
		}
		return t.Name + "(" + strconv.Itoa(t.Length) + ")"
	case "decimal", "numeric":
		return fmt.Sprintf("%s(%d,%d)", t.Name, t.Precision, t.Scale)
	case "time", "datetime2", "datetimeoffset":
		return t.Name + "(" + strconv.Itoa(t.Scale) + ")"
	}
	return t.Name
}

// parseType undoes String.
func parseType(s string) (sqlType, error) {
	name, args, _ := strings.Cut(strings.TrimSuffix(s, ")"), "(")
	t := sqlType{Name: name}
	var numbers []int
	for arg := range strings.SplitSeq(args, ",") {
		switch n, err := strconv.Atoi(arg); {
		case err == nil:
			numbers = append(numbers, n)
		case arg == "max":
			numbers = append(numbers, maxLength)
		}
	}
	switch {
	case t.isString() || t.isBinary():
		if len(numbers) == 1 {
			t.Length = numbers[0]
		}
	case name == "decimal" || name == "numeric":
		if len(numbers) == 2 {
			t.Precision, t.Scale = numbers[0], numbers[1]
		}
	case name == "time" || name == "datetime2" || name == "datetimeoffset":
		if len(numbers) == 1 {
			t.Scale = numbers[0]
		}
	}
	if t.String() != s || !t.valid() {
		return sqlType{}, fmt.Errorf("column type %q is not supported", s)
	}
	return t, nil
}

func (t sqlType) valid() bool {
	switch t.Name {
	case "bit", "tinyint", "smallint", "int", "bigint", "money", "smallmoney", "float", "real", "date",
		"datetime", "smalldatetime", "uniqueidentifier", "xml", "sql_variant",
		"hierarchyid", "geography", "geometry":
		return true
	case "char", "binary":
		return t.Length > 0 && t.Length <= 8000
	case "nchar":
		return t.Length > 0 && t.Length <= 4000
	case "varchar", "varbinary":
		return t.Length == maxLength || t.Length > 0 && t.Length <= 8000
	case "nvarchar":
		return t.Length == maxLength || t.Length > 0 && t.Length <= 4000
	case "decimal", "numeric":
		return t.Precision > 0 && t.Precision <= maxPrecision && t.Scale >= 0 && t.Scale <= t.Precision
	case "time", "datetime2", "datetimeoffset":
		return t.Scale >= 0 && t.Scale <= 7
	}
	return false
}

// isString: char, varchar, nchar or nvarchar.
func (t sqlType) isString() bool {
	return t.isUnicode() || t.Name == "char" || t.Name == "varchar"
}

func (t sqlType) isUnicode() bool { return t.Name == "nchar" || t.Name == "nvarchar" }

func (t sqlType) isBinary() bool { return t.Name == "binary" || t.Name == "varbinary" }

// isLarge: values may have up to 2 GB.
func (t sqlType) isLarge() bool {
	switch t.Name {
	case "xml", "geography", "geometry":
		return true
	}
	return t.Length == maxLength
}

// raw is the varbinary type that holds every value of a string type.
func (t sqlType) raw() string {
	switch {
	case t.Length == maxLength:
		return "varbinary(max)"
	case t.isUnicode():
		return "varbinary(" + strconv.Itoa(2*t.Length) + ")"
	}
	return "varbinary(" + strconv.Itoa(t.Length) + ")"
}
