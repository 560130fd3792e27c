package model

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// Races of commands about procs, forced to happen: each test has one. They run in a
// bubble of their own time, where a test can wait until all others wait.

// bubbled runs fn on a new store in a bubble.
func bubbled(t *testing.T, fn func(b *bench)) {
	synctest.Test(t, func(t *testing.T) { fn(newBench(t)) })
}

// grouped runs the calls in one group of commands, in order, by holding up the
// write of a commit that comes before them. Time passes before each.
func (b *bench) grouped(pass time.Duration, calls ...func() error) {
	b.t.Helper()
	// A background goroutine that waits for the leader's lock would keep the bubble
	// from coming to rest.
	synctest.Wait()
	gate := make(chan struct{})
	var once atomic.Bool
	b.fault.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpWriteAt && strings.Contains(op.Name, "/wal/") && once.CompareAndSwap(false, true) {
			<-gate
		}
		return nil
	})
	defer b.fault.SetHook(nil)
	calls = append([]func() error{func() error { _, err := b.node.Commit(bg, pipeproc.Record{Topic: "first"}); return err }}, calls...)
	errs := make([]error, len(calls))
	var group sync.WaitGroup
	for i, call := range calls {
		group.Go(func() { errs[i] = call() })
		<-time.After(pass)
		synctest.Wait()
	}
	close(gate)
	group.Wait()
	b.must(errors.Join(errs...))
}

// onRead calls fn once, at the first read of a segment file from now on.
func (b *bench) onRead(fn func()) { b.onFile(vfs.OpReadAt, fn) }

// onFile calls fn once, before the first operation of that kind on a segment
// file from now on.
func (b *bench) onFile(kind vfs.OpKind, fn func()) {
	var once atomic.Bool
	b.fault.SetHook(func(op vfs.Op) error {
		if op.Kind == kind && strings.Contains(op.Name, "/segments/") && once.CompareAndSwap(false, true) {
			fn()
		}
		return nil
	})
	b.t.Cleanup(func() {
		b.fault.SetHook(nil)
		if !once.Load() {
			b.t.Error("no segment file was read")
		}
	})
}

// filed puts n records of 1 KiB each into a topic, and those into its file.
func (b *bench) filed(topic string, n int) {
	b.t.Helper()
	for range n {
		b.commit(topic, 1<<10)
	}
	b.commit(topic, 40<<10) // more than a snapshot carries
	b.must(b.node.Close())
	b.node = b.open(b.fault)
}

func (b *bench) proc(name string) pipeproc.ProcInfo {
	b.t.Helper()
	i, err := b.node.InspectProc(bg, name)
	b.must(err)
	return i
}

func (b *bench) ensure(o pipeproc.ProcOptions) {
	b.t.Helper()
	_, err := b.node.EnsureProc(bg, o)
	b.must(err)
}

func (b *bench) claim(o pipeproc.ProcOptions) pipeproc.Claim {
	b.t.Helper()
	c, err := b.node.Claim(bg, o)
	b.must(err)
	return c
}

// TestBeginsInOneGroup has a proc disabled in the group of commands in which an
// import gives its topic the first record: both must hold afterwards.
func TestBeginsInOneGroup(t *testing.T) {
	bubbled(t, func(b *bench) {
		o := pipeproc.ProcOptions{Name: "p", Topic: "in"}
		b.ensure(o)
		b.grouped(time.Millisecond, func() error {
			_, err := b.node.Import(bg, "in", func(yield func(pipeproc.Record, error) bool) {
				yield(pipeproc.Record{ID: pipeproc.ID{Millis: b.clock.ms.Load(), Seq: 100}}, nil)
			}, nil)
			return err
		}, func() error {
			_, err := b.node.DisableProc(bg, "p")
			return err
		})
		if i := b.proc("p"); !i.Disabled || i.Next != 100 {
			b.t.Errorf("disabled %v, next %d, want true and 100", i.Disabled, i.Next)
		}
		if _, err := b.node.ResumeProc(bg, "p"); err != nil {
			b.t.Fatalf("resume: %v", err)
		}
		if c := b.claim(o); len(c.Records) != 1 || c.Skipped != 0 {
			b.t.Errorf("claimed %d records, skipped %d", len(c.Records), c.Skipped)
		}
	})
}

