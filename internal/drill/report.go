package drill

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"text/template"
	"time"

	"lifeboat/internal/database"
)

//go:embed templates
var templates embed.FS

// Names of the report's files in Config.Dir.
const (
	markdownName = "report.md"
	htmlName     = "report.html"
)

func functions() map[string]any {
	return map[string]any{
		"seconds":  func(d time.Duration) string { return secs(d) + " s" },
		"secs":     secs,
		"short":    short,
		"cell":     func(s string) string { return strings.ReplaceAll(s, "|", `\|`) },
		"unsaved":  func(r *Result) int { return r.Verdict.Unknown - r.Verdict.UnknownSaved },
		"timeline": timeline,
		"recovery": recoveryChart,
	}
}

func secs(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 3, 64) }

// short is enough of a state hash to compare by eye; the JSON has all of it.
func short(s database.State) string {
	_, sum, _ := strings.Cut(s.String(), ":")
	return fmt.Sprintf("%d:%s…", s.Count, sum[:16])
}

// Markdown renders the report as Markdown.
func (r *Result) markdown() ([]byte, error) {
	t, err := template.New(markdownName).Funcs(functions()).ParseFS(templates, "templates/"+markdownName)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, r)
	return b.Bytes(), err
}

// html renders the report as one page that needs nothing else.
func (r *Result) html() ([]byte, error) {
	t, err := htmltemplate.New(htmlName).Funcs(functions()).ParseFS(templates, "templates/"+htmlName)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = t.Execute(&b, r)
	return b.Bytes(), err
}

// write puts both forms of the report into dir.
func (r *Result) write(dir string) error {
	r.Markdown, r.HTML = filepath.Join(dir, markdownName), filepath.Join(dir, htmlName)
	md, err := r.markdown()
	if err != nil {
		return fmt.Errorf("render the report: %w", err)
	}
	page, err := r.html()
	if err != nil {
		return fmt.Errorf("render the report: %w", err)
	}
	return errors.Join(os.WriteFile(r.Markdown, md, 0o644), os.WriteFile(r.HTML, page, 0o644))
}
