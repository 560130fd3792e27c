package behaviour_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

var errDisk = errors.New("the disk says no")

// onWAL fails operations of some kinds on files of the write-ahead log.
func onWAL(kinds ...vfs.OpKind) func(vfs.Op) error {
	return func(op vfs.Op) error {
		if slices.Contains(kinds, op.Kind) && strings.Contains(op.Name, "/wal/") {
			return errDisk
		}
		return nil
	}
}

// steps are what can be done to the proc p with an open claim.
func steps(n *lab) map[string]func() error {
	ctx := n.t.Context()
	return map[string]func() error{
		"ensure": func() error { _, err := n.EnsureProc(ctx, pipeproc.ProcOptions{Name: "q", Topic: "t"}); return err },
		"claim":  func() error { _, err := n.Claim(ctx, pipeproc.ProcOptions{Name: "free", Topic: "t"}); return err },
		"ack":    func() error { _, err := n.Ack(ctx, "p", pipeproc.Token{}); return err },
		"ackCommit": func() error {
			_, _, err := n.AckCommit(ctx, "p", pipeproc.Token{}, recordsOf("out", "x")...)
			return err
		},
		"reclaim":     func() error { _, err := n.Reclaim(ctx, "p", pipeproc.Token{}, ""); return err },
		"dead letter": func() error { _, err := n.Reclaim(ctx, "last", pipeproc.Token{}, ""); return err },
		"disable":     func() error { _, err := n.DisableProc(ctx, "p"); return err },
		"destroy":     func() error { _, err := n.DestroyProc(ctx, "p"); return err },
		"seek":        func() error { _, err := n.SeekProc(ctx, "p", "$>"); return err },
		"system": func() error {
			_, err := n.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "s", From: []string{"t", "u"}})
			return err
		},
		"delete topic": func() error { return n.DeleteTopic(ctx, "t") },
		"retention": func() error {
			return n.SetRetention(ctx, "t", pipeproc.Retention{MaxAge: time.Hour})
		},
	}
}

// faulty opens a store with procs in a state that every step of steps suits.
func faulty(t *testing.T, fs vfs.FS) *lab {
	t.Helper()
	n := openOn(t, fs, pipeproc.Options{})
	n.commit("t", "0", "1")
	n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t"})
	n.claim(pipeproc.ProcOptions{Name: "last", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter}})
	n.ensure(pipeproc.ProcOptions{Name: "free", Topic: "t"})
	return n
}

// all is everything that a node says of procs and topics, as text.
func (n *lab) all() string {
	n.t.Helper()
	procs, err := n.Procs(n.t.Context())
	n.ok(err)
	systems, err := n.SystemProcs(n.t.Context())
	n.ok(err)
	text := fmt.Sprintf("%+v\n%+v\n", procs, systems)
	topics, err := n.Topics(n.t.Context())
	n.ok(err)
	for _, i := range topics {
		r, err := n.Retention(n.t.Context(), i.Name)
		n.ok(err)
		text += fmt.Sprintf("%s %q %+v\n", i.Name, n.bodies(i.Name), r)
	}
	return text
}

// A write that fails leaves nothing of a step: the error says so, and the same
// step goes through once the disk takes it.
// node/proc #8, #10; node/ackCommitLog #4; node/destroyProc #7.
func TestProcFailedWrite(t *testing.T) {
	for name := range steps(&lab{t: t}) {
		t.Run(name, func(t *testing.T) {
			fault := vfs.NewFault(vfs.NewMem(), nil)
			n := faulty(t, fault)
			before := n.all()
			fault.SetHook(onWAL(vfs.OpWriteAt))
			if err := steps(n)[name](); err == nil {
				t.Error("no error")
			}
			if after := n.all(); after != before {
				t.Errorf("it failed and left\n%s, before\n%s", after, before)
			}
			fault.SetHook(nil)
			n.ok(steps(n)[name]())
			if after := n.all(); after == before {
				t.Error("nothing happened")
			}
		})
	}
}

// A sync that fails leaves the outcome open until the store is opened again:
// nothing of the step is seen before, and all or nothing after.
func TestProcFailedSync(t *testing.T) {
	for name := range steps(&lab{t: t}) {
		if name == "claim" {
			continue // is not synced
		}
		t.Run(name, func(t *testing.T) {
			disk := vfs.NewCrash()
			fault := vfs.NewFault(disk, nil)
			n := faulty(t, fault)
			before := n.all()
			fault.SetHook(onWAL(vfs.OpSync, vfs.OpSyncData))
			wantCode(t, steps(n)[name](), "outcome_unknown")
			if after := n.all(); after != before {
				t.Errorf("seen before it is known:\n%s, before\n%s", after, before)
			}
			if err := n.WaitForProcs(t.Context()); err == nil {
				t.Error("the procs are not done")
			}
			for _, keep := range []bool{false, true} {
				again := openOn(t, disk.Crash(func(vfs.Unit) bool { return keep }), pipeproc.Options{})
				// One half of a step is not there without the other.
				p, err := again.InspectProc(t.Context(), "p")
				out := len(again.bodies("out"))
				if name == "ackCommit" && (err != nil || out != int(p.Next)) {
					t.Errorf("keep %v: %d records, %+v, %v", keep, out, p, err)
				}
				last, err := again.InspectProc(t.Context(), "last")
				if dead := len(again.bodies("t__dead")); err != nil || dead != int(last.Next) {
					t.Errorf("keep %v: %d dead letters, %+v, %v", keep, dead, last, err)
				}
				again.shut()
			}
			fault.SetHook(nil)
			_ = n.Close() // it says that the log failed
		})
	}
}

// A timeout whose reclaim cannot be written is tried again.
func TestTimeoutIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := vfs.NewFault(vfs.NewMem(), nil)
		n := openOn(t, fault, pipeproc.Options{})
		n.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Minute}}
		n.want(o, "0")
		fault.SetHook(onWAL(vfs.OpWriteAt))
		pass(2 * time.Minute)
		if i := n.info("p"); i.Reclaims != 0 || i.Claim == (pipeproc.Token{}) {
			t.Errorf("%+v", i)
		}
		fault.SetHook(nil)
		pass(2 * time.Second)
		if i := n.info("p"); i.Reclaims != 1 || i.Claim != (pipeproc.Token{}) {
			t.Errorf("not tried again: %+v", i)
		}
		n.want(o, "0")
	})
}
