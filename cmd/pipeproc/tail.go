package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const tailLong = `
Prints the last records of TOPIC, the oldest of them first. With --follow it
goes on with new ones as they are committed, each at once, until it gets a
signal (Ctrl-C).
` + outputHelp

func (a *app) tailCommand() *cobra.Command {
	limit := countFlag{n: 10}
	var follow bool
	var output *choiceFlag
	cmd := a.command("tail TOPIC [flags]", "Print the last records, and new ones", tailLong,
		"pipeproc tail orders\npipeproc tail orders --limit 100 --output body\npipeproc tail orders --follow", between(1, 1, "TOPIC"),
		func(ctx context.Context, args []string) error {
			n, err := a.read(ctx)
			return with(n, err, func(n pipeproc.Store) error {
				return a.tail(ctx, n, args[0], limit.n, follow, printer{a.lines(), output.value})
			})
		})
	cmd.Flags().Var(&limit, "limit", "how many of the last records")
	cmd.Flags().BoolVar(&follow, "follow", false, "go on with new records")
	output = recordOutput(cmd)
	return cmd
}

func (a *app) tail(ctx context.Context, n pipeproc.Store, topic string, limit int, follow bool, p printer) error {
	info, err := n.Topic(ctx, topic)
	if err != nil {
		return err
	}
	next := info.Next
	if limit > 0 {
		first, found, err := lastRecords(ctx, n, topic, limit)
		if err != nil {
			return err
		}
		if found {
			o := pipeproc.RangeOptions{Start: pipeproc.AtID(first)}
			if err := p.finish(a.scan(ctx, n, topic, o, func(rec *pipeproc.Record) error {
				next = rec.ID.Seq + 1
				return p.print(rec)
			})); err != nil {
				return err
			}
		}
	}
	if !follow {
		return nil
	}
	for rec, err := range n.Follow(ctx, topic, next) {
		if ctx.Err() != nil {
			return nil // a signal is how it ends
		}
		if err != nil {
			return err
		}
		if err := p.finish(p.print(&rec)); err != nil {
			return err
		}
	}
	return nil
}

// lastRecords returns the id of the oldest of the last limit records.
func lastRecords(ctx context.Context, n pipeproc.Store, topic string, limit int) (id pipeproc.ID, found bool, err error) {
	for rec, err := range n.Range(ctx, topic, pipeproc.RangeOptions{Limit: limit, Reverse: true}) {
		switch {
		case err == nil:
			id, found = rec.ID, true
		case !errors.Is(err, pipeproc.ErrCorrupt): // which is reported when the records are printed
			return id, found, err
		}
	}
	return id, found, nil
}
