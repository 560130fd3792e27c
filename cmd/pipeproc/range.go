package main

import (
	"context"
	"math"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const rangeLong = `
Prints the records of TOPIC from the oldest to the newest, or those between two
offsets, both included. An offset is an id, a time in unix milliseconds, or
:sequence; 'pipeproc --help' tells more.

--exclusive leaves out the records exactly at an id or sequence that was given;
times are not affected. --reverse goes from the newest to the oldest, and then
--start is the upper bound.

What is damaged is reported, the rest is printed, and the exit code is 1.
` + outputHelp

const rangeExample = `
pipeproc range orders
pipeproc range orders --start :100 --end :199
pipeproc range orders --start 1700000000000 --limit 10 --output body
pipeproc range orders --reverse --limit 1
pipeproc range orders --start 1700000000000-41 --exclusive   # what came after
`

func (a *app) rangeCommand() *cobra.Command {
	var o pipeproc.RangeOptions
	limit := countFlag{low: math.MinInt}
	var start, end string
	var output *choiceFlag
	cmd := a.command("range TOPIC [flags]", "Print records of a topic", rangeLong, rangeExample, between(1, 1, "TOPIC"),
		func(ctx context.Context, args []string) error {
			o.Limit = limit.n
			n, err := a.read(ctx)
			return with(n, err, func(n pipeproc.Store) error {
				if _, err := n.Topic(ctx, args[0]); err != nil {
					return err
				}
				var err error
				if o.Start, err = pipeproc.ParseBound(start); err != nil {
					return err
				}
				if o.End, err = pipeproc.ParseBound(end); err != nil {
					return err
				}
				p := printer{a.lines(), output.value}
				return p.finish(a.scan(ctx, n, args[0], o, p.print))
			})
		})
	f := cmd.Flags()
	f.Var(textFlag{&start, "OFFSET"}, "start", "where to begin")
	f.Var(textFlag{&end, "OFFSET"}, "end", "where to end")
	f.Var(&limit, "limit", "at most so many records; 0 is no limit")
	f.BoolVar(&o.Exclusive, "exclusive", false, "leave out the records at --start and --end")
	f.BoolVar(&o.Reverse, "reverse", false, "from the newest to the oldest")
	output = recordOutput(cmd)
	return cmd
}
