package pipeproc

import (
	"context"
	"fmt"
	"maps"
	"os"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/worker/program"
)

// Program is the program that is running, as one that can be started again, for
// Spawn and for worker processes.
type Program struct {
	path       string
	processors map[string]Processor
}

// childVar is in the environment of processes that are started again.
const (
	childVar    = "PIPEPROC_CHILD"
	childWorker = "worker"
)

// Main lets Spawn and worker processes run the program itself. Call it first
// thing in main: in the process that the user has started it returns; in one that
// pipeproc has started it runs the node, or processors, and ends the process.
//
// The processors are those that system procs with the Command Self can name. They
// run in worker processes, where nothing else of the program does, but for package
// variables and init functions. What they print goes to the node's log.
func Main(processors map[string]Processor) *Program {
	kind, ok := os.LookupEnv(childVar)
	p := &Program{processors: maps.Clone(processors)}
	var err error
	if p.path, err = os.Executable(); err != nil {
		p.path = os.Args[0]
	}
	if !ok {
		return p
	}
	_ = os.Unsetenv(childVar) // what this process starts is something else
	if kind == childWorker {
		os.Exit(p.serveProcessors())
	}
	os.Exit(p.serveNode([]byte(kind)))
	return nil
}

func (p *Program) has(processor string) bool { return p.processors[processor] != nil }

// serveProcessors is a worker process.
func (p *Program) serveProcessors() int {
	out := os.Stdout
	os.Stdout = os.Stderr // what processors print is no answer
	err := program.Serve(context.Background(), os.Stdin, out, func(_ string, d program.Definition) (Processor, error) {
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
