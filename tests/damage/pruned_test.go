package damage

import (
	"bytes"
	"errors"
	"fmt"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestDamageBelowTheStart: damage in a block that is pruned does not keep the records
// behind it from being read, in the same page and as the first ones; and damage that goes
// on behind the start is found by Verify, also if no intact block follows.
func TestDamageBelowTheStart(t *testing.T) {
	size := 900
	body := func(i int) []byte { return bytes.Repeat([]byte{'A' + byte(i)}, size) }
	fill := func(first uint64, kind string) (*vfs.Mem, string) {
		m := vfs.NewMem()
		n, err := pipeproc.Open(dir, options(m, pipeproc.SyncAlways, newClock(1)))
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 {
			if _, err := n.Commit(bg, pipeproc.Record{Topic: "a", Body: body(i)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(n.Prune(bg, "a", first), n.Close()); err != nil {
			t.Fatal(err)
		}
		im, err := take(m)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range im.names() {
			if im.kind(name) == kind {
				return m, name
			}
		}
		t.Fatal("no segment file")
		return nil, ""
	}
	zero := func(m *vfs.Mem, name string, from, to int64) {
		f, err := m.Open(dir+"/"+name, vfs.Write)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteAt(make([]byte, to-from), from); err != nil {
			t.Fatal(err)
		}
	}
	const header, block = 512, 900 + 42
	t.Run("below", func(t *testing.T) {
		m, name := fill(10, "segment growing")
		zero(m, name, header, header+9*block+block/2)
		rep, err := pipeproc.Verify(bg, dir, &pipeproc.VerifyOptions{FS: m})
		if err != nil || len(rep.Damage) > 0 {
			t.Errorf("verify: %v, %v", rep, err)
		}
		n, err := pipeproc.Open(dir, options(m, pipeproc.SyncAlways, newClock(1)))
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		next := 10
		for r, err := range n.Range(bg, "a", pipeproc.RangeOptions{}) {
			if err != nil || !bytes.Equal(r.Body, body(next)) {
				t.Fatal(r.ID, err)
			}
			next++
		}
		r, err := n.Get(bg, "a", 10)
		if err != nil || !bytes.Equal(r.Body, body(10)) || next != 20 {
			t.Error(next, r.ID, err)
		}
		for r, err := range n.Range(bg, "a", pipeproc.RangeOptions{Reverse: true}) {
			if next--; err != nil || !bytes.Equal(r.Body, body(next)) {
				t.Fatal(r.ID, err)
			}
		}
		if next != 10 {
			t.Error("backwards", next)
		}
		if _, err := n.Commit(bg, pipeproc.Record{Topic: "a"}); err != nil {
			t.Error(err)
		}
	})
	t.Run("to the end", func(t *testing.T) {
		m, name := fill(10, "segment growing")
		// The header of the block before the first record that counts stays.
		zero(m, name, header+9*block+200, header+21*block)
		rep, err := pipeproc.Verify(bg, dir, &pipeproc.VerifyOptions{FS: m})
		if err != nil || len(rep.Damage) != 1 {
			t.Error(fmt.Sprint(rep.Damage), err)
		}
	})
	t.Run("sealed", func(t *testing.T) {
		size = 4000
		m, name := fill(10, "segment sealed")
		zero(m, name, header+100, header+200)
		rep, err := pipeproc.Verify(bg, dir, &pipeproc.VerifyOptions{FS: m})
		if err != nil || len(rep.Damage) > 0 {
			t.Error(fmt.Sprint(rep.Damage), err)
		}
	})
}
