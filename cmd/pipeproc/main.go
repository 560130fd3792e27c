// Command pipeproc reads, writes and looks after pipeproc stores. Its help
// says how: run it with --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pipeproc/pipeproc/rpc"
)

func main() {
	rpc.Main(nil) // other programs can have their node run by this one
	os.Exit(realMain())
}

func realMain() int {
	// A closed standard output is an error of a write like any other, so that
	// the store is closed properly first.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}
