package program

import (
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
)

// Options say what is run, and how. Zero values are the defaults.
type Options struct {
	// Command is the program and its arguments. A name without a slash is
	// looked for in PATH. It must be there when a process is started, and not
	// before.
	Command []string
	// Dir is the folder it runs in. Default: that of this process.
	Dir string
	// Env is its whole environment, as "key=value". Default: that of this
	// process.
	Env []string
	// Processes is how many run at most, each with a claim of its own, or with
	// a lane of one. Default 1.
	Processes int
	// RestartAfter is after how many claims, or lanes of claims, a process is
	// replaced. Default: never.
	RestartAfter int
	// StartTimeout is how long a process may take to say its first line.
	// Default 30 s. It may be longer than a claim has time.
	StartTimeout time.Duration
	// StopGrace is how long a process that is to end is waited for before it
	// gets a SIGTERM, and again before a SIGKILL; and how long it may go on with
	// a claim whose context was cancelled. Default 3 s.
	StopGrace time.Duration
	// MaxLine bounds a line of its output, in bytes. Default 64 MiB.
	MaxLine int
	// MaxOutput bounds what comes out of one claim: the bytes of bodies, keys,
	// headers and topics, with 64 more for each record and header. Default 64
	// MiB.
	MaxOutput int
	// Logger receives what an operator should read: how processes end, and what
	// they write to stderr. Default: nothing.
	Logger *slog.Logger
	// Name is that of the proc, for the log and for the program. It may be
	// empty.
	Name string
}

const (
	defaultStart = 30 * time.Second
	defaultGrace = 3 * time.Second
	defaultBytes = 64 << 20
)

// check fills in defaults and refuses what cannot be meant.
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
