package program

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
)

// Options say what a Program runs and how. Zero values are the defaults.
type Options struct {
	// Command is the program and its arguments. A name without a slash is
	// looked up in PATH. The file must exist when a process is started, not
	// before.
	Command []string
	// Dir is its working directory. Default: that of this process.
	Dir string
	// Env is its whole environment, as "key=value". Default: that of this
	// process.
	Env []string
	// Processes limits how many processes run, each with a claim, or a lane of
	// one, at a time. Default 1.
	Processes int
	// RestartAfter is the number of claims, or lanes of claims, after which a
	// process is replaced. Default: never.
	RestartAfter int
	// StartTimeout is how long a process may take to write its first line.
	// Default 30 s. It may exceed a claim's timeout.
	StartTimeout time.Duration
	// StopGrace is how long a process that should end has before it gets
	// SIGTERM, and after that before SIGKILL; and how long it may continue with
	// a claim whose context was cancelled. Default 3 s.
	StopGrace time.Duration
	// MaxLine bounds a line of its output, in bytes. Default 64 MiB.
	MaxLine int
	// MaxOutput bounds the output of one claim, in bytes: bodies, keys, headers
	// and topics, plus 64 for each record and header. Default 64 MiB.
	MaxOutput int
	// Logger receives what an operator should read: how processes end and what
	// they write to stderr. Default: nothing.
	Logger *slog.Logger
	// Name is the name of the proc, for the log and for the program. It may be
	// empty.
	Name string
}

const (
	defaultStart = 30 * time.Second
	defaultGrace = 3 * time.Second
	defaultBytes = 64 << 20
)

// check fills in defaults and refuses invalid values.
func (o Options) check() (Options, error) {
	if len(o.Command) == 0 || o.Command[0] == "" {
		return o, errs.NoProcessor.With("Command: there is no program")
	}
	if o.Name != "" {
		if err := record.CheckProcName(o.Name); err != nil {
			return o, err
		}
	}
	for _, f := range []struct {
		name  string
		value int64
	}{
		{"Processes", int64(o.Processes)}, {"RestartAfter", int64(o.RestartAfter)},
		{"StartTimeout", int64(o.StartTimeout)}, {"StopGrace", int64(o.StopGrace)},
		{"MaxLine", int64(o.MaxLine)}, {"MaxOutput", int64(o.MaxOutput)},
	} {
		if f.value < 0 {
			return o, errs.InvalidProcOptions.With(fmt.Sprintf("%s: it is negative", f.name))
		}
	}
	o.Command, o.Env = slices.Clone(o.Command), slices.Clone(o.Env)
	setDefault(&o.Processes, 1)
	setDefault(&o.StartTimeout, defaultStart)
	setDefault(&o.StopGrace, defaultGrace)
	setDefault(&o.MaxLine, defaultBytes)
	setDefault(&o.MaxOutput, defaultBytes)
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Name != "" {
		o.Logger = o.Logger.With("proc", o.Name)
	}
	return o, nil
}

func setDefault[T comparable](v *T, to T) {
	var zero T
	if *v == zero {
		*v = to
	}
}
