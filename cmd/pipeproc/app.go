package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

// app is one run of the program.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	dir  string
	sync syncFlag
	addr transport.Addr // of the node to connect to, if it is not empty
	tls  tlsFiles

	running bool // the arguments are valid and the command has started
}

// run runs the program and returns its exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := a.rootCommand()
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	return a.exit(cmd, err)
}

// command returns a command whose run function gets the context and the
// arguments. Every command is built with it.
func (a *app) command(use, short, long, example string, args cobra.PositionalArgs, do func(context.Context, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Long: strings.TrimSpace(long), Example: indent(example), Args: args,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			a.running = true
			return do(cmd.Context(), args)
		},
	}
}

// completeFiles makes the shell offer file names for argument n.
func completeFiles(cmd *cobra.Command, n int) *cobra.Command {
	cmd.ValidArgsFunction = func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == n {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return cmd
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ")
}

// between checks the number of arguments; names say what they are.
func between(low, high int, names string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) >= low && len(args) <= high:
			return nil
		case high == 0:
			return fmt.Errorf("unexpected argument %q", args[0])
		case len(args) < low:
			return fmt.Errorf("an argument is missing: %s", names)
		}
		return fmt.Errorf("unexpected argument %q after %s", args[high], names)
	}
}

// note writes a line for people to standard error.
func (a *app) note(format string, v ...any) {
	fmt.Fprintf(a.stderr, "pipeproc: "+format+"\n", v...)
}

// options returns the options that all commands share.
func (a *app) options() *pipeproc.Options {
	return &pipeproc.Options{Sync: a.sync.mode}
}

// read opens the store for a command that only reads.
func (a *app) read(ctx context.Context) (pipeproc.Store, error) {
	o := a.options()
	o.MustExist, o.ReadOnly = true, true
	return a.open(ctx, o)
}

// open opens the store, or connects to the node that has it open, whose options
// then apply.
func (a *app) open(ctx context.Context, o *pipeproc.Options) (pipeproc.Store, error) {
	if a.remote() {
		return a.connect(ctx, o)
	}
	return a.openDir(o)
}

// openDir opens the store of the directory and reports what recovery found.
func (a *app) openDir(o *pipeproc.Options) (*pipeproc.Node, error) {
	n, err := pipeproc.Open(a.dir, o)
	if err != nil {
		return nil, err
	}
	r := n.Recovery()
	for _, c := range r.Cut {
		a.note("note: cut off an unfinished write of a process or machine that died: %s, bytes %d to %d (%s)", c.File, c.From, c.To, c.What)
	}
	for _, d := range r.Damage {
		a.note("warning: %s; run 'pipeproc verify' for the whole picture", oneLine(d.Error()))
	}
	return n, nil
}

// with runs do on a store and closes it.
func with[S io.Closer](n S, err error, do func(S) error) error {
	if err != nil {
		return err
	}
	err = do(n)
	if cerr := n.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("closing the store: %w", cerr)
	}
	return err
}
