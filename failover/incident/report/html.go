package report

import (
	"bytes"
	"fmt"
	"html/template"
	"strings"

	_ "embed"
)

//go:embed page.html
var page string

// html renders the document as one page.
func (s *Source) html() ([]byte, error) {
	t, err := template.New("page").Funcs(template.FuncMap{
		"utc": utc,
		"class": func(cell string) string {
			switch {
			case strings.HasPrefix(cell, "✓"):
				return "good"
			case strings.HasPrefix(cell, "✗"):
				return "bad"
			}
			return ""
		},
	}).Parse(page)
	if err != nil {
		return nil, fmt.Errorf("page template: %w", err)
	}
	var b bytes.Buffer
	err = t.Execute(&b, struct {
		document
		*Source
		Carried template.HTML
	}{s.Data.document(), s, template.HTML(openHTML + string(s.bytes) + closeHTML)}) //nolint:gosec // encoding/json escapes <, > and &
	if err != nil {
		return nil, fmt.Errorf("render page: %w", err)
	}
	return b.Bytes(), nil
}
