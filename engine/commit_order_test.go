package engine

import (
	"strings"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestN1RefusedStays: a command that was refused is not looked at again after later ones
// of its group have taken effect. Here the log has room for those, not for the last.
func TestN1RefusedStays(t *testing.T) {
	fs := vfs.NewFault(vfs.NewMem(), nil)
	e := sentEngine(t, fs)
	defer e.Close()
	if _, err := e.commitOne(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	batch := func(size int) *topics.Batch {
		b := new(topics.Batch)
		if err := b.Add("t", nil, nil, make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		if err := e.reg.Prepare(b); err != nil {
			t.Fatal(err)
		}
		return b
	}
	first := &Request{Batch: batch(1)}
	refused := &Request{Procs: []*procstate.Op{{Kind: procstate.Destroy, Name: "p"}}}
	later := &Request{Procs: []*procstate.Op{{Kind: procstate.Create, Name: "p", Def: procstate.Def{Name: "p", Topic: "t"}}}}
	last := &Request{Batch: batch(128 << 10)} // it needs a file of its own
	fs.SetHook(func(op vfs.Op) error {
		if (op.Kind == vfs.OpCreate || op.Kind == vfs.OpRename) && strings.Contains(op.Name, "wal") {
			return syscall.ENOSPC
		}
		return nil
	})
	e.commitMu.Lock()
	e.commitGroup([]*Request{first, refused, later, last})
	e.commitMu.Unlock()
	if first.err != nil || refused.err == nil || later.err != nil || last.err == nil {
		t.Errorf("%v, %v, %v, %v", first.err, refused.err, later.err, last.err)
	}
}
