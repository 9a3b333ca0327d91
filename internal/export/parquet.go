package export

import (
	"encoding/json"
	"io"
	"reflect"

	"github.com/parquet-go/parquet-go"

	"lifeboat/internal/database"
	"lifeboat/restore"
)

// rowGroup bounds the rows of one group by their size before compression, in bytes, and
// with it the memory of an export.
const rowGroup = 32 << 20

type parquetSink struct {
	out   *parquet.GenericWriter[any]
	kinds []kind
	row1  parquet.Row
	size  int
}

func newParquet(out io.Writer, t *database.Table, kinds []kind, s restore.Snapshot) (sink, error) {
	declared := make(map[string]string, len(t.Columns))
	root := ordered{Group: parquet.Group{}}
	for i, c := range t.Columns {
		declared[c.Name] = c.Type
		root.fields = append(root.fields, &field{parquet.Compressed(parquet.Optional(kinds[i].node()), &parquet.Zstd), c.Name})
	}
	types, err := json.Marshal(declared)
	if err != nil {
		return nil, err
	}
	w := parquet.NewGenericWriter[any](out, parquet.NewSchema(t.Name, root),
		parquet.KeyValueMetadata("lifeboat.table", t.Name), parquet.KeyValueMetadata("lifeboat.columns", string(types)),
		parquet.KeyValueMetadata("lifeboat.seq", s.Position.Seq.String()), parquet.KeyValueMetadata("lifeboat.snapshot", s.Digest.String()))
	return &parquetSink{out: w, kinds: kinds}, nil
}

func (s *parquetSink) row(values []database.Value) error {
	s.row1 = s.row1[:0]
	for i, v := range values {
		there := 1
		if v.Tag == database.TagNull {
			there = 0
		}
		s.row1 = append(s.row1, s.kinds[i].value(v).Level(0, there, i))
		s.size += 16 + len(v.Bytes)
	}
	if _, err := s.out.WriteRows([]parquet.Row{s.row1}); err != nil {
		return err
	}
	if s.size >= rowGroup {
		s.size = 0
		return s.out.Flush()
	}
	return nil
}

func (s *parquetSink) close() error { return s.out.Close() }

// ordered is a Group that keeps the order of the table's columns.
type ordered struct {
	parquet.Group
	fields []parquet.Field
}

// Fields are the columns in their order.
func (o ordered) Fields() []parquet.Field { return o.fields }

// GoType is never needed: rows are written as values.
func (o ordered) GoType() reflect.Type { return reflect.TypeFor[struct{}]() }

type field struct {
	parquet.Node
	name string
}

func (f *field) Name() string { return f.name }

func (f *field) Value(reflect.Value) reflect.Value { return reflect.Value{} }
