package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const repairLong = `
Verifies the store, and if there is damage, writes everything that is intact
anew and drops the rest. It says what it dropped. The sequences of lost records
stay free, and damaged files are kept in the folder quarantine of the directory.
A store without damage is not touched. The store must not be in use.

On a terminal it shows the damage and asks before it changes anything. Elsewhere
it needs --yes. 'pipeproc verify' shows the same without changing anything.

The exit code is 0 when the store was repaired or had no damage, 1 when damage
stays or consent was not given, and 2 when the repair could not run.
`

func (a *app) repairCommand() *cobra.Command {
	var yes bool
	var output *choiceFlag
	cmd := a.command("repair [flags]", "Drop what is damaged, keep the rest", repairLong, "pipeproc repair\npipeproc repair --yes --output json",
		between(0, 0, ""), func(ctx context.Context, _ []string) error {
			return a.repair(ctx, yes, output.value == "json")
		})
	cmd.Flags().BoolVar(&yes, "yes", false, "repair without asking")
	output = choice(cmd, "output", "text", "form of the result", "text", "json")
	return cmd
}

func (a *app) repair(ctx context.Context, yes, asJSON bool) error {
	p := a.progress()
	o := &pipeproc.RepairOptions{Progress: p.verify}
	asked := false
	if !yes {
		o.Confirm = func(r *pipeproc.VerifyReport) bool {
			p.done()
			asked = isTerminal(a.stdin) && isTerminal(a.stderr)
			fmt.Fprintln(a.stderr, verifyText(r))
			return asked && a.ask("Drop what is damaged and keep the rest?")
		}
	}
	r, err := pipeproc.Repair(ctx, a.dir, o)
	p.done()
	switch {
	case errors.Is(err, pipeproc.ErrNotConfirmed) && asked:
		return errors.New("nothing was changed")
	case errors.Is(err, pipeproc.ErrNotConfirmed):
		return errors.New("there is damage, and nothing was changed: a repair drops what cannot be read and needs consent; run it with --yes")
	case err != nil && (r == nil || r.Before == nil):
		return codeError{err, exitUsage}
	case err != nil:
		return err
	}
	var after *pipeproc.VerifyReport
	if r.Changed {
		if after, err = pipeproc.Verify(ctx, a.dir, &pipeproc.VerifyOptions{Progress: p.verify}); err != nil {
			return fmt.Errorf("verifying what was repaired: %w", err)
		}
		p.done()
	}
	if asJSON {
		err = a.printJSON(repairReportJSON(r, after))
	} else {
		err = a.line(repairText(r, after))
	}
	switch {
	case err != nil:
		return err
	case after != nil && len(after.Damage) > 0:
		return fmt.Errorf("corrupt: %s could not be repaired; restore a backup, or export what can be read", places(after))
	case !r.Changed && len(r.Before.Damage) > 0:
		return damageError(r.Before)
	}
	return nil
}

// ask asks a question on the terminal; only yes is yes.
func (a *app) ask(question string) bool {
	fmt.Fprintf(a.stderr, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(a.stdin).ReadString('\n')
	answer = strings.ToLower(strings.TrimSpace(answer))
	return answer == "y" || answer == "yes"
}

func repairText(r *pipeproc.RepairReport, after *pipeproc.VerifyReport) string {
	if !r.Changed && len(r.Before.Damage) == 0 {
		return "nothing to repair: " + verifyText(r.Before)
	}
	s := ""
	for _, d := range r.Before.Damage {
		s += "found: " + oneLine(d.Error()) + "\n"
	}
	for _, action := range r.Actions {
		s += "did: " + oneLine(action) + "\n"
	}
	for _, d := range r.Dropped {
		s += "dropped: " + droppedText(d) + "\n"
	}
	if len(r.Dropped) == 0 && r.Changed {
		s += "dropped: nothing\n"
	}
	if after != nil {
		return s + "now " + verifyText(after)
	}
	return strings.TrimSuffix(s, "\n")
}

func droppedText(d pipeproc.Dropped) string {
	var parts []string
	if d.Topic != "" {
		parts = append(parts, fmt.Sprintf("topic %q", d.Topic))
	}
	if d.Next > d.First {
		parts = append(parts, fmt.Sprintf("sequences %d to %d", d.First, d.Next-1))
	}
	if d.What != "" {
		parts = append(parts, oneLine(d.What))
	}
	return strings.Join(parts, ": ")
}

type droppedJSON struct {
	Topic string `json:"topic"`
	First uint64 `json:"first"`
	Next  uint64 `json:"next"`
	What  string `json:"what"`
}

type repairJSON struct {
	Changed bool          `json:"changed"`
	Actions []string      `json:"actions"`
	Dropped []droppedJSON `json:"dropped"`
	Before  *verifyJSON   `json:"before"`
	After   *verifyJSON   `json:"after,omitempty"`
}

func repairReportJSON(r *pipeproc.RepairReport, after *pipeproc.VerifyReport) repairJSON {
	j := repairJSON{Changed: r.Changed, Actions: append([]string{}, r.Actions...), Dropped: []droppedJSON{}, Before: verifyReportJSON(r.Before)}
	for _, d := range r.Dropped {
		j.Dropped = append(j.Dropped, droppedJSON(d))
	}
	if after != nil {
		j.After = verifyReportJSON(after)
	}
	return j
}
