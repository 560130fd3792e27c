package remote_test

import (
	"context"
	"errors"
	"math"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestR1: a client that sends commands under keys that cannot be is refused. They were
// written once, and the next opening refused the log from there on, with everybody's
// commits.
func TestR1(t *testing.T) {
	ctx := context.Background()
	disk := vfs.NewCrash()
	open := func() *pipeproc.Node {
		n, err := pipeproc.Open("s", &pipeproc.Options{FS: disk})
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	n := open()
	defer n.Close()
	commit := func() {
		if _, err := n.Commit(ctx, pipeproc.Record{Topic: "a", Body: []byte("of somebody else")}); err != nil {
			t.Fatal(err)
		}
	}
	commit()
	if _, err := n.Claim(ctx, pipeproc.ProcOptions{Name: "p", Topic: "a"}); err != nil {
		t.Fatal(err)
	}
	q := pipeproc.ProcOptions{Name: "q", Topic: "a"}
	if c, err := n.Claim(ctx, q); err != nil {
		t.Fatal(err)
	} else if _, err := n.Ack(ctx, "q", c.Token); err != nil {
		t.Fatal(err)
	}
	commit() // something for q to claim
	a, err := transport.ParseAddr(serveNode(t, n))
	if err != nil {
		t.Fatal(err)
	}
	c, err := transport.Dial(ctx, a, &transport.DialOptions{ClientID: [16]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, k := range []once.Key{{Seq: 1, Floor: 2}, {Seq: 5, Floor: math.MaxUint64}, {Seq: math.MaxUint64}, {Seq: math.MaxUint64, Floor: math.MaxUint64, Again: true}} {
		var batch topics.Batch
		_ = batch.Add("a", nil, nil, []byte("x"))
		of := message.OfClaim{Key: k, Proc: "p", Token: procstate.Token{Epoch: 1, Serial: 1}}
		head := message.Commit{Key: k}
		claim := message.Claim{Key: k, Proc: "q", Count: 1}
		disable := message.JSON{Key: k, Name: message.Calls.DisableProc.Name, Args: []byte(`{"name":"p"}`)}
		var records []byte
		encoded, err := batch.AppendWire(nil, func(raw []byte) { records = raw })
		if err != nil {
			t.Fatal(err)
		}
		encoded = append(encoded, records...)
		for method, body := range map[uint16][]byte{
			message.MethodCommit:  append(head.Append(nil), encoded...),
			message.MethodClaim:   claim.Append(nil),
			message.MethodAck:     of.Append(nil, message.MethodAck),
			message.MethodReclaim: of.Append(nil, message.MethodReclaim),
			message.MethodJSON:    disable.Append(nil),
		} {
			_, err := c.Call(ctx, method, body)
			if r, ok := errors.AsType[*transport.RemoteError](err); !ok || r.Code != "invalid_options" {
				t.Errorf("method %d under key %+v: %v", method, k, err)
			}
		}
	}
	commit()
	disk = disk.Kill()
	again := open()
	defer again.Close()
	if l, err := again.Length(ctx, "a"); l != 3 || err != nil || again.Err() != nil {
		t.Errorf("after the kill: %d records, %v, %v", l, err, again.Err())
	}
}
