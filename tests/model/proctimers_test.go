package model

import (
	"context"
	"log/slog"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// Timeouts of claims and waits before a retry, in a bubble of its own time.

// onWarning is a log handler that calls fn for each warning.
type onWarning struct {
	slog.Handler
	fn func(text string)
}

func (h onWarning) Enabled(context.Context, slog.Level) bool { return true }

func (h onWarning) Handle(_ context.Context, r slog.Record) error {
	if r.Level == slog.LevelWarn {
		h.fn(r.Message)
	}
	return nil
}

// TestTimeoutOfTheNextClaim has a timed-out claim that cannot be taken back for
// want of space, is acknowledged, and is followed by another one, before the
// node arranges to try again. The other one must time out, too.
func TestTimeoutOfTheNextClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := newDisk(4096)
		var full atomic.Bool
		fault := vfs.NewFault(disk, func(op vfs.Op) error {
			if full.Load() && op.Kind == vfs.OpWriteAt && strings.Contains(op.Name, "/wal/") {
				return syscall.ENOSPC
			}
			return nil
		})
		o := historyOptions(mutantConfig, fault, new(clock))
		var n *pipeproc.Node
		var first pipeproc.Claim
		var second atomic.Pointer[pipeproc.Claim]
		p := pipeproc.ProcOptions{Name: "p", Topic: "in", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 10 * time.Second}}
		o.Clock = time.Now
		o.Logger = slog.New(onWarning{slog.DiscardHandler, func(text string) {
			if !full.Swap(false) || !strings.Contains(text, "trying again") {
				return
			}
			if _, err := n.Ack(bg, "p", first.Token); err != nil {
				t.Errorf("ack: %v", err)
			}
			c, err := n.Claim(bg, p)
			if err != nil || c.Empty() {
				t.Errorf("second claim: %v", err)
			}
			second.Store(&c)
		}})
		n, err := pipeproc.Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		if _, err := n.Commit(bg, pipeproc.Record{Topic: "in"}, pipeproc.Record{Topic: "in"}); err != nil {
			t.Fatal(err)
		}
		if first, err = n.Claim(bg, p); err != nil || first.Empty() {
			t.Fatal(err)
		}
		full.Store(true)
		<-time.After(9 * time.Second)
		synctest.Wait()
		if second.Load() != nil {
			t.Fatal("too early")
		}
		<-time.After(30 * time.Second)
		synctest.Wait()
		if second.Load() == nil {
			t.Fatal("the first claim did not time out on a full disk")
		}
		if i, err := n.InspectProc(bg, "p"); err != nil || !i.LastClaimed.Empty() && i.Claim == second.Load().Token {
			t.Errorf("claim %v is open after 30 s, reclaims %d, %v", i.Claim, i.Reclaims, err)
		}
	})
}

// TestResumeInTheGroupOfATimeout disables a proc with an open claim, and
// resumes it in the group of commands in which the timeout finds it disabled.
func TestResumeInTheGroupOfATimeout(t *testing.T) {
	bubbled(t, func(b *bench) {
		b.commit("in", 10)
		o := pipeproc.ProcOptions{Name: "p", Topic: "in", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 10 * time.Second}}
		c := b.claim(o)
		_, err := b.node.DisableProc(bg, "p")
		b.must(err)
		b.grouped(11*time.Second, func() error { // after the timer's reclaim
			_, err := b.node.ResumeProc(bg, "p")
			return err
		})
		<-time.After(time.Hour)
		synctest.Wait()
		if i := b.proc("p"); i.Claim == c.Token {
			b.t.Error("the claim is open after an hour")
		}
	})
}

// TestMutantTimerToken has the timeout of a claim wait for space, by way of a
// checkpoint, while the claim is acknowledged and another one is made: that one
// is not taken back.
func TestMutantTimerToken(t *testing.T) {
	bubbled(t, func(b *bench) {
		b.commit("in", 10)
		b.commit("in", 10)
		o := pipeproc.ProcOptions{Name: "p", Topic: "in", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 10 * time.Second}}
		first := b.claim(o)
		var second pipeproc.Claim
		var full, done atomic.Bool
		synctest.Wait() // nothing else is being written
		b.fault.SetHook(func(op vfs.Op) error {
			if op.Kind == vfs.OpWriteAt && strings.Contains(op.Name, "/wal/") && full.CompareAndSwap(false, true) {
				return syscall.ENOSPC
			}
			if strings.Contains(op.Name, "/snapshot-") && done.CompareAndSwap(false, true) {
				if _, err := b.node.Ack(bg, "p", first.Token); err != nil {
					b.t.Errorf("ack: %v", err)
				}
				var err error
				if second, err = b.node.Claim(bg, o); err != nil {
					b.t.Errorf("second claim: %v", err)
				}
			}
			return nil
		})
		<-time.After(11 * time.Second)
		synctest.Wait()
		if i := b.proc("p"); second.Empty() || i.Claim != second.Token {
			b.t.Errorf("claim %v is open, want %v of %v, given a second ago", i.Claim, second.Token, second.Range)
		}
	})
}
