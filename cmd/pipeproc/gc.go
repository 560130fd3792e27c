package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const gcLong = `
Deletes, once and without a question, the records that nobody needs any more, and
prints what went from each topic:

  - of a topic with procs, what all of them have acknowledged, but for the two
    latest claims of each, once it is older than --min-prune-time;
  - of a topic WITHOUT procs, such as a dead-letter topic, everything older
    than that;
  - what the topic's own retention says ('pipeproc topic retention').

'pipeproc topic retention TOPIC --gc off' keeps a topic from the first two. A
disabled proc protects what it has not acknowledged, unless --ignore-disabled is
given. Disk space is freed by whole segments.

With --output json, one object per topic:
{"topic":"…","first":…,"next":…,"reason":"acknowledged|age|size","passed":[…]}
The sequences from first to below next are gone; passed names the procs that had
not seen them, which only a retention with --force allows.
`

func (a *app) gcCommand() *cobra.Command {
	age := durationFlag{d: 30 * time.Second}
	var o pipeproc.GCOptions
	var output *choiceFlag
	cmd := a.command("gc [flags]", "Delete records that nobody needs any more", gcLong, "pipeproc gc\npipeproc gc --min-prune-time 24h --ignore-disabled",
		between(0, 0, ""), func(ctx context.Context, _ []string) error {
			o.MinAge = max(age.d, time.Nanosecond) // 0 would be the default
			n, err := a.change(ctx)
			return with(n, err, func(n pipeproc.Store) error {
				list, err := n.GC(ctx, o)
				if perr := a.pruned(list, output.value == "json"); perr != nil {
					return perr
				}
				if err == nil && len(list) == 0 && output.value != "json" {
					a.note("note: there is nothing to collect")
				}
				return err
			})
		})
	cmd.Flags().Var(&age, "min-prune-time", "the age that records must have")
	cmd.Flags().BoolVar(&o.IgnoreDisabled, "ignore-disabled", false, "let disabled procs protect nothing")
	output = choice(cmd, "output", "text", "form of the result", "text", "json")
	return cmd
}

type prunedJSON struct {
	Topic  string   `json:"topic"`
	First  uint64   `json:"first"`
	Next   uint64   `json:"next"`
	Reason string   `json:"reason"`
	Passed []string `json:"passed"`
}

// pruned prints what a collection removed.
func (a *app) pruned(list []pipeproc.Pruned, asJSON bool) error {
	out := a.lines()
	for _, p := range list {
		if asJSON {
			if err := out.json(prunedJSON{p.Topic, p.First, p.Next, p.Reason.String(), append([]string{}, p.Passed...)}); err != nil {
				return err
			}
			continue
		}
		s := fmt.Sprintf("topic %q: sequences %d to %d went (%s)", p.Topic, p.First, p.Next-1, p.Reason)
		if len(p.Passed) > 0 {
			s += "; not seen by " + strings.Join(p.Passed, ", ")
		}
		_ = out.line(func(b []byte) []byte { return append(b, s...) }) // flush has the error
	}
	return out.flush()
}
