package behaviour_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// It returns at once if there is nothing to do. Compare client/proc #13.
func TestWaitForProcsAtOnce(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		done := func(what string, names ...string) {
			t.Helper()
			if wait := start(func() error { return n.WaitForProcs(t.Context(), names...) }); !wait.over() || wait.err != nil {
				t.Errorf("%s: waits, or %v", what, wait.err)
			}
		}
		done("no procs at all")
		done("an unknown name", "nobody")
		n.ensure(pipeproc.ProcOptions{Name: "no topic", Topic: "nowhere"})
		done("a topic that does not exist")
		n.ok(n.CreateTopic(t.Context(), "empty", pipeproc.TopicOptions{}))
		n.ensure(pipeproc.ProcOptions{Name: "empty", Topic: "empty"})
		done("an empty topic")
		n.commit("t", "0", "1")
		n.ensure(pipeproc.ProcOptions{Name: "$", Topic: "t", Offset: "$>"})
		done("nothing new")
		n.want(pipeproc.ProcOptions{Name: "disabled", Topic: "t"}, "0")
		n.disable("disabled")
		done("a disabled proc")
		n.ensure(pipeproc.ProcOptions{Name: "behind", Topic: "t"})
		done("those named", "$", "empty", "no topic", "disabled", "nobody", "$")
		n.ok(n.Prune(t.Context(), "t", 2))
		done("all of it is pruned")
	})
}

// A proc that never acknowledged has everything to do; one with an open claim
// is not done.
func TestWaitForProcsWaits(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
		n.ensure(o)
		named := start(func() error { return n.WaitForProcs(t.Context(), "p") })
		all := start(func() error { return n.WaitForProcs(t.Context()) })
		waits := func(what string) {
			t.Helper()
			if named.over() || all.over() {
				t.Errorf("%s: it has returned: %v, %v", what, named.over(), all.over())
			}
		}
		waits("never claimed")
		n.want(o, "0")
		waits("claimed")
		n.ack("p")
		waits("half of it acknowledged")
		n.want(o, "1")
		waits("all of it claimed")
		n.reclaim("p")
		waits("given back")
		n.want(o, "1")
		pass(time.Hour)
		waits("timed out")
		n.want(o, "1")
		n.ack("p")
		if !named.over() || !all.over() || named.err != nil || all.err != nil {
			t.Error("it does not return")
		}
	})
}

// It is woken by everything that makes a proc done.
func TestWaitForProcsIsWoken(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, n *lab)
	}{
		{"ack", func(t *testing.T, n *lab) { n.ack("p") }},
		{"ackCommit", func(t *testing.T, n *lab) {
			_, _, err := n.AckCommit(t.Context(), "p", pipeproc.Token{}, recordsOf("out", "x")...)
			n.ok(err)
		}},
		{"disable", func(_ *testing.T, n *lab) { n.disable("p") }},
		{"destroy", func(_ *testing.T, n *lab) { n.destroy("p") }},
		{"seek", func(_ *testing.T, n *lab) { n.seek("p", "$>") }},
		{"delete the topic", func(t *testing.T, n *lab) { n.ok(n.DeleteTopic(t.Context(), "t")) }},
		{"dead letter", func(_ *testing.T, n *lab) { n.reclaim("p") }},
		{"timeout", func(*testing.T, *lab) { pass(time.Minute) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, n *lab) {
				n.commit("t", "0")
				n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter, ReclaimTimeout: time.Minute}})
				wait := start(func() error { return n.WaitForProcs(t.Context()) })
				if wait.over() {
					t.Fatal("there is a claim")
				}
				c.do(t, n)
				if !wait.over() || wait.err != nil {
					t.Error("not woken", wait.err)
				}
			})
		})
	}
}

// When a prune or a collection removes its records, a proc without a claim has
// nothing to do any more, and waiters are told.
func TestWaitForProcsIsWokenByPruning(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(t *testing.T, n *lab)
	}{
		{"prune", func(t *testing.T, n *lab) { n.ok(n.Prune(t.Context(), "t", 2)) }},
		{"forced retention", func(t *testing.T, n *lab) {
			n.ok(n.SetRetention(t.Context(), "t", pipeproc.Retention{MaxAge: time.Second, Force: true}))
			pass(time.Minute)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, n *lab) {
				n.commit("t", "0", "1")
				n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t"})
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				wait := start(func() error { return n.WaitForProcs(ctx) })
				if wait.over() {
					t.Fatal("there is work")
				}
				c.do(t, n)
				if i := n.info("p"); i.Pending != 0 {
					t.Fatalf("%+v", i)
				}
				if !wait.over() || wait.err != nil {
					t.Error("not woken", wait.err)
				}
			})
		})
	}
}

// A context, and the end of the node, end the waiting.
func TestWaitForProcsEnds(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0")
		n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t"})
		if err := n.WaitForProcs(ended()); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		wait := start(func() error { return n.WaitForProcs(ctx) })
		if wait.over() {
			t.Fatal("there is work")
		}
		cancel(cause)
		if !wait.over() || !errors.Is(wait.err, cause) {
			t.Error(wait.err)
		}
		closed := start(func() error { return n.WaitForProcs(t.Context()) })
		if closed.over() {
			t.Fatal("there is work")
		}
		n.shut()
		if !closed.over() {
			t.Fatal("it waits on")
		}
		wantCode(t, closed.err, "closed")
	})
}

// All at one moment: with a record going round between two topics, some proc
// always has it, so waiting for all of them never ends, whatever each of them
// looks like when it is looked at alone.
func TestWaitForProcsAllAtOneMoment(t *testing.T) {
	n := newLab(t, nil)
	n.commit("a", "x")
	a, b := pipeproc.ProcOptions{Name: "a", Topic: "a"}, pipeproc.ProcOptions{Name: "b", Topic: "b"}
	n.ensure(a)
	n.ensure(b)
	ctx, cancel := context.WithCancel(t.Context())
	var waiters sync.WaitGroup
	for range 3 {
		waiters.Go(func() {
			if err := n.WaitForProcs(ctx); !errors.Is(err, context.Canceled) {
				t.Errorf("it saw a moment at which nobody had the record: %v", err)
			}
		})
	}
	for i := range 2000 {
		from, to := a, "b"
		if i%2 == 1 {
			from, to = b, "a"
		}
		c := n.claim(from)
		if c.Empty() {
			t.Fatal("the record is lost")
		}
		_, _, err := n.AckCommit(t.Context(), from.Name, c.Token, recordsOf(to, "x")...)
		n.ok(err)
	}
	cancel()
	waiters.Wait()
}
