package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const reclaimLong = `
Gives the open claim of the proc NAME back, so that its records are claimed
again, after the proc's --backoff. It counts as a failure: with as many as the
proc's --max-reclaims, its --on-max-reclaims is done. A dead letter carries the
--reason of the last one.

Prints the range of the claim before this one, FIRST..LAST, or an empty line if
there was none.
`

func (a *app) reclaimCommand() *cobra.Command {
	var claim *tokenFlag
	var reason string
	cmd := a.command("reclaim NAME [flags]", "Give the claim of a proc back", reclaimLong,
		"pipeproc reclaim mailer\npipeproc reclaim mailer --claim 3-1 --reason 'no route to host'", between(1, 1, "NAME"),
		func(ctx context.Context, args []string) error {
			return a.withProc(ctx, args[0], func(n pipeproc.Store) error {
				r, err := n.Reclaim(ctx, args[0], claim.t, reason)
				if err != nil {
					return err
				}
				return a.line(r.String())
			})
		})
	claim = claimFlag(cmd)
	cmd.Flags().Var(textFlag{&reason, "TEXT"}, "reason", "why, for the dead letter")
	return cmd
}
