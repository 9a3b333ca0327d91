package sqlite

import (
	"errors"
	"strings"
)

// indexText is a CREATE INDEX statement taken apart: the text of each term without ASC
// or DESC, and of the WHERE clause, "" if there is none.
type indexText struct {
	terms []string
	where string
}

// parseIndex takes CREATE UNIQUE INDEX apart. SQLite has no pragma that tells an
// expression, and capture must know when two rows collide on one.
func parseIndex(sql string) (*indexText, error) {
	tokens, err := tokenize(sql)
	if err != nil {
		return nil, err
	}
	open := -1
	for i, t := range tokens {
		if t.text == "(" {
			open = i
			break
		}
	}
	if open < 0 {
		return nil, errors.New("no list of columns")
	}
	x := new(indexText)
	depth, from := 1, open+1
	for i := open + 1; i < len(tokens); i++ {
		switch tokens[i].text {
		case "(":
			depth++
		case ")":
			depth--
		}
		if depth == 0 || depth == 1 && tokens[i].text == "," {
			x.terms = append(x.terms, termText(sql, tokens[from:i]))
			from = i + 1
		}
		if depth == 0 {
			return x, x.setWhere(sql, tokens[i+1:])
		}
	}
	return nil, errors.New("the list of columns does not end")
}

func (x *indexText) setWhere(sql string, rest []token) error {
	switch {
	case len(rest) == 0:
		return nil
	case len(rest) == 1 || !strings.EqualFold(rest[0].text, "WHERE"):
		return errors.New("something other than WHERE after the columns")
	}
	x.where = sql[rest[1].from:rest[len(rest)-1].to]
	return nil
}

func termText(sql string, tokens []token) string {
	if n := len(tokens); n > 1 {
		if last := tokens[n-1].text; strings.EqualFold(last, "ASC") || strings.EqualFold(last, "DESC") {
			tokens = tokens[:n-1]
		}
	}
	if len(tokens) == 0 {
		return ""
	}
	return sql[tokens[0].from:tokens[len(tokens)-1].to]
}

// token is a piece of SQL: a quoted thing, a word, or one other character.
type token struct {
	from, to int
	text     string
}

var errUnterminated = errors.New("a quoted name, text or comment does not end")

// tokenize splits SQL as far as finding parentheses, commas and words needs; comments
// and blanks are dropped.
func tokenize(sql string) ([]token, error) {
	var tokens []token
	for i := 0; i < len(sql); {
		from, c := i, sql[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f':
			i++
			continue
		case strings.HasPrefix(sql[i:], "--"):
			n := strings.IndexByte(sql[i:], '\n')
			if n < 0 {
				return tokens, nil
			}
			i += n + 1
			continue
		case strings.HasPrefix(sql[i:], "/*"):
			n := strings.Index(sql[i+2:], "*/")
			if n < 0 {
				return tokens, nil // SQLite takes the end of the text for the end of the comment
			}
			i += n + 4
			continue
		case c == '\'' || c == '"' || c == '`' || c == '[':
			end := quotedEnd(sql, i)
			if end < 0 {
				return nil, errUnterminated
			}
			i = end
		case wordByte(c):
			for i < len(sql) && wordByte(sql[i]) {
				i++
			}
		default:
			i++
		}
		tokens = append(tokens, token{from, i, sql[from:i]})
	}
	return tokens, nil
}

// quotedEnd is the offset after the quoted thing that begins at i, -1 if it has no end.
func quotedEnd(sql string, i int) int {
	if sql[i] == '[' {
		n := strings.IndexByte(sql[i:], ']')
		if n < 0 {
			return -1
		}
		return i + n + 1
	}
	q := sql[i]
	for i++; i < len(sql); i++ {
		if sql[i] != q {
			continue
		}
		if i+1 < len(sql) && sql[i+1] == q {
			i++
			continue
		}
		return i + 1
	}
	return -1
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
