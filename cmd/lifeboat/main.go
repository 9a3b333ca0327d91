package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// main turns signals into the end of a context, and run's answer into the exit code. A
// second signal ends the process at once: the first one is forgotten by then.
func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
