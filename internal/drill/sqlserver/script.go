package sqlserver

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"lifeboat/internal/database/mssql"
)

// Text decodes a script file: UTF-8, or UTF-16 with a byte-order mark, as the tools of SQL
// Server write it.
func Text(raw []byte) (string, error) {
	var order binary.ByteOrder
	switch {
	case strings.HasPrefix(string(raw), "\xff\xfe"):
		order = binary.LittleEndian
	case strings.HasPrefix(string(raw), "\xfe\xff"):
		order = binary.BigEndian
	case !utf8.Valid(raw):
		return "", errors.New("it is neither UTF-8 nor UTF-16 with a byte-order mark")
	default:
		return strings.TrimPrefix(string(raw), "\ufeff"), nil
	}
	if len(raw)%2 != 0 {
		return "", errors.New("it is UTF-16 with an odd number of bytes")
	}
	units := make([]uint16, 0, len(raw)/2)
	for i := 2; i < len(raw); i += 2 {
		units = append(units, order.Uint16(raw[i:]))
	}
	return string(utf16.Decode(units)), nil
}

var (
	separator = regexp.MustCompile(`(?i)^[ \t]*GO(?:[ \t]+([0-9]{1,9}))?[ \t]*;?[ \t]*(?:--.*)?\r?$`)
	useAlone  = regexp.MustCompile(`(?i)^\s*USE\s+(?:\[[^\]]*\]|\w+)\s*;?\s*$`)
	useAmong  = regexp.MustCompile(`(?im)^\s*USE\s+[\[\w]|;\s*USE\s+[\[\w]`)
	databases = regexp.MustCompile(`(?i)\b(?:CREATE|ALTER|DROP)\s+DATABASE\b`)
)

// mostRepeats bounds the number after a GO.
const mostRepeats = 100_000

// Batches splits a script at its lines GO, as sqlcmd does; GO 3 runs a batch three times.
// What chooses or changes a database is left out, since the script goes into a new one;
// left lists those batches. A USE among other statements is refused: what follows it would
// go elsewhere.
func Batches(script string) (batches, left []string, err error) {
	var batch, code strings.Builder // code is the batch without comments and literals
	end := func(times int) error {
		text, bare := batch.String(), code.String()
		batch.Reset()
		code.Reset()
		switch {
		case strings.TrimSpace(bare) == "":
		case useAlone.MatchString(bare), databases.MatchString(bare):
			left = append(left, text)
		case useAmong.MatchString(bare):
			return fmt.Errorf("a batch has USE among other statements: put GO after it (in: %.60s)", strings.TrimSpace(text))
		default:
			for range times {
				batches = append(batches, text)
			}
		}
		return nil
	}
	var s lexer
	for line := range strings.Lines(script) {
		if m := separator.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil && s.inside == 0 {
			times := 1
			if m[1] != "" {
				if times, err = strconv.Atoi(m[1]); err != nil || times > mostRepeats {
					return nil, nil, fmt.Errorf("GO %s: want at most %d", m[1], mostRepeats)
				}
			}
			if err := end(times); err != nil {
				return nil, nil, err
			}
			continue
		}
		batch.WriteString(line)
		s.strip(&code, line)
	}
	if s.inside != 0 {
		return nil, nil, fmt.Errorf("the script ends inside a %s", s.inside)
	}
	return batches, left, end(1)
}

// within is what a line may begin inside of.
type within rune

const (
	comment within = '*'
	quoted  within = '\''
	double  within = '"'
	bracket within = '['
)

func (w within) String() string {
	return map[within]string{comment: "comment", quoted: "literal", double: "quoted name", bracket: "name in brackets"}[w]
}

// lexer knows T-SQL as far as it takes to tell code from what is not.
type lexer struct {
	inside within // 0: code
	depth  int    // of comments, which nest
}

// strip appends the code of a line to b: comments become blanks, literals empty.
func (l *lexer) strip(b *strings.Builder, line string) {
	for i := 0; i < len(line); i++ {
		two := line[i:min(i+2, len(line))]
		switch l.inside {
		case comment:
			if two == "/*" {
				l.depth++
				i++
			} else if two == "*/" {
				i++
				if l.depth--; l.depth == 0 {
					l.inside = 0
					b.WriteByte(' ')
				}
			}
			continue
		case quoted, double:
			if line[i] == byte(l.inside) {
				l.inside = 0 // a doubled one opens again at once
				b.WriteByte(line[i])
			}
			continue
		case bracket:
			if line[i] == ']' {
				l.inside = 0
			}
			b.WriteByte(line[i])
			continue
		}
		switch {
		case two == "--":
			b.WriteByte('\n')
			return
		case two == "/*":
			l.inside, l.depth = comment, 1
			i++
			continue
		case strings.IndexByte(`'"[`, line[i]) >= 0:
			l.inside = within(line[i])
		}
		b.WriteByte(line[i])
	}
}

// runScript makes the application's database by its script.
func (e *Engine) runScript(ctx context.Context, u mssql.URL) (err error) {
	batches, left, err := Batches(e.cfg.Script)
	if err != nil {
		return err
	}
	for _, b := range left {
		e.cfg.Log.InfoContext(ctx, "left out of the script: it is about databases", "batch", fmt.Sprintf("%.80s", strings.TrimSpace(b)))
	}
	db, _, err := openApp(u)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx) // one session, as sqlcmd has
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	for _, b := range batches {
		if _, err := conn.ExecContext(ctx, b); err != nil {
			return fmt.Errorf("run the script: %w (in: %.200s)", err, strings.TrimSpace(b))
		}
	}
	return nil
}
