package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const ackLong = `
Acknowledges the open claim of the proc NAME: its records are done, and the next
claim goes on behind them. Prints the range that was acknowledged, FIRST..LAST.

A claim whose --reclaim-timeout has passed cannot be acknowledged any more. With
--claim, another claim than the one meant, made by somebody else meanwhile, cannot
be acknowledged by mistake.
`

func (a *app) ackCommand() *cobra.Command {
	var claim *tokenFlag
	cmd := a.command("ack NAME [flags]", "Acknowledge the claim of a proc", ackLong,
		"pipeproc ack mailer\npipeproc ack mailer --claim 3-1", between(1, 1, "NAME"),
		func(ctx context.Context, args []string) error {
			return a.withProc(ctx, args[0], func(n pipeproc.Store) error {
				r, err := n.Ack(ctx, args[0], claim.t)
				if err != nil {
					return err
				}
				return a.line(r.String())
			})
		})
	claim = claimFlag(cmd)
	return cmd
}
