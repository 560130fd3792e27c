package main

import (
	"context"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

func (a *app) lengthCommand() *cobra.Command {
	return a.command("length TOPIC", "Print the number of records of a topic", "Prints the number of records of TOPIC that can be read.",
		"pipeproc length orders", between(1, 1, "TOPIC"), func(ctx context.Context, args []string) error {
			n, err := a.read(ctx)
			return with(n, err, func(n pipeproc.Store) error {
				l, err := n.Length(ctx, args[0])
				if err != nil {
					return err
				}
				return a.line(strconv.FormatUint(l, 10))
			})
		})
}
