package main_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"lifeboat/internal/azuresim/simtest"
)

func TestCommandLine(t *testing.T) {
	t.Parallel()
	cloud := simtest.NewCloud()
	e := simtest.NewEngine(t, cloud)
	for _, stack := range []string{"dr","primary"} {
	e.Run(true, "stack", "init", stack)
	out := e.Run(true, "preview", "-s", stack)
	out = e.Run(true, "up", "-y", "-f", "-s", stack)
	t.Log(out)
	out = e.Run(true, "up", "-y", "-f", "-s", stack, "--expect-no-changes")
	t.Log(out)
	}
	require.NotEmpty(t, cloud.IDs())
}
