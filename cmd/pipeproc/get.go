package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const getLong = `
Prints the record of TOPIC with the sequence SEQ, which may be written as 5 or
:5. The sequence is the part of an id behind the dash.
` + outputHelp

func (a *app) getCommand() *cobra.Command {
	var output *choiceFlag
	cmd := a.command("get TOPIC SEQ [flags]", "Print one record", getLong, "pipeproc get orders 5\npipeproc get orders :5 --output body",
		between(2, 2, "TOPIC SEQ"), func(ctx context.Context, args []string) error {
			seq, err := parseSeq(args[1])
			if err != nil {
				return err
			}
			n, err := a.read(ctx)
			return with(n, err, func(n pipeproc.Store) error {
				rec, err := n.Get(ctx, args[0], seq)
				if err != nil {
					return err
				}
				p := printer{a.lines(), output.value}
				return p.finish(p.print(&rec))
			})
		})
	output = recordOutput(cmd)
	return cmd
}

// parseSeq parses 5 or :5.
func parseSeq(s string) (uint64, error) {
	digits := strings.TrimPrefix(s, ":")
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || digits[0] == '+' {
		return 0, usageError{fmt.Errorf("%w: %q is not a sequence such as 5 or :5", pipeproc.ErrInvalidRangeOffset, s)}
	}
	return n, nil
}
