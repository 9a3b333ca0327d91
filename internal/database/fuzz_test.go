package database_test

import (
	"bytes"
	"testing"

	"lifeboat/internal/database"
)

// FuzzNext: what decodes, encodes to the same bytes: a value has one encoding only.
func FuzzNext(f *testing.F) {
	for _, values := range extremes() {
		for _, v := range values {
			f.Add(v)
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		v, rest, err := database.Next(b)
		if err != nil {
			return
		}
		used := b[:len(b)-len(rest)]
		if again := database.AppendValue(nil, v); !bytes.Equal(again, used) {
			t.Fatalf("%x decodes and becomes %x", used, again)
		}
	})
}

// FuzzCheckRow: a row that passes has a key and a hash, and its values fill it exactly.
func FuzzCheckRow(f *testing.F) {
	s := sampleSchema()
	if err := s.Seal(); err != nil {
		f.Fatal(err)
	}
	f.Add(database.AppendText(database.AppendInt(nil, 7), "a"))
	f.Add(database.AppendNull(database.AppendDecimal(nil, 2, []byte{1})))
	f.Fuzz(func(t *testing.T, row []byte) {
		for i := range s.Tables {
			table := &s.Tables[i]
			if table.CheckRow(row) != nil {
				continue
			}
			if got := recode(t, row, len(table.Columns)); !bytes.Equal(got, row) {
				t.Fatalf("%x becomes %x", row, got)
			}
			table.Hash(nil, row)
			_, _ = table.AppendKey(nil, row) // a decimal may be too long for a key
		}
	})
}

// FuzzDecodeSchema: a schema that decodes is usable and encodes to a fixed point.
func FuzzDecodeSchema(f *testing.F) {
	b, err := sampleSchema().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"tables":[{"name":"t","columns":[{"name":"a"}],"key":[0]}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := database.DecodeSchema(b)
		if err != nil {
			return
		}
		first, err := s.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := database.DecodeSchema(first)
		if err != nil {
			t.Fatal(err)
		}
		second, err := again.Encode()
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s becomes %s (%v)", first, second, err)
		}
		for i := range s.Tables {
			_ = s.Tables[i].Version()
		}
	})
}

// FuzzState: a state that parses prints as it was.
func FuzzState(f *testing.F) {
	f.Add([]byte(database.State{}.String()))
	f.Fuzz(func(t *testing.T, text []byte) {
		var s database.State
		if s.UnmarshalText(text) == nil && s.String() != string(text) {
			t.Fatalf("%q prints as %q", text, s)
		}
	})
}
