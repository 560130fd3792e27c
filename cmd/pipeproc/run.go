package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/worker/program"
)

const runLong = `
Defines the system proc --name and runs it with a program, until it gets SIGINT or
SIGTERM. The program, which stands behind "--", gets the records of the topics
--from as lines of JSON on its standard input, and answers each with a line on its
standard output. What it makes of them goes to the topics --to, in one commit with
the acknowledgement, so that it is there once, whatever crashes.

The first line that it gets is {"pipeproc":1,"proc":"NAME"}, and it says
{"pipeproc":1}. Then comes a line for each record, and its answer is one of

  {"n":17}                      done
  {"n":17,"out":[BODY,...]}     done, and these are new records in each --to
  {"n":17,"error":"text"}       failed; the records come again

with the n of the record's line. It must flush its output. What it writes to its
standard error is in the log. When it ends it is started again.

--concurrency is how many processes there are for each topic; a claim of --count
records is divided among them, those with one key in their order. A definition
that is there already and differs is an error without --replace.
`

const runExample = `
pipeproc run --namespace default --name up --from orders --to loud -- python3 -u up.py
pipeproc run --name mailer --from orders --count 100 --concurrency 4 -- ./mailer --quiet
`

// maxConcurrency is how many lanes a system proc can have.
const maxConcurrency = 1024

// runFlags are the flags of run.
type runFlags struct {
	o                  pipeproc.SystemProcOptions
	from, to           textsFlag
	count, concurrency countFlag
	log                *choiceFlag
}

func (a *app) runCommand() *cobra.Command {
	f := &runFlags{count: countFlag{1, 1}, concurrency: countFlag{1, 1}}
	f.o.Offset = ">"
	var cmd *cobra.Command
	cmd = a.command("run --name NAME --from TOPIC [flags] -- CMD [ARG...]", "Run a program over the records of topics", runLong, runExample, nil,
		func(ctx context.Context, args []string) error {
			if err := f.check(cmd.ArgsLenAtDash(), args); err != nil {
				return usageError{err}
			}
			return a.run(ctx, f, args)
		})
	fl := cmd.Flags()
	fl.Var(textFlag{&f.o.Name, "NAME"}, "name", "what the system proc is called (required)")
	fl.Var(&f.from, "from", "a topic to read; may be given several times (required)")
	fl.Var(&f.to, "to", "a topic to write; may be given several times")
	fl.Var(textFlag{&f.o.Offset, "OFFSET"}, "offset", "where a new proc begins; see 'pipeproc proc --help'")
	fl.Var(&f.count, "count", "how many records are claimed at a time, at most")
	fl.Var(&f.concurrency, "concurrency", "how many processes there are for each topic, at most")
	fl.BoolVar(&f.o.Replace, "replace", false, "take the place of a definition that differs")
	f.log = choice(cmd, "log", "text", "form of the log", "text", "json")
	return cmd
}

// check refuses mistakes that can be found without a store.
func (f *runFlags) check(dash int, args []string) error {
	switch {
	case f.o.Name == "":
		return errors.New("--name is missing: what the system proc is called")
	case len(f.from.list) == 0:
		return errors.New("--from is missing: the topic that it reads")
	case dash != 0 && len(args) > 0:
		return fmt.Errorf("unexpected argument %q; the program goes behind --", args[0])
	case len(args) == 0 || args[0] == "":
		return errors.New("the program is missing: it goes behind --")
	case f.concurrency.n > maxConcurrency:
		return fmt.Errorf("--concurrency must be %d or less", maxConcurrency)
	}
	return nil
}

func (a *app) run(ctx context.Context, f *runFlags, args []string) error {
	// Found later, it would be logged again with each attempt.
	if _, err := exec.LookPath(args[0]); err != nil {
		return err
	}
	o := a.options()
	o.Logger, o.Workers = a.logger(f.log.value), f.concurrency.n*len(f.from.list)
	p, err := program.New(program.Options{Command: args, Processes: o.Workers, Logger: o.Logger, Name: f.o.Name})
	if err != nil {
		return err
	}
	s := f.o
	s.From, s.To, s.Count, s.Lanes, s.Processor = f.from.list, f.to.list, f.count.n, f.concurrency.n, p.Process
	n, err := a.open(ctx, o)
	err = with(n, err, func(n pipeproc.Store) error {
		if _, err := n.DefineSystemProc(ctx, s); err != nil {
			return err
		}
		o.Logger.Info("pipeproc: running", "proc", s.Name, "from", strings.Join(s.From, ","), "to", strings.Join(s.To, ","))
		<-ctx.Done() // a signal is how it ends
		return nil
	})
	// The store is closed first, so that claims under way are given back and do
	// not count as failures.
	return errors.Join(err, p.Close())
}
