//go:build race

package eventlog_test

const raceFactor = 1
