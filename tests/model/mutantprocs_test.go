package model

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// claimNext claims one record for the proc p on topic in.
func (b *bench) claimNext() pipeproc.Claim {
	b.t.Helper()
	c, err := b.node.Claim(bg, pipeproc.ProcOptions{Name: "p", Topic: "in"})
	if err != nil {
		b.t.Fatal(err)
	}
	return c
}

// TestMutantToken: a claim that was given back acknowledges nothing.
func TestMutantToken(t *testing.T) {
	b := newBench(t)
	b.commit("in", 10)
	lost := b.claimNext()
	if _, err := b.node.Reclaim(bg, "p", lost.Token, ""); err != nil {
		t.Fatal(err)
	}
	b.claimNext()
	if _, err := b.node.Ack(bg, "p", lost.Token); !errors.Is(err, pipeproc.ErrClaimLost) {
		t.Error("a lost claim acknowledged the one that followed it:", err)
	}
}

// TestMutantTokenEpoch: a token of a claim that a power cut has lost is not given
// again.
func TestMutantTokenEpoch(t *testing.T) {
	b := newBench(t)
	b.commit("in", 10)
	if i, err := b.node.EnsureProc(bg, pipeproc.ProcOptions{Name: "p", Topic: "in"}); err != nil {
		t.Fatal(i, err)
	}
	lost := b.claimNext()
	n := b.open(b.disk.Crash(nothing))
	defer n.Close()
	c, err := n.Claim(bg, pipeproc.ProcOptions{Name: "p", Topic: "in"})
	if err != nil || c.Empty() {
		t.Fatal("the claim survived, so the test shows nothing:", err)
	}
	if _, err := n.Ack(bg, "p", lost.Token); !errors.Is(err, pipeproc.ErrClaimLost) {
		t.Errorf("token %v, lost, acknowledged claim %v: %v", lost.Token, c.Token, err)
	}
}

// TestMutantOpenClaim: there is one claim at a time.
func TestMutantOpenClaim(t *testing.T) {
	b := newBench(t)
	b.commit("in", 10)
	b.claimNext()
	if c := b.claimNext(); !c.Empty() {
		t.Error("a record was given twice")
	}
}

// TestMutantSeen: a claim that was proposed for another state of the proc is
// refused.
func TestMutantSeen(t *testing.T) {
	m := procstate.New(1)
	run := func(op *procstate.Op) error {
		err := m.Stage(op, 1)
		if err == nil {
			m.Apply(op)
			m.Publish(nil)
		}
		return err
	}
	o, err := procstate.Options{}.Check("in")
	if err != nil {
		t.Fatal(err)
	}
	create := &procstate.Op{Kind: procstate.Create, Def: procstate.Def{Name: "p", Topic: "in", Options: o}}
	if err := run(create); err != nil {
		t.Fatal(err)
	}
	if err := run(&procstate.Op{Kind: procstate.Seek, Name: "p", Next: 5}); err != nil {
		t.Fatal(err)
	}
	r := record.Range{First: record.ID{Millis: 1, Seq: 7}, Last: record.ID{Millis: 1, Seq: 7}, Count: 1}
	if err := run(&procstate.Op{Kind: procstate.Take, Name: "p", Seen: create.State, Range: r}); !errors.Is(err, procstate.ErrStale) {
		t.Error("the records behind the old position were claimed:", err)
	}
}

// TestMutantProcReplay: an acknowledgement survives a killed process.
func TestMutantProcReplay(t *testing.T) {
	b := newBench(t)
	b.commit("in", 10)
	if _, err := b.node.Ack(bg, "p", b.claimNext().Token); err != nil {
		t.Fatal(err)
	}
	n := b.open(b.disk.Kill())
	defer n.Close()
	if i, err := n.InspectProc(bg, "p"); err != nil || i.Next != 1 {
		t.Errorf("%+v, %v", i, err)
	}
}

// TestMutantProcSnapshot: procs are in the snapshot.
func TestMutantProcSnapshot(t *testing.T) {
	b := newBench(t)
	b.commit("in", 10)
	b.claimNext()
	if err := b.node.Close(); err != nil {
		t.Fatal(err)
	}
	n := b.open(b.disk)
	defer n.Close()
	if _, err := n.InspectProc(bg, "p"); err != nil {
		t.Error(err)
	}
}

