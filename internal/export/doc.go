// Package export writes the rows of a snapshot as files that other tools read: Parquet or
// CSV, one file a table.
//
// It owns the mapping of canonical values to the two formats (docs/exports.md has the
// table) and refuses to lose anything: what a format cannot hold exactly becomes text. It
// streams: memory is bounded by one row group. A file appears under its name only when all
// rows of its table have been proven against the manifest.
//
//	report, err := export.Run(ctx, export.Config{Store: mirror, Snapshot: newest, Format: export.Parquet, Dir: "out"})
package export
