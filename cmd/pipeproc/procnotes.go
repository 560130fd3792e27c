package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pipeproc/pipeproc"
)

// kept names the flags that differ from what a proc has.
func (f *procFlags) kept(i *pipeproc.ProcInfo) string {
	same := func(a, b time.Duration) bool { return a == b || a < b && b-a < time.Millisecond } // the store rounds up
	var names []string
	for _, x := range []struct {
		flag string
		same bool
	}{
		{"offset", f.o.Offset == i.Offset},
		{"max-reclaims", f.o.Retry.MaxReclaims == i.Retry.MaxReclaims},
		{"reclaim-timeout", same(f.o.Retry.ReclaimTimeout, i.Retry.ReclaimTimeout)},
		{"on-max-reclaims", f.o.Retry.OnMaxReclaims == i.Retry.OnMaxReclaims},
		{"dead-letter-topic", f.o.Retry.DeadLetterTopic == i.Retry.DeadLetterTopic},
		{"backoff", same(f.o.Retry.Backoff, i.Retry.Backoff)},
		{"max-backoff", same(f.o.Retry.MaxBackoff, i.Retry.MaxBackoff)},
	} {
		if !x.same && f.changed(x.flag) {
			names = append(names, "--"+x.flag)
		}
	}
	if len(names) == 0 {
		return ""
	}
	verb := " says"
	if len(names) > 1 {
		verb = " say"
	}
	return strings.Join(names, ", ") + verb
}

// claimed tells a user at a terminal what was claimed, or why nothing was. A
// missing topic is always reported: it may be misspelt.
func (a *app) claimed(ctx context.Context, n pipeproc.Store, c *pipeproc.Claim, name string) {
	if c.Skipped > 0 {
		a.note("note: %s of topic %q had been pruned by force before proc %q saw them", plural(c.Skipped, "sequence"), c.Topic, c.Proc)
	}
	i, err := n.InspectProc(ctx, name)
	if err != nil {
		return
	}
	if _, err := n.Topic(ctx, i.Topic); errors.Is(err, pipeproc.ErrInvalidTopic) {
		a.note("note: there is no topic %q yet", i.Topic)
		return
	}
	if isTerminal(a.stderr) {
		a.note("note: %s", claimText(c, &i))
	}
}

func claimText(c *pipeproc.Claim, i *pipeproc.ProcInfo) string {
	switch {
	case !c.Empty():
		s := fmt.Sprintf("claimed %s, attempt %d; 'pipeproc ack %s' acknowledges", plural(len(c.Records), "record"), c.Attempt, shellWord(i.Name))
		if c.Timeout >= 0 {
			s += fmt.Sprintf(", within %v", c.Timeout)
		}
		return s
	case i.Claim != (pipeproc.Token{}):
		return fmt.Sprintf("nothing was claimed: claim %s is open, of %s", i.Claim, plural(i.LastClaimed.Count, "record"))
	case !i.RetryAt.IsZero():
		return fmt.Sprintf("nothing was claimed: the records come again at %s", clock(i.RetryAt))
	}
	return fmt.Sprintf("there is nothing to claim in topic %q for proc %q", i.Topic, i.Name)
}
