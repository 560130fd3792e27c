package program

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/pipeproc/pipeproc/internal/child"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/worker"
)

// RunnerOptions configure a Runner: the worker processes of a node. Options, in
// contrast, configure one Program. Zero values are the defaults.
type RunnerOptions struct {
	// Workers times Concurrency is the number of worker processes. Default 1;
	// negative: none, and system procs with a Command wait.
	Workers int
	// Concurrency multiplies Workers. A process runs one claim at a time, so
	// that its death affects no other claim; there are up to Workers times
	// Concurrency claims and processes at a time, if there is enough work.
	// Default 1.
	Concurrency int
	// RestartAfter is the number of claims after which a process is replaced.
	// Default: never.
	RestartAfter int
	// Self is the result of Main, for system procs whose Command is "@self".
	Self *Self `json:"-"`
	// Logger receives what an operator should read: how processes end and what
	// they write to stderr. Default: nothing.
	Logger *slog.Logger `json:"-"`
}

const maxProcesses = 4096

func (o RunnerOptions) check() error {
	switch {
	case o.Concurrency < 0:
		return errs.InvalidOptions.With(fmt.Sprintf("Concurrency: %d is negative", o.Concurrency))
	case o.RestartAfter < 0:
		return errs.InvalidOptions.With(fmt.Sprintf("RestartAfter: %d is negative", o.RestartAfter))
	case o.Workers > maxProcesses || o.Concurrency > maxProcesses || o.count() > maxProcesses:
		return errs.InvalidOptions.With(fmt.Sprintf("Workers: more than %d", maxProcesses))
	}
	return nil
}

func (o RunnerOptions) count() int { return max(cmp.Or(o.Workers, 1), 0) * cmp.Or(o.Concurrency, 1) }

// CommandSelf, as the first element of a Command, stands for the program that
// opened the node, which must have called Main. The processor is then one of
// those given to Main.
const CommandSelf = "@self"

// maxLine bounds a line written by a CommandSelf worker, in bytes: the whole
// output of a claim is one line. It is above the largest batch of the largest
// bodies.
const maxLine = 1 << 30

// Runner runs the system procs of a node that have a Command: it keeps one
// Program per distinct command, whose processes are started when there is work,
// are supervised, and end with the node. It implements [worker.Runner]. Pass it
// to the node as pipeproc.Options.Programs; the node closes it. A Runner
// belongs to one node.
type Runner struct {
	o   RunnerOptions
	log *slog.Logger

	mu     sync.Mutex
	open   map[string]*programUse // by command, see Attach
	users  map[string]*programUse // by system proc
	ending sync.WaitGroup
}

var _ worker.Runner = (*Runner)(nil)

// NewRunner returns a Runner. It starts nothing.
func NewRunner(o RunnerOptions) (*Runner, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r := &Runner{o: o, log: o.Logger}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	return r, nil
}

// Processes returns how many claims can run side by side.
func (ps *Runner) Processes() int { return ps.o.count() }

// programUse is a program and the number of system procs that use it.
type programUse struct {
	key     string
	program *Program
	users   int
}

// Missing returns why s cannot be run, or "" if it can.
func (ps *Runner) Missing(s worker.Command) string {
	switch {
	case ps.o.count() == 0:
		return "the node has no worker processes"
	case s.Args[0] == CommandSelf && ps.o.Self == nil:
		return "the program that has opened the node has not called program.Main or given its result to the runner"
	case s.Args[0] == CommandSelf && !ps.o.Self.has(s.Processor):
		return fmt.Sprintf("the node's program knows no processor %q", s.Processor)
	}
	return ""
}

// Attach returns the processor of s. It does not start a process yet.
func (ps *Runner) Attach(s worker.Command) (worker.Processor, error) {
	o := Options{Command: s.Args, Processes: ps.o.count(), RestartAfter: ps.o.RestartAfter, Logger: ps.log}
	key := strings.Join(s.Args, "\x00")
	alone := s.Source == "" && s.Args[0] != CommandSelf
	switch {
	case s.Args[0] == CommandSelf:
		o.Command = append([]string{ps.o.Self.path}, s.Args[1:]...)
		o.Env = append(os.Environ(), child.Variable+"="+child.Worker)
		o.MaxLine = maxLine
	case alone:
		key += "\x00" + s.Name
		o.Name, o.Processes = s.Name, s.Lanes*min(o.Processes, s.Topics)
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.open == nil {
		ps.open, ps.users = make(map[string]*programUse), make(map[string]*programUse)
	}
	u := ps.open[key]
	if u == nil {
		p, err := New(o)
		if err != nil {
			return nil, err
		}
		u = &programUse{key: key, program: p}
		ps.open[key] = u
	}
	u.users++
	ps.release(s.Name)
	ps.users[s.Name] = u
	if alone {
		return u.program.Process, nil
	}
	return u.program.Processor(Definition{Processor: s.Processor, Source: s.Source}), nil
}

// Detach ends the program of a system proc unless another system proc uses it.
// Running claims have Options.StopGrace to finish.
func (ps *Runner) Detach(system string) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.release(system)
}

func (ps *Runner) release(system string) {
	u := ps.users[system]
	if u == nil {
		return
	}
	delete(ps.users, system)
	if u.users--; u.users > 0 {
		return
	}
	delete(ps.open, u.key)
	ps.ending.Go(func() {
		if err := u.program.Close(); err != nil {
			ps.log.Warn("pipeproc: worker processes", "err", err)
		}
	})
}

// Close ends all processes and waits for them.
func (ps *Runner) Close() error {
	ps.mu.Lock()
	var mu sync.Mutex
	var err error
	for _, u := range ps.open {
		ps.ending.Go(func() {
			e := u.program.Close()
			mu.Lock()
			err = errors.Join(err, e)
			mu.Unlock()
		})
	}
	ps.open, ps.users = nil, nil
	ps.mu.Unlock()
	ps.ending.Wait()
	return err
}
