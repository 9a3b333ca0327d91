package report

import (
	"fmt"
	"strings"
)

// markdown renders the document, with its source in a comment at the end.
func (s *Source) markdown() []byte {
	d := s.Data.document()
	var b strings.Builder
	fmt.Fprintf(&b, "# %s\n\n", text(d.Title))
	if d.Subtitle != "" {
		fmt.Fprintf(&b, "%s\n\n", text(d.Subtitle))
	}
	fmt.Fprintf(&b, "Made %s. Evidence SHA-256 `%s`; check it with `lifeboat report verify`.\n\n", utc(s.Made), s.SHA256)
	if d.Verdict != nil {
		sign := "✗"
		if d.Verdict.Good {
			sign = "✓"
		}
		fmt.Fprintf(&b, "> **%s %s**\n\n", sign, text(d.Verdict.Text))
	}
	for _, sec := range d.Sections {
		sec.markdown(&b)
	}
	b.WriteString(openMarkdown)
	b.Write(s.bytes)
	b.WriteString(closeMarkdown + "\n")
	return []byte(b.String())
}

func (s section) markdown(b *strings.Builder) {
	fmt.Fprintf(b, "## %s\n\n", text(s.Heading))
	for _, p := range s.Text {
		fmt.Fprintf(b, "%s\n\n", text(p))
	}
	for _, item := range s.List {
		fmt.Fprintf(b, "- %s\n", text(item))
	}
	if len(s.List) > 0 {
		b.WriteString("\n")
	}
	if len(s.Code) > 0 {
		fmt.Fprintf(b, "```sh\n%s\n```\n\n", strings.Join(s.Code, "\n"))
	}
	if s.Table == nil {
		return
	}
	row := func(cells []string) {
		for _, c := range cells {
			fmt.Fprintf(b, "| %s ", strings.ReplaceAll(text(c), "|", `\|`))
		}
		b.WriteString("|\n")
	}
	row(s.Table.Head)
	b.WriteString(strings.Repeat("| --- ", len(s.Table.Head)) + "|\n")
	for _, r := range s.Table.Rows {
		row(r)
	}
	b.WriteString("\n")
}

// text keeps what people typed from being markup: one line, and no HTML.
func text(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	return strings.NewReplacer("<", "&lt;", ">", "&gt;", "`", "'", "[", `\[`, "]", `\]`, "*", `\*`).Replace(s)
}