// TestMutantUndo: an AckCommit whose records cannot be committed acknowledges
// nothing.
func TestMutantUndo(t *testing.T) {
	b := newBench(t)
	b.commit("in", 10)
	c := b.claimNext()
	var batch pipeproc.Batch
	if err := errors.Join(batch.Add("out", nil), batch.Expect("out", 77)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.node.AckCommitBatch(bg, "p", c.Token, &batch); !errors.Is(err, pipeproc.ErrConflict) {
		t.Fatal(err)
	}
	if _, err := b.node.Ack(bg, "p", c.Token); err != nil {
		t.Error("the claim is gone with the commit that failed:", err)
	}
}

// TestMutantProcOrder: a reader that sees an acknowledgement sees what came of it.
func TestMutantProcOrder(t *testing.T) {
	e := openEngine(t, newDisk(4096))
	if err := appendTo(e, "in", "x"); err != nil {
		t.Fatal(err)
	}
	makeProc(t, e, "p", "in", procstate.Options{})
	var c engine.Claimed
	if err := e.Claim(bg, "p", 1, &c); err != nil {
		t.Fatal(err)
	}
	early := false
	defer e.Watch("p", "in", func() {
		s, err := e.Proc("p")
		if err != nil || s.Next == 0 {
			return
		}
		if _, err := e.Topic("out"); err != nil {
			early = true
		}
	})()
	b := new(topics.Batch)
	if err := b.Add("out", nil, nil, []byte("y")); err != nil {
		t.Fatal(err)
	}
	ack := &procstate.Op{Kind: procstate.Ack, Name: "p", Token: c.Token, Commit: true}
	if err := e.Commit(bg, &engine.Request{Batch: b, Procs: []*procstate.Op{ack}}); err != nil {
		t.Fatal(err)
	}
	if early {
		t.Error("the acknowledgement was visible before its record")
	}
}

// TestMutantOnce: a command that a client sends again is not done again.
func TestMutantOnce(t *testing.T) {
	e := openEngine(t, newDisk(4096))
	for _, again := range []bool{false, true} {
		b := new(topics.Batch)
		if err := b.Add("in", nil, nil, []byte("x")); err != nil {
			t.Fatal(err)
		}
		k := once.Key{Client: once.Client{1}, Seq: 1, Floor: 1, Again: again}
		if err := e.Commit(engine.WithKey(bg, k, nil), &engine.Request{Batch: b}); err != nil {
			t.Fatal(err)
		}
	}
	if topic, err := e.Topic("in"); err != nil || topic.End() != 1 {
		t.Error("it was done twice", err)
	}
}

// TestMutantGuard: a collection takes nothing from a proc that was made after it had
// decided what to take.
func TestMutantGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := vfs.NewFault(vfs.NewMem(), nil)
		o := &pipeproc.Options{FS: fault, WALSize: 64 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
		n, err := pipeproc.Open(dir, o)
		if err != nil {
			t.Fatal(err)
		}
		for range 40 { // more than a snapshot would carry, so that times are read from the file
			if _, err := n.Commit(bg, pipeproc.Record{Topic: "in", Body: make([]byte, 1000)}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Millisecond) // of the bubble's clock
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
		if n, err = pipeproc.Open(dir, o); err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		time.Sleep(time.Hour)
		var came sync.Once
		fault.SetHook(func(op vfs.Op) error {
			if op.Kind == vfs.OpReadAt {
				came.Do(func() {
					if _, err := n.EnsureProc(bg, pipeproc.ProcOptions{Name: "p", Topic: "in"}); err != nil {
						t.Error(err)
					}
				})
			}
			return nil
		})
		if _, err := n.GC(bg, pipeproc.GCOptions{MinAge: time.Hour + 20*time.Millisecond}); err != nil {
			t.Fatal(err)
		}
		fault.SetHook(nil)
		if i, err := n.InspectProc(bg, "p"); err != nil {
			t.Fatal("the collection read nothing, so the test shows nothing:", err)
		} else if topic, err := n.Topic(bg, "in"); err != nil || topic.First > i.Next {
			t.Errorf("pruned to %d, the proc begins at %d, %v", topic.First, i.Next, err)
		}
	})
}
