package export

import (
	"bufio"
	"strings"

	"lifeboat/internal/database"
	"lifeboat/internal/rowtext"
)

// csvSink writes RFC 4180: commas, CRLF, quotes doubled. NULL is an empty field without
// quotes; every text has quotes, so the empty text is "".
type csvSink struct{ out *bufio.Writer }

func newCSV(out *bufio.Writer, t *database.Table) (sink, error) {
	s := &csvSink{out}
	for i, c := range t.Columns {
		s.separate(i)
		s.quoted(c.Name)
	}
	return s, s.end()
}

// A bufio.Writer keeps its first error and gives it to every call after, end among them.

func (s *csvSink) separate(column int) {
	if column > 0 {
		_ = s.out.WriteByte(',')
	}
}

func (s *csvSink) quoted(text string) {
	_ = s.out.WriteByte('"')
	_, _ = s.out.WriteString(strings.ReplaceAll(text, `"`, `""`))
	_ = s.out.WriteByte('"')
}

func (s *csvSink) end() error {
	_, err := s.out.WriteString("\r\n")
	return err
}

func (s *csvSink) row(values []database.Value) error {
	for i, v := range values {
		s.separate(i)
		switch v.Tag {
		case database.TagNull:
		case database.TagText, database.TagXML, database.TagBytes, database.TagVariant:
			s.quoted(rowtext.Text(v))
		default:
			_, _ = s.out.WriteString(rowtext.Text(v))
		}
	}
	return s.end()
}

func (s *csvSink) close() error { return nil }
