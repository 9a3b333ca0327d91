// Package report turns evidence into documents: of a drill or failover, of an incident, of a
// month for the committee, and the contact list.
//
// It owns the sources ([Exercise], [Case], [Pack], [Contacts]), which are plain data, and
// three forms made from the same source: JSON, Markdown, and one HTML page that needs nothing
// else, in light, dark and print. Each form carries its whole source and the source's
// SHA-256. [Verify] takes any of the three, recomputes the hash, makes the document again
// from the source that it carries and compares byte for byte: so neither a figure nor a word
// of a report can be changed without notice. Whoever changes both has to change the hash,
// which is quoted elsewhere: in the committee's register, for instance.
//
// It refuses kinds and versions that it does not know, and measures nothing by itself.
//
//	src, _ := report.NewSource(made, exercise)
//	page, _ := src.Render(report.HTML)
//	found, err := report.Verify(page)   // found.SHA256 == src.SHA256
package report
