// Package report prints the verdict of the rules for people and for machines: a table,
// versioned JSON, SARIF 2.1.0 for code scanning, JUnit for test views, and annotations
// for GitHub's logs.
package report