// TestClaimUnderSeek moves a proc back while a claim of it reads its records:
// the claim must be made anew, from there.
func TestClaimUnderSeek(t *testing.T) {
	b := newBench(t)
	b.filed("in", 5)
	o := pipeproc.ProcOptions{Name: "p", Topic: "in", Offset: ":2", Count: 2}
	b.ensure(o)
	b.onRead(func() {
		_, err := b.node.SeekProc(bg, "p", ">")
		b.must(err)
	})
	if c := b.claim(o); c.Range.First.Seq != 0 || c.Range.Count != 2 {
		t.Errorf("claimed %v", c.Range)
	}
}

// TestClaimUnderPrune prunes a topic, and frees its file, while a claim is
// about to read it: the claim is of what is left.
func TestClaimUnderPrune(t *testing.T) {
	b := newBench(t)
	b.filed("in", 5)
	o := pipeproc.ProcOptions{Name: "p", Topic: "in", Count: 2}
	b.ensure(o)
	b.onFile(vfs.OpOpen, func() {
		b.must(b.node.Prune(bg, "in", 6))
		b.must(b.node.Checkpoint(bg))
		b.commit("in", 10)
	})
	c, err := b.node.Claim(bg, o)
	if err != nil || c.Range.First.Seq != 6 || c.Skipped != 6 {
		t.Errorf("claimed %v, skipped %d, %v", c.Range, c.Skipped, err)
	}
}

// TestClaimUnderDelete deletes the topic, and makes it again, while a claim
// reads it.
func TestClaimUnderDelete(t *testing.T) {
	b := newBench(t)
	b.filed("in", 5)
	o := pipeproc.ProcOptions{Name: "p", Topic: "in", Offset: ":2", Count: 2}
	b.ensure(o)
	b.onRead(func() {
		b.must(b.node.DeleteTopic(bg, "in"))
		_, err := b.node.Commit(bg, pipeproc.Record{Topic: "in", Body: []byte("new")})
		b.must(err)
	})
	c, err := b.node.Claim(bg, o)
	if err != nil || len(c.Records) != 1 || string(c.Records[0].Body) != "new" || c.Skipped != 0 {
		t.Errorf("claimed %v, skipped %d, %v", c.Range, c.Skipped, err)
	}
}

// TestResumeUnderBurial resumes a proc, which forgets its reclaims, while the
// reclaim that would have been the last one allowed reads the records for the
// dead-letter topic. It is the first one then.
func TestResumeUnderBurial(t *testing.T) {
	b := newBench(t)
	b.filed("in", 5)
	o := pipeproc.ProcOptions{Name: "p", Topic: "in", Retry: pipeproc.RetryPolicy{MaxReclaims: 2, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
	for range 2 {
		b.claim(o)
		if b.proc("p").Reclaims == 0 {
			_, err := b.node.Reclaim(bg, "p", pipeproc.Token{}, "")
			b.must(err)
		}
	}
	b.must(b.node.Close()) // so that no file is open
	b.node = b.open(b.fault)
	b.onFile(vfs.OpOpen, func() {
		_, err := b.node.DisableProc(bg, "p")
		b.must(err)
		_, err = b.node.ResumeProc(bg, "p")
		b.must(err)
	})
	_, err := b.node.Reclaim(bg, "p", pipeproc.Token{}, "")
	b.must(err)
	if i := b.proc("p"); i.Reclaims != 1 || i.Next != 0 {
		t.Errorf("%d reclaims, next %d", i.Reclaims, i.Next)
	}
	if _, err := b.node.Topic(bg, "in__dead"); !errors.Is(err, pipeproc.ErrInvalidTopic) {
		t.Errorf("the dead-letter topic: %v", err)
	}
}

// TestDisableUnderBurial disables it instead: a disabled proc takes no reclaim.
func TestDisableUnderBurial(t *testing.T) {
	b := newBench(t)
	b.filed("in", 5)
	o := pipeproc.ProcOptions{Name: "p", Topic: "in", Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
	c := b.claim(o)
	b.must(b.node.Close())
	b.node = b.open(b.fault)
	b.onFile(vfs.OpOpen, func() {
		_, err := b.node.DisableProc(bg, "p")
		b.must(err)
	})
	_, err := b.node.Reclaim(bg, "p", c.Token, "")
	if i := b.proc("p"); !errors.Is(err, pipeproc.ErrProcDisabled) || i.Claim != c.Token || i.Next != 0 {
		t.Errorf("reclaim: %v; claim %v, next %d", err, i.Claim, i.Next)
	}
}
