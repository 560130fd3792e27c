package main

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/spf13/cobra"

	"github.com/pipeproc/pipeproc"
)

const retentionLong = `
Without flags, prints what may be deleted from TOPIC. With flags, sets it and
prints what holds then. What is not given stays as it was; --clear begins from
nothing.

It is done by 'pipeproc gc', and every 30 seconds by a program that has the store
open, unless that says otherwise. Records that a proc has not acknowledged stay,
whatever their age and number, unless --force is set.

--gc says whether what all procs have acknowledged goes: as whoever opens the
store says (inherit), always (on), or never (off). See 'pipeproc gc --help'.
`

const retentionExample = `
pipeproc topic retention orders
pipeproc topic retention orders --max-age 720h --max-bytes 10GiB
pipeproc topic retention orders --max-age 0s       # no limit by age any more
pipeproc topic retention orders --clear --gc off   # keep everything
`

// retentionFlags are the parts of a retention that were given.
type retentionFlags struct {
	maxAge, minPrune durationFlag
	maxBytes         sizeFlag
	force, clear     bool
	gc, output       *choiceFlag
}

var switches = map[string]pipeproc.Switch{"on": pipeproc.SwitchOn, "off": pipeproc.SwitchOff, "inherit": pipeproc.SwitchInherit}

func (a *app) topicRetentionCommand() *cobra.Command {
	f := retentionFlags{maxBytes: sizeFlag{high: math.MaxInt64 >> 10}}
	var cmd *cobra.Command
	cmd = a.command("retention NAME [flags]", "Set or show what may be deleted from a topic", retentionLong, retentionExample, between(1, 1, "NAME"),
		func(ctx context.Context, args []string) error {
			return a.retention(ctx, args[0], &f, cmd.Flags().Changed)
		})
	fl := cmd.Flags()
	fl.Var(&f.maxAge, "max-age", "delete records that are older; 0s: no limit")
	fl.Var(&f.maxBytes, "max-bytes", "delete the oldest segments while there are more bytes; 0: no limit")
	fl.BoolVar(&f.force, "force", false, "also what procs have not acknowledged")
	f.gc = choice(cmd, "gc", "inherit", "delete what all procs have acknowledged", "on", "off", "inherit")
	fl.Var(&f.minPrune, "min-prune-time", "the age for --gc; 0s: as whoever opens the store says")
	fl.BoolVar(&f.clear, "clear", false, "take back all that was set")
	f.output = choice(cmd, "output", "text", "form of the result", "text", "json")
	return cmd
}

func (a *app) retention(ctx context.Context, topic string, f *retentionFlags, changed func(string) bool) error {
	set := f.clear
	for _, name := range []string{"max-age", "max-bytes", "force", "gc", "min-prune-time"} {
		set = set || changed(name)
	}
	open := a.read
	if set {
		open = a.change
	}
	n, err := open(ctx)
	return with(n, err, func(n pipeproc.Store) error {
		r, err := n.Retention(ctx, topic)
		if err != nil {
			return err
		}
		if set {
			r = f.apply(r, changed)
			if r.Force && r.MaxAge == 0 && r.MaxBytes == 0 {
				return usageError{errors.New("--force goes with --max-age or --max-bytes only")}
			}
			if err := n.SetRetention(ctx, topic, r); err != nil {
				return err
			}
			if r, err = n.Retention(ctx, topic); err != nil {
				return err
			}
		}
		if f.output.value == "json" {
			return a.printJSON(retentionJSON{topic, r.MaxAge.Milliseconds(), r.MaxBytes, r.Force, r.GC.String(), r.MinAge.Milliseconds(), r.IgnoreDisabled.String()})
		}
		return a.line(retentionText(r))
	})
}

// apply returns r with the given parts replaced.
func (f *retentionFlags) apply(r pipeproc.Retention, changed func(string) bool) pipeproc.Retention {
	if f.clear {
		r = pipeproc.Retention{}
	}
	if changed("max-age") {
		r.MaxAge = f.maxAge.d
	}
	if changed("max-bytes") {
		r.MaxBytes = f.maxBytes.n
	}
	if changed("force") {
		r.Force = f.force
	}
	if changed("gc") {
		r.GC = switches[f.gc.value]
	}
	if changed("min-prune-time") {
		r.MinAge = f.minPrune.d
	}
	return r
}

// retentionJSON has times in milliseconds; 0 means no limit, but the default
// for MinPruneTime.
type retentionJSON struct {
	Topic          string `json:"topic"`
	MaxAge         int64  `json:"maxAge"`
	MaxBytes       int64  `json:"maxBytes"`
	Force          bool   `json:"force"`
	GC             string `json:"gc"`
	MinPruneTime   int64  `json:"minPruneTime"`
	IgnoreDisabled string `json:"ignoreDisabled"`
}

func retentionText(r pipeproc.Retention) string {
	age, bytes, force, prune := "no limit", "no limit", "no", "inherit"
	if r.MaxAge > 0 {
		age = r.MaxAge.String()
	}
	if r.MaxBytes > 0 {
		bytes = sizeText(r.MaxBytes)
	}
	if r.Force {
		force = "yes, procs that have not acknowledged are passed"
	}
	if r.MinAge > 0 {
		prune = r.MinAge.String()
	}
	s := fmt.Sprintf("max age         %s\nmax bytes       %s\nforce           %s\ngc              %s\nmin prune time  %s", age, bytes, force, r.GC, prune)
	if r.IgnoreDisabled != pipeproc.SwitchInherit {
		s += fmt.Sprintf("\ndisabled procs  ignored: %s", r.IgnoreDisabled)
	}
	return s
}
