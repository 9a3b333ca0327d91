// Package chart draws the few charts that reports and the status page need, as SVG.
//
// It owns two forms: a timeline of steps ([Steps]) and a line over time ([Line]). A drawing
// stands alone: no script, no style sheet and no font from elsewhere; it takes its colours
// from the page's custom properties --ink, --soft, --good, --bad and --line, so one drawing
// serves light, dark and print. Each carries a title and a description for those who do not
// see it; the page still has to give the figures as a table.
//
// The same data gives the same bytes. Everything that comes from outside is escaped.
package chart
