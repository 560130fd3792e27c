package main

import (
	"context"
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/spf13/cobra"
)

const pingLong = `
Asks a running node for an answer. Prints "pong", and how long it took to the
standard error. The exit code is 1 when there is no node. Without --connect and
--namespace it asks the node of the namespace "default".
`

func (a *app) pingCommand() *cobra.Command {
	return a.command("ping", "See whether a node answers", pingLong, "pipeproc ping\npipeproc ping --connect tcp://localhost:7000",
		between(0, 0, ""), func(ctx context.Context, _ []string) error {
			if !a.remote() {
				var err error
				if a.addr, err = transport.Namespace(defaultNamespace); err != nil {
					return err
				}
			}
			c, err := a.connect(ctx, a.options())
			return with(c, err, func(c *rpc.Client) error {
				start := time.Now()
				if err := c.Ping(ctx); err != nil {
					return err
				}
				d := time.Since(start)
				if err := a.line("pong"); err != nil {
					return err
				}
				fmt.Fprintf(a.stderr, "round trip to %s: %s\n", a.addr, took(d))
				return nil
			})
		})
}
