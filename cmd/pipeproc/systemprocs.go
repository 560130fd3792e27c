package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const systemProcsLong = `
Lists the definitions of system procs: the processor that a program runs over the
records of topics, the topics that it reads and writes, the procs that it claims
with, how many records at most it gets at a time, and in how many lanes these may
be processed. Processors are code of a program that uses the store, or programs
that 'pipeproc run' runs.

With --output json, one object per line.
`

func (a *app) systemProcsCommand() *cobra.Command {
	var output *choiceFlag
	cmd := a.command("system-procs [flags]", "List the definitions of system procs", systemProcsLong,
		"pipeproc system-procs\npipeproc system-procs --output json | jq .from", between(0, 0, ""),
		func(ctx context.Context, _ []string) error {
			n, err := a.read(ctx)
			return with(n, err, func(n pipeproc.Store) error {
				list, err := n.SystemProcs(ctx)
				if err != nil {
					return err
				}
				if output.value == "json" {
					for i := range list { // no null
						list[i].To = append([]string{}, list[i].To...)
					}
					return jsonLines(a, list)
				}
				if len(list) == 0 {
					a.note("note: there are no system procs; 'pipeproc run' defines one, and so can a program that uses the store")
				}
				return a.line(systemProcTable(list))
			})
		})
	output = choice(cmd, "output", "table", "form of the list", "table", "json")
	return cmd
}

func systemProcTable(list []pipeproc.SystemProcInfo) string {
	rows := [][]string{{"NAME", "PROCESSOR", "FROM", "TO", "COUNT", "LANES", "PROCS"}}
	for _, s := range list {
		to := strings.Join(s.To, ",")
		if to == "" {
			to = "-"
		}
		rows = append(rows, []string{s.Name, s.Processor, strings.Join(s.From, ","), to, fmt.Sprint(s.Count), fmt.Sprint(s.Lanes), strings.Join(s.Procs, ",")})
	}
	return table(rows)
}
