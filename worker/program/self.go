package program

import (
	"context"
	"fmt"
	"maps"
	"os"

	"github.com/pipeproc/pipeproc/internal/child"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/worker"
)

// Self is the running program as a command that a Runner can start again, with
// the Go functions that it can run as processors. Main returns it.
type Self struct {
	path       string
	processors map[string]worker.Processor
}

// Main lets worker processes run Go functions of this program. Call it first in
// main. In the process that the user started, it returns. In a process that a
// Runner started, it runs processors and ends the process. A program that also
// uses rpc.Spawn calls rpc.Main instead.
//
// System procs with the Command "@self" name these processors. They run in
// worker processes, where nothing else of the program runs except package
// variables and init functions. What they print goes to the node's log.
func Main(processors map[string]worker.Processor) *Self {
	p := &Self{processors: maps.Clone(processors)}
	var err error
	if p.path, err = os.Executable(); err != nil {
		p.path = os.Args[0]
	}
	kind, ok := child.Take()
	if !ok {
		return p
	}
	if kind != child.Worker {
		fmt.Fprintln(os.Stderr, "pipeproc: started to run a node, but main calls program.Main; call rpc.Main in its place")
		os.Exit(2)
	}
	os.Exit(p.serveProcessors())
	return nil
}

// Path returns the path of the program's executable file.
func (p *Self) Path() string { return p.path }

func (p *Self) has(processor string) bool { return p.processors[processor] != nil }

// serveProcessors is the main function of a worker process. It returns the exit
// code.
func (p *Self) serveProcessors() int {
	out := os.Stdout
	os.Stdout = os.Stderr // output of processors must not mix with answers
	err := Serve(context.Background(), os.Stdin, out, func(_ string, d Definition) (worker.Processor, error) {
		fn := p.processors[d.Processor]
		if fn == nil {
			return nil, errs.NoProcessor.With(fmt.Sprintf("the program knows no processor %q", d.Processor))
		}
		return fn, nil
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}
