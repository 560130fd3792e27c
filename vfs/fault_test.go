package vfs

import (
	"errors"
	"io"
	"strings"
	"syscall"
	"testing"
)

// everything does each kind of operation once, in a fixed order, and returns
// the first error. It closes what it opened even then.
func everything(f FS) (err error) {
	do := func(op func() error) {
		if err == nil {
			err = op()
		}
	}
	var file File
	var m Mapping
	var lock io.Closer
	do(func() error { return f.MkdirAll("/d") })
	do(func() (e error) { lock, e = f.Lock("/d/lock"); return e })
	do(func() (e error) { file, e = f.Open("/d/a", Create); return e })
	do(func() error { return f.SyncDir("/d") })
	do(func() error { return file.Preallocate(100) })
	do(func() error { _, e := file.WriteAt([]byte("text"), 7); return e })
	do(func() error { _, e := file.ReadAt(make([]byte, 5), 7); return e })
	do(func() error { _, e := file.Size(); return e })
	do(func() (e error) { m, e = file.Map(50, true); return e })
	do(func() error { return m.Sync(3, 4) })
	do(func() error { return file.Sync() })
	do(func() error { return file.SyncData() })
	do(func() error { return file.Truncate(60) })
	do(func() error { return f.Link("/d/a", "/d/b") })
	do(func() error { return f.Rename("/d/a", "/d/c") })
	do(func() error { _, e := f.Stat("/d/c"); return e })
	do(func() error { _, e := f.ReadDir("/d"); return e })
	do(func() error { _, e := f.Free("/d"); return e })
	do(func() error { return f.Remove("/d/c") })
	if m != nil {
		err = first(err, m.Close())
	}
	if file != nil {
		err = first(err, file.Close())
	}
	if lock != nil {
		err = first(err, lock.Close())
	}
	do(func() error { _, e := f.Open("/d/no", Read); return ignore(e, syscall.ENOENT) })
	return err
}

func ignore(err, target error) error {
	if errors.Is(err, target) {
		return nil
	}
	return err
}

func TestFaultOps(t *testing.T) {
	var ops []Op
	f := NewFault(NewMem(), func(op Op) error { ops = append(ops, op); return nil })
	must(t, everything(f))
	want := []Op{
		{Kind: OpMkdir, Name: "/d"},
		{Kind: OpLock, Name: "/d/lock"},
		{Kind: OpCreate, Name: "/d/a"},
		{Kind: OpOpenDir, Name: "/d"},
		{Kind: OpSyncDir, Name: "/d"},
		{Kind: OpClose, Name: "/d"},
		{Kind: OpPreallocate, Name: "/d/a", Len: 100},
		{Kind: OpWriteAt, Name: "/d/a", Off: 7, Len: 4},
		{Kind: OpReadAt, Name: "/d/a", Off: 7, Len: 5},
		{Kind: OpSize, Name: "/d/a"},
		{Kind: OpMap, Name: "/d/a", Len: 50},
		{Kind: OpMapSync, Name: "/d/a", Off: 3, Len: 4},
		{Kind: OpSync, Name: "/d/a"},
		{Kind: OpSyncData, Name: "/d/a"},
		{Kind: OpTruncate, Name: "/d/a", Len: 60},
		{Kind: OpLink, Name: "/d/a", To: "/d/b"},
		{Kind: OpRename, Name: "/d/a", To: "/d/c"},
		{Kind: OpStat, Name: "/d/c"},
		{Kind: OpReadDir, Name: "/d"},
		{Kind: OpFree, Name: "/d"},
		{Kind: OpRemove, Name: "/d/c"},
		{Kind: OpUnmap, Name: "/d/a"},
		{Kind: OpClose, Name: "/d/a"},
		{Kind: OpClose, Name: "/d/lock"},
		{Kind: OpOpen, Name: "/d/no"},
	}
	if len(ops) != len(want) || f.Count() != int64(len(want)) {
		t.Fatalf("%d operations, want %d: %v", len(ops), len(want), ops)
	}
	for i := range want {
		want[i].N = int64(i + 1)
		if ops[i] != want[i] {
			t.Errorf("%+v, want %+v", ops[i], want[i])
		}
	}
}

func TestFaultEach(t *testing.T) {
	count := NewFault(NewMem(), nil)
	must(t, everything(count))
	boom := errors.New("boom")
	for n := int64(1); n <= count.Count(); n++ {
		mem := NewMem()
		f := NewFault(mem, FailNth(n, boom))
		if err := everything(f); err != boom {
			t.Errorf("operation %d: %v", n, err)
		}
		// Whatever failed, nothing may stay open or locked.
		if _, err := mem.Stat("/d/lock"); err == nil {
			lock, err := mem.Lock("/d/lock")
			must(t, err)
			must(t, lock.Close())
		}
	}
}

func TestFaultKindAndSwap(t *testing.T) {
	mem := NewMem()
	f := NewFault(mem, FailKind(OpSync, ".log", syscall.EIO))
	log, idx := open(t, f, "a.log", Create), open(t, f, "a.idx", Create)
	wantErr(t, log.Sync(), syscall.EIO)
	must(t, log.SyncData())
	must(t, idx.Sync())
	f.SetHook(FailKind(OpRename, "b.log", syscall.ENOSPC))
	must(t, log.Sync())
	wantErr(t, f.Rename("a.log", "b.log"), syscall.ENOSPC)
	wantErr(t, f.Rename("b.log", "c"), syscall.ENOSPC)
	wantText(t, names(t, mem, "/"), "[a.idx a.log]")
	f.SetHook(nil)
	must(t, f.Rename("a.log", "b.log"))
}

func TestFaultShortWrite(t *testing.T) {
	for _, c := range []struct {
		short error
		n     int
		err   error
	}{
		{ShortWrite{N: 2, Err: syscall.ENOSPC}, 2, syscall.ENOSPC},
		{ShortWrite{N: -1, Err: syscall.EIO}, 0, syscall.EIO},
		{ShortWrite{N: 9, Err: syscall.EIO}, 4, syscall.EIO},
		{ShortWrite{N: 1}, 1, io.ErrShortWrite},
		{syscall.EIO, 0, syscall.EIO},
	} {
		mem := NewMem()
		f := NewFault(mem, FailKind(OpWriteAt, "a", c.short))
		file := open(t, f, "a", Create)
		n, err := file.WriteAt([]byte("text"), 0)
		if n != c.n || err != c.err {
			t.Errorf("%v: %d, %v", c.short, n, err)
		}
		wantText(t, get(t, mem, "a"), "text"[:c.n])
	}
	f := NewFault(NewMem(), FailKind(OpMkdir, "", ShortWrite{N: 3, Err: syscall.EIO}))
	err := f.MkdirAll("a")
	wantErr(t, err, syscall.EIO)
	if err == nil || !strings.Contains(err.Error(), "short write of 3 bytes") {
		t.Error(err)
	}
}
