package fuzz

import (
	"context"
	"encoding/binary"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/gcprune"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
)

// procOps encodes the operations of some short-lived procs, each as one byte of
// code, a length, and the payload.
func procOps(f *testing.F) []byte {
	f.Helper()
	m := procstate.New(7)
	var out []byte
	stage := func(op *procstate.Op) {
		if err := m.Stage(op, 1_700_000_000_000); err != nil {
			f.Fatal(err)
		}
		out = op.Encode(out, func(dst []byte, code byte) ([]byte, int) {
			return append(dst, code, 0), len(dst) + 2 // the payloads are short
		}, func(dst []byte, mark int) { dst[mark-1] = byte(len(dst) - mark) })
		m.Apply(op)
		m.Publish(nil)
	}
	o, err := procstate.Options{OnMax: procstate.DeadLetter, Backoff: time.Second}.Check("t")
	if err != nil {
		f.Fatal(err)
	}
	create := &procstate.Op{Kind: procstate.Create, Def: procstate.Def{Name: "p", Topic: "t", Options: o}, Next: 3}
	stage(create)
	r := record.Range{First: record.ID{Millis: 5, Seq: 3}, Last: record.ID{Millis: 6, Seq: 8}, Count: 6}
	stage(&procstate.Op{Kind: procstate.Take, Name: "p", Seen: create.State, Range: r})
	stage(&procstate.Op{Kind: procstate.Ack, Name: "p"})
	stage(&procstate.Op{Kind: procstate.Stop, Name: "p"})
	stage(&procstate.Op{Kind: procstate.PutSystem, System: &procstate.System{Name: "s", Processor: "f", From: []string{"t"}, To: []string{"u"}, Count: 1, Lanes: 1, Options: o}})
	stage(&procstate.Op{Kind: procstate.Destroy, Name: "p"})
	stage(&procstate.Op{Kind: procstate.DropSystem, Name: "s"})
	return out
}

// seedProcs gives a store procs, a system proc and a policy.
func seedProcs(f *testing.F, n *pipeproc.Node) {
	f.Helper()
	ctx := context.Background()
	c, err := n.Claim(ctx, pipeproc.ProcOptions{Name: "p", Topic: "a", Count: 2})
	if err == nil {
		_, err = n.Ack(ctx, "p", c.Token)
	}
	if err == nil {
		_, err = n.Claim(ctx, pipeproc.ProcOptions{Name: "p", Topic: "a"})
	}
	if err == nil {
		_, err = n.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "later"}, To: []string{"few"}})
	}
	if err == nil {
		err = n.SetRetention(ctx, "packed", pipeproc.Retention{MaxBytes: 1 << 30})
	}
	if err != nil {
		f.Fatal(err)
	}
}

// FuzzProcOps replays operations on procs. An accepted operation must be
// accepted again from its own encoding.
func FuzzProcOps(f *testing.F) {
	ops := procOps(f)
	f.Add(ops)
	f.Add(ops[:len(ops)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := procstate.New(1)
		for len(b) > 1 {
			code := b[0]
			n, k := binary.Uvarint(b[1:])
			if k <= 0 || n > uint64(len(b)-1-k) {
				break
			}
			payload := b[1+k : 1+k+int(n)]
			b = b[1+k+int(n):]
			_ = m.Decode(code, payload)
			m.Publish(nil)
		}
		again := procstate.New(1)
		c := m.Capture()
		c.Sort()
		if err := again.RestoreHead(c.AppendHead(nil)); err != nil {
			t.Fatal(err)
		}
		for _, s := range c.Procs {
			if err := again.Decode(procstate.OpProc, procstate.AppendProc(nil, s)); err != nil {
				t.Fatalf("%+v: %v", s, err)
			}
		}
		for _, s := range c.Systems {
			if err := again.Decode(procstate.OpSystem, procstate.AppendSystem(nil, s)); err != nil {
				t.Fatalf("%+v: %v", s, err)
			}
		}
		again.Publish(nil)
		if x, y := len(m.All()), len(again.All()); x != y {
			t.Fatalf("%d procs, then %d", x, y)
		}
	})
}

// FuzzPolicy decodes a topic's retention.
func FuzzPolicy(f *testing.F) {
	f.Add(gcprune.AppendPolicy(nil, 3, gcprune.Policy{GC: gcprune.On, MaxAge: time.Hour, MaxBytes: 1 << 20, Force: true}))
	f.Add([]byte{1})
	f.Fuzz(func(t *testing.T, b []byte) {
		topic, p, err := gcprune.DecodePolicy(b)
		if err != nil {
			return
		}
		if id, q, err := gcprune.DecodePolicy(gcprune.AppendPolicy(nil, topic, p)); err != nil || id != topic || q != p {
			t.Fatalf("%d %+v became %d %+v, %v", topic, p, id, q, err)
		}
	})
}
