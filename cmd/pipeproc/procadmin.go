package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const procJSONHelp = `
Prints the proc as one JSON object. Times are unix milliseconds (0: never),
timeouts milliseconds (-1: never), ranges FIRST..LAST. "next" is the sequence
below which everything is acknowledged, "pending" how many sequences are not, and
"claim" the open claim, for --claim of ack and reclaim.
`

// procAction returns a command that changes a proc and prints its new state.
func (a *app) procAction(use, short, long, example string, args cobra.PositionalArgs,
	do func(n pipeproc.Store, ctx context.Context, args []string) (pipeproc.ProcInfo, error)) *cobra.Command {
	return a.command(use, short, long+procJSONHelp, example, args, func(ctx context.Context, args []string) error {
		return a.withProc(ctx, args[0], func(n pipeproc.Store) error {
			i, err := do(n, ctx, args)
			if err != nil {
				return err
			}
			return a.printJSON(i)
		})
	})
}

func (a *app) inspectCommand() *cobra.Command {
	return a.procAction("inspect NAME", "Describe a proc", "Describes the proc NAME.\n", "pipeproc inspect mailer\npipeproc inspect mailer | jq -r .claim",
		between(1, 1, "NAME"), func(n pipeproc.Store, ctx context.Context, args []string) (pipeproc.ProcInfo, error) {
			return n.InspectProc(ctx, args[0])
		})
}

func (a *app) disableCommand() *cobra.Command {
	return a.procAction("disable NAME", "Stop a proc from claiming", `
Stops the proc NAME from claiming, until 'pipeproc resume'. Its open claim can
still be acknowledged. Garbage collection keeps what a disabled proc has not
acknowledged, unless told otherwise.
`, "pipeproc disable mailer", between(1, 1, "NAME"),
		func(n pipeproc.Store, ctx context.Context, args []string) (pipeproc.ProcInfo, error) {
			return n.DisableProc(ctx, args[0])
		})
}

func (a *app) resumeCommand() *cobra.Command {
	return a.procAction("resume NAME", "Let a disabled proc go on", `
Lets the proc NAME claim again, where it was, and forgets how often its records
were given back.
`, "pipeproc resume mailer", between(1, 1, "NAME"),
		func(n pipeproc.Store, ctx context.Context, args []string) (pipeproc.ProcInfo, error) {
			return n.ResumeProc(ctx, args[0])
		})
}

func (a *app) destroyCommand() *cobra.Command {
	return a.procAction("destroy NAME", "Remove a proc for good", `
Removes the proc NAME and its position for good, and prints what it was. There is
no question asked. The records of its topic stay. A proc of that name that is made
later begins anew.
`, "pipeproc destroy mailer", between(1, 1, "NAME"),
		func(n pipeproc.Store, ctx context.Context, args []string) (pipeproc.ProcInfo, error) {
			return n.DestroyProc(ctx, args[0])
		})
}

func (a *app) seekCommand() *cobra.Command {
	return a.procAction("seek NAME OFFSET", "Move a proc in its topic", `
Moves the proc NAME to another place of its topic, back or forth. Its open claim,
if there is one, is lost. OFFSET is ">" for the first record, "$>" for the end, a
time in unix milliseconds, or an id or :sequence to go on behind; 'pipeproc proc
--help' tells more.
`, "pipeproc seek mailer '>'                # all of it again\npipeproc seek mailer '$>'               # skip what is there\npipeproc seek mailer 1700000000000      # from a time on",
		between(2, 2, "NAME OFFSET"), func(n pipeproc.Store, ctx context.Context, args []string) (pipeproc.ProcInfo, error) {
			return n.SeekProc(ctx, args[0], args[1])
		})
}
