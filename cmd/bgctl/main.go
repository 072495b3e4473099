// Command bgctl runs blue-green deployments on plain Docker from one terminal.
//
// This package holds flags, environment, wiring and exit codes; what bgctl does
// lives in the internal packages.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"bgctl/internal/sanitize"
)

func main() {
	os.Exit(run())
}

// run is main with a result, so that deferred calls run before the exit.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A second signal ends the process at once.
	context.AfterFunc(ctx, stop)
	dir, err := os.Getwd()
	if err != nil {
		dir = "."
	}
	takeLibraryLog(sanitize.NewWriter(os.Stderr))
	a := &app{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		env: os.Getenv, environ: os.Environ(), dir: dir,
	}
	return a.main(ctx, os.Args[1:])
}
