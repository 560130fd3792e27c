package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const waitLong = `
Waits until the procs named, or all, have acknowledged everything in their topics.
A proc that is disabled, or that does not exist, has nothing to do.

With --connect or --namespace it waits until others have done the work, or until
--timeout. Else it owns the directory, so nobody else can acknowledge. What can
still happen is that claims run into their timeouts: their records may go to a
dead-letter topic, or their proc be disabled. So without --timeout it fails at
once when there are records that nobody can claim any more; with --timeout it
fails when that time has passed.

The exit code is 0 when all is done, and 1 otherwise.
`

func (a *app) waitCommand() *cobra.Command {
	timeout := durationFlag{low: time.Millisecond}
	cmd := a.command("wait [NAME...] [flags]", "Wait until procs have acknowledged everything", waitLong,
		"pipeproc wait\npipeproc wait mailer printer --timeout 30s", between(0, 1<<20, ""),
		func(ctx context.Context, args []string) error { return a.wait(ctx, args, timeout.d) })
	cmd.Flags().Var(&timeout, "timeout", "how long to wait at most")
	return cmd
}

func (a *app) wait(ctx context.Context, names []string, timeout time.Duration) error {
	lapsed := make(chan struct{}, 1)
	o := a.options()
	o.MustExist = true
	o.OnEvent = func(e pipeproc.Event) {
		if e.Kind == pipeproc.EventClaimTimeout {
			select {
			case lapsed <- struct{}{}:
			default:
			}
		}
	}
	n, err := a.open(ctx, o)
	return with(n, err, func(n pipeproc.Store) error {
		list, err := n.Procs(ctx)
		if err != nil {
			return err
		}
		for _, name := range names {
			if !slices.ContainsFunc(list, func(i pipeproc.ProcInfo) bool { return i.Name == name }) {
				a.note("note: there is no proc %q, so it has nothing to do", name)
			}
		}
		wctx, cancel := context.WithCancelCause(ctx)
		defer cancel(nil)
		if timeout > 0 {
			t := time.AfterFunc(timeout, func() { cancel(timeoutError(n, names, timeout)) })
			defer t.Stop()
		} else if !a.remote() {
			go watchHopeless(wctx, n, names, lapsed, cancel)
		}
		if err = n.WaitForProcs(wctx, names...); ctx.Err() != nil {
			return context.Canceled
		}
		return err
	})
}

// watchHopeless cancels a wait once there are records that nobody can claim:
// this process claims nothing, and no other process can while this one has the
// store.
func watchHopeless(ctx context.Context, n pipeproc.Store, names []string, lapsed <-chan struct{}, cancel context.CancelCauseFunc) {
	for {
		for _, i := range unfinished(n, names) {
			if i.Claim == (pipeproc.Token{}) || i.Retry.ReclaimTimeout < 0 {
				cancel(fmt.Errorf("proc %q has %s to acknowledge, and nobody can do that while this waits; "+
					"use 'pipeproc proc' and 'pipeproc ack'", i.Name, plural(i.Pending, "record")))
				return
			}
		}
		select {
		case <-lapsed:
		case <-ctx.Done():
			return
		}
	}
}

// unfinished returns the procs that a wait for names waits for.
func unfinished(n pipeproc.Store, names []string) []pipeproc.ProcInfo {
	list, err := n.Procs(context.Background())
	if err != nil {
		return nil
	}
	return slices.DeleteFunc(list, func(i pipeproc.ProcInfo) bool {
		return i.Disabled || i.Pending == 0 || len(names) > 0 && !slices.Contains(names, i.Name)
	})
}

func timeoutError(n pipeproc.Store, names []string, d time.Duration) error {
	const most = 5
	list := unfinished(n, names)
	var parts []string
	for _, i := range list[:min(len(list), most)] {
		parts = append(parts, fmt.Sprintf("proc %q has %s to acknowledge", i.Name, plural(i.Pending, "record")))
	}
	if len(list) == 0 {
		parts = []string{"the procs were still at it"}
	}
	if len(list) > most {
		parts = append(parts, fmt.Sprintf("and %s more", plural(len(list)-most, "proc")))
	}
	return fmt.Errorf("timeout: after %v, %s; 'pipeproc procs' shows them all", d, strings.Join(parts, ", "))
}
