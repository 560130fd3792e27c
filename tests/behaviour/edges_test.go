package behaviour_test

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// A view resolves bounds against its own end, and there is none of a closed node.
func TestViewEnd(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1", "2")
	v, err := n.View(bg)
	n.ok(err)
	n.commit("t", "3", "4", "5")
	count := func(o pipeproc.RangeOptions) (n int, err error) {
		for _, err := range v.Range(bg, "t", o) {
			if err != nil {
				return n, err
			}
			n++
		}
		return n, nil
	}
	for _, seq := range []uint64{3, 4, 9} {
		for _, o := range []pipeproc.RangeOptions{{Start: pipeproc.AtSeq(seq)}, {End: pipeproc.AtSeq(seq)}, {Start: pipeproc.AtSeq(seq), Reverse: true}} {
			if got, err := count(o); !errors.Is(err, pipeproc.ErrInvalidSequence) || got != 0 {
				t.Errorf(":%d, %+v: %d records, %v", seq, o, got, err)
			}
		}
	}
	late := pipeproc.AtID(pipeproc.ID{Millis: 1 << 46, Seq: 4})
	for want, o := range map[int]pipeproc.RangeOptions{
		0: {Start: late},
		1: {Start: pipeproc.AtSeq(2)},
		2: {Start: pipeproc.AtSeq(1), Reverse: true},
		3: {End: late},
	} {
		if got, err := count(o); err != nil || got != want {
			t.Errorf("%+v: %d records, %v", o, got, err)
		}
	}
	n.shut()
	if _, err := n.View(bg); !errors.Is(err, pipeproc.ErrClosed) {
		t.Errorf("a view of a closed node: %v", err)
	}
	if _, err := count(pipeproc.RangeOptions{}); !errors.Is(err, pipeproc.ErrClosed) {
		t.Errorf("a range of a view of a closed node: %v", err)
	}
}

// What is long does not begin once its context has ended.
func TestEndedContext(t *testing.T) {
	enough := errors.New("enough")
	ctx, cancel := context.WithCancelCause(bg)
	cancel(enough)
	dir := filepath.Join(t.TempDir(), "d")
	n, err := pipeproc.Open(dir, nil)
	must(t, err)
	want := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, enough) {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err = n.Verify(ctx, nil)
	want("Node.Verify", err)
	must(t, n.Close())
	_, err = pipeproc.Verify(ctx, dir, nil)
	want("Verify", err)
	_, err = pipeproc.Repair(ctx, dir, nil)
	want("Repair", err)
	dest := filepath.Join(t.TempDir(), "copy")
	want("Restore", pipeproc.Restore(ctx, dir, dest))
	if _, err := vfs.OS().Stat(dest); err == nil {
		t.Error("Restore made its directory")
	}
}
