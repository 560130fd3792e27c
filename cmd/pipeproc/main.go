// Command pipeproc reads, writes and maintains pipeproc stores. Run it with
// --help for its usage.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/pipeproc/pipeproc/rpc"
)

func main() {
	rpc.Main(nil) // lets other programs run their node in this one
	os.Exit(realMain())
}

func realMain() int {
	// Writing to a closed standard output is an error like any other, so the store
	// is still closed properly.
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	return run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
}
