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

// RunnerOptions configure the worker processes of a node. Zero values are the
// defaults.
type RunnerOptions struct {
	// Workers is how many worker processes there are, each with Concurrency
	// claims. Default 1; negative: none, and system procs with a Command wait.
	Workers int
	// Concurrency multiplies Workers: a process has one claim at a time, so that
	// one that dies takes nothing else with it, and there are Workers times
	// Concurrency claims and processes at a time, if there is work for as many.
	// Default 1.
	Concurrency int
	// RestartAfter is after how many claims a process is replaced. Default: never.
	RestartAfter int
	// Self is what Main returned, for system procs whose Command is "@self".
	Self *Self `json:"-"`
	// Logger receives what an operator should read: how processes end, and what
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

// CommandSelf, as the first element of a Command, is the program that opened the
// node, if it has called Main: the processor is then one of those given to Main.
const CommandSelf = "@self"

// maxLine bounds a line of the program's own workers: all that comes of a claim is
// one line. It is above the largest batch of the largest bodies.
const maxLine = 1 << 30

// Runner runs the system procs of a node that have a Command, in processes that
// are started when there is work, supervised, and end with the node. Give it to
// the node as pipeproc.Options.Programs; the node closes it. A Runner belongs to
// one node.
type Runner struct {
	o   RunnerOptions
	log *slog.Logger

	mu     sync.Mutex
	open   map[string]*programUse // by what is run
	users  map[string]*programUse // by name of the system proc
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

// attached is a program, and how many system procs it is for.
type programUse struct {
	key     string
	program *Program
	users   int
}

// Missing says why there is nothing to run s with; "" if there is.
func (ps *Runner) Missing(s worker.Program) string {
	switch {
	case ps.o.count() == 0:
		return "the node has no worker processes"
	case s.Command[0] == CommandSelf && ps.o.Self == nil:
		return "the program that has opened the node has not called program.Main or given its result to the runner"
	case s.Command[0] == CommandSelf && !ps.o.Self.has(s.Processor):
		return fmt.Sprintf("the node's program knows no processor %q", s.Processor)
	}
	return ""
}

// Attach returns the processor of s, and starts nothing yet.
func (ps *Runner) Attach(s worker.Program) (worker.Processor, error) {
	o := Options{Command: s.Command, Processes: ps.o.count(), RestartAfter: ps.o.RestartAfter, Logger: ps.log}
	key := strings.Join(s.Command, "\x00")
	alone := s.Source == "" && s.Command[0] != CommandSelf
	switch {
	case s.Command[0] == CommandSelf:
		o.Command = append([]string{ps.o.Self.path}, s.Command[1:]...)
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

// Detach ends what a system proc has used, if nobody else does. Claims under way
// are finished, if that does not take long.
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

// Close ends all processes, once nobody uses them.
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
