package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const procsLong = `
Lists the procs: what they read, the sequence below which everything is
acknowledged, how many sequences are not, how many records are claimed at
present, how often these were given back, and when the proc last acknowledged
(UTC).

With --output json, one object per line, as 'pipeproc inspect' prints it.
`

func (a *app) procsCommand() *cobra.Command {
	var output *choiceFlag
	cmd := a.command("procs [flags]", "List the procs", procsLong, "pipeproc procs\npipeproc procs --output json | jq .pending",
		between(0, 0, ""), func(ctx context.Context, _ []string) error {
			n, err := a.change(ctx)
			return with(n, err, func(n pipeproc.Store) error {
				list, err := n.Procs(ctx)
				if err != nil {
					return err
				}
				if output.value == "json" {
					return jsonLines(a, list)
				}
				if len(list) == 0 {
					a.note("note: there are no procs yet; 'pipeproc proc NAME --topic TOPIC' makes one")
				}
				return a.line(procTable(list))
			})
		})
	output = choice(cmd, "output", "table", "form of the list", "table", "json")
	return cmd
}

func procTable(list []pipeproc.ProcInfo) string {
	rows := [][]string{{"NAME", "TOPIC", "STATUS", "NEXT", "PENDING", "CLAIMED", "RECLAIMS", "LAST ACK"}}
	for i := range list {
		p := &list[i]
		claimed, last := "-", "-"
		if p.Claim != (pipeproc.Token{}) {
			claimed = fmt.Sprint(p.LastClaimed.Count)
		}
		if !p.LastAckedAt.IsZero() {
			last = clock(p.LastAckedAt)
		}
		rows = append(rows, []string{p.Name, p.Topic, p.Status(), fmt.Sprint(p.Next), fmt.Sprint(p.Pending), claimed, fmt.Sprint(p.Reclaims), last})
	}
	return table(rows)
}

// jsonLines prints a line of JSON for each element.
func jsonLines[T any](a *app, list []T) error {
	out := a.lines()
	for i := range list {
		if err := out.json(list[i]); err != nil {
			return err
		}
	}
	return out.flush()
}
