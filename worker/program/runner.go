package pipeproc

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/worker/program"
)

// ProcessOptions bound the worker processes of a node: those that run the system
// procs with a Command. They are started when there is work, supervised, and end
// with the node.
type ProcessOptions struct {
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
}

const maxProcesses = 4096

func (o ProcessOptions) check() error {
	switch {
	case o.Concurrency < 0:
		return errs.InvalidOptions.With(fmt.Sprintf("Processes.Concurrency: %d is negative", o.Concurrency))
	case o.RestartAfter < 0:
		return errs.InvalidOptions.With(fmt.Sprintf("Processes.RestartAfter: %d is negative", o.RestartAfter))
	case o.Workers > maxProcesses || o.Concurrency > maxProcesses || o.count() > maxProcesses:
		return errs.InvalidOptions.With(fmt.Sprintf("Processes: more than %d", maxProcesses))
	}
	return nil
}

func (o ProcessOptions) count() int { return max(or(o.Workers, 1), 0) * or(o.Concurrency, 1) }

// Self, as the first element of a Command, is the program that has opened the
// node, if it has called Main: the processor is then one of those given to Main,
// and is run in worker processes.
const Self = "@self"

// programs are the worker processes of a node.
type programs struct {
	o    ProcessOptions
	self *Program
	log  *slog.Logger

	mu     sync.Mutex
	open   map[string]*shared // by what is run
	used   map[string]*shared // by name of the system proc
	ending sync.WaitGroup
}

// shared is a program, and how many system procs it is for.
type shared struct {
	key   string
	p     *program.Program
	users int
}

// missing says why there is nothing to run s with; "" if there is.
func (ps *programs) missing(s *procstate.System) string {
	switch {
	case ps == nil || ps.o.count() == 0:
		return "the node has no worker processes"
	case s.Command[0] == Self && ps.self == nil:
		return "the program that has opened the node has not said so with Options.Program"
	case s.Command[0] == Self && !ps.self.has(s.Processor):
		return fmt.Sprintf("the node's program knows no processor %q", s.Processor)
	}
	return ""
}

// use returns the processor of s, and starts nothing yet.
func (ps *programs) use(s *procstate.System) (Processor, error) {
	o := program.Options{Command: s.Command, Processes: ps.o.count(), RestartAfter: ps.o.RestartAfter, Logger: ps.log}
	key := strings.Join(s.Command, "\x00")
	alone := s.Source == "" && s.Command[0] != Self
	switch {
	case s.Command[0] == Self:
		o.Command = append([]string{ps.self.path}, s.Command[1:]...)
		o.Env = append(os.Environ(), childVar+"="+childWorker)
		o.MaxLine = 4 * maxBody // all that comes of a claim is one line of it
	case alone:
		key += "\x00" + s.Name
		o.Name, o.Processes = s.Name, s.Lanes*min(o.Processes, len(s.From))
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if ps.open == nil {
		ps.open, ps.used = make(map[string]*shared), make(map[string]*shared)
	}
	u := ps.open[key]
	if u == nil {
		p, err := program.New(o)
		if err != nil {
			return nil, err
		}
		u = &shared{key: key, p: p}
		ps.open[key] = u
	}
	u.users++
	ps.drop(s.Name)
	ps.used[s.Name] = u
	if alone {
		return u.p.Process, nil
	}
	return u.p.Processor(program.Definition{Processor: s.Processor, Source: s.Source}), nil
}

// leave ends what a system proc has used, if nobody else does. Claims under way
// are finished, if that does not take long.
func (ps *programs) leave(system string) {
	if ps == nil {
		return
	}
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.drop(system)
}

func (ps *programs) drop(system string) {
	u := ps.used[system]
	if u == nil {
		return
	}
	delete(ps.used, system)
	if u.users--; u.users > 0 {
		return
	}
	delete(ps.open, u.key)
	ps.ending.Go(func() {
		if err := u.p.Close(); err != nil {
			ps.log.Warn("pipeproc: worker processes", "err", err)
		}
	})
}

// close ends all processes, once nobody uses them.
func (ps *programs) close() error {
	if ps == nil {
		return nil
	}
	ps.mu.Lock()
	var mu sync.Mutex
	var err error
	for _, u := range ps.open {
		ps.ending.Go(func() {
			e := u.p.Close()
			mu.Lock()
			err = errors.Join(err, e)
			mu.Unlock()
		})
	}
	ps.open, ps.used = nil, nil
	ps.mu.Unlock()
	ps.ending.Wait()
	return err
}
