package main

import (
	"context"
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const procLong = `
Claims the next records of a topic for the proc NAME, and prints them. A proc is
a position in a topic, with a name, that the store keeps. It is made by its first
claim, with the options given then; later only --count counts.

A claim is open until 'pipeproc ack' (or ack-commit) moves the proc on, or
'pipeproc reclaim' gives the records back, to be claimed again. It stays open
when this command has ended. After --reclaim-timeout the store takes it back, as
soon as a command opens it. While a claim is open, and when there is nothing to
claim, nothing is printed and the exit code is 0.

When records were given back, or taken back, as often as --max-reclaims says,
--on-max-reclaims is done: the proc is disabled until 'pipeproc resume', it goes
on all the same, or the records go to the --dead-letter-topic and the proc moves
on. Between two attempts is a wait of --backoff, none unless given.

--offset says where a new proc begins:

  ">"               the first record of the topic
  "$>"              the first one committed after this
  1700000000000     the first one at or after a time in unix milliseconds
  1700000000000-5   the first one behind an id, which need not exist
  :5                the first one behind the record of a sequence
` + outputHelp

const procExample = `
pipeproc proc mailer --topic orders
pipeproc ack mailer                              # done: on to the next
pipeproc proc mailer --topic orders --count 100 --output body
pipeproc proc mailer --topic orders --offset '$>' --reclaim-timeout never
pipeproc proc mailer --topic orders --max-reclaims 3 --on-max-reclaims deadletter
pipeproc proc up --topic orders --output body | tr a-z A-Z | pipeproc ack-commit up --to loud
`

// procFlags are the flags that make a proc.
type procFlags struct {
	o                      pipeproc.ProcOptions
	count, maxReclaims     limitFlag
	timeout, wait, maxWait durationFlag
	onMax, output          *choiceFlag
	changed                func(flag string) bool
}

func (a *app) procCommand() *cobra.Command {
	f := &procFlags{count: limitFlag{1}, maxReclaims: limitFlag{10}, timeout: durationFlag{d: 10 * time.Second, low: time.Millisecond, orNever: true},
		maxWait: durationFlag{low: time.Millisecond}}
	f.o.Offset = ">"
	cmd := a.command("proc NAME --topic TOPIC [flags]", "Claim records for a proc", procLong, procExample, between(1, 1, "NAME"),
		func(ctx context.Context, args []string) error {
			f.o.Name = args[0]
			return a.proc(ctx, f)
		})
	f.changed = func(name string) bool { return cmd.Flags().Changed(name) }
	fl := cmd.Flags()
	fl.Var(textFlag{&f.o.Topic, "TOPIC"}, "topic", "the topic to read; it need not exist yet (required)")
	fl.Var(textFlag{&f.o.Offset, "OFFSET"}, "offset", "where a new proc begins")
	fl.Var(&f.count, "count", "how many records at most; -1: up to 16 MiB")
	fl.Var(&f.maxReclaims, "max-reclaims", "how often they may come back; -1: no limit")
	fl.Var(&f.timeout, "reclaim-timeout", "how long a claim may stay open, or never")
	f.onMax = choice(cmd, "on-max-reclaims", "disable", "what is done then", "disable", "continue", "deadletter")
	fl.Var(textFlag{&f.o.Retry.DeadLetterTopic, "TOPIC"}, "dead-letter-topic", "where deadletter puts them; else TOPIC__dead")
	fl.Var(&f.wait, "backoff", "wait before they come again, doubled each time")
	fl.Var(&f.maxWait, "max-backoff", "the longest such wait; 1m0s unless given")
	f.output = recordOutput(cmd)
	return cmd
}

// options checks what can be checked without a store.
func (f *procFlags) options() (err error) {
	o := &f.o
	if o.Topic == "" {
		return usageError{errors.New("--topic is missing: the topic that the proc reads")}
	}
	if err := new(pipeproc.Batch).Add(o.Topic, nil); err != nil {
		return err
	}
	o.Count, o.Retry.MaxReclaims, o.Retry.ReclaimTimeout, o.Retry.Backoff, o.Retry.MaxBackoff = f.count.n, f.maxReclaims.n, f.timeout.d, f.wait.d, f.maxWait.d
	if o.Retry.OnMaxReclaims, err = pipeproc.ParseStrategy(f.onMax.value); err != nil {
		return usageError{err}
	}
	if o.Retry.OnMaxReclaims == pipeproc.StrategyDeadLetter {
		if o.Retry.MaxReclaims < 0 {
			return usageError{errors.New("--on-max-reclaims deadletter needs a limit: leave out --max-reclaims -1")}
		}
	} else if o.Retry.DeadLetterTopic != "" {
		return usageError{errors.New("--dead-letter-topic goes with --on-max-reclaims deadletter only")}
	}
	return nil
}

func (a *app) proc(ctx context.Context, f *procFlags) error {
	if err := f.options(); err != nil {
		return err
	}
	var c pipeproc.Claim
	n, err := a.open(ctx, a.options())
	err = with(n, err, func(n pipeproc.Store) error {
		i, err := n.EnsureProc(ctx, f.o)
		if err != nil {
			return err
		}
		if kept := f.kept(&i); kept != "" {
			a.note("note: proc %q is there already and keeps what it was made with, whatever %s", i.Name, kept)
		}
		if c, err = n.Claim(ctx, f.o); err != nil {
			return err
		}
		a.claimed(ctx, n, &c, i.Name)
		return nil
	})
	if err != nil {
		return err
	}
	// The store is closed by now, so that the reader of this output may open it.
	p := printer{a.lines(), f.output.value}
	for i := range c.Records {
		if err = p.print(&c.Records[i]); err != nil {
			break
		}
	}
	return p.finish(err)
}
