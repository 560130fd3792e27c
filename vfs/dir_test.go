package vfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"testing"
)

// ops is every operation of a Dir that takes a name, with other as the second name
// where there are two.
func ops(d Dir, other string) map[string]func(name string) error {
	closing := func(c io.Closer, err error) error {
		if err == nil {
			err = c.Close()
		}
		return err
	}
	return map[string]func(name string) error{
		"open":      func(n string) error { f, err := d.Open(n, Read); return closing(f, err) },
		"write":     func(n string) error { f, err := d.Open(n, Write); return closing(f, err) },
		"create":    func(n string) error { f, err := d.Open(n, Create); return closing(f, err) },
		"mkdir":     d.MkdirAll,
		"readdir":   func(n string) error { _, err := d.ReadDir(n); return err },
		"stat":      func(n string) error { _, err := d.Stat(n); return err },
		"remove":    d.Remove,
		"rename":    func(n string) error { return d.Rename(n, other+"1") },
		"rename to": func(n string) error { return d.Rename(other, n) },
		"link":      func(n string) error { return d.Link(n, other+"2") },
		"link to":   func(n string) error { return d.Link(other, n) },
		"syncdir":   d.SyncDir,
		"opendir":   func(n string) error { f, err := d.OpenDir(n); return closing(f, err) },
		"lock":      func(n string) error { l, err := d.Lock(n); return closing(l, err) },
		"free":      func(n string) error { _, err := d.Free(n); return err },
	}
}

// everyDir runs test for each kind of Dir, which holds the file a and the folder x
// with the file b. f and in are where it was opened.
func everyDir(t *testing.T, test func(t *testing.T, f FS, in string, d Dir)) {
	for _, s := range systems {
		t.Run(s.name, func(t *testing.T) {
			f, in := s.new(t)
			must(t, f.MkdirAll(in+"/store/x"))
			put(t, f, in+"/store/a", "aa")
			put(t, f, in+"/store/x/b", "bb")
			test(t, f, in, dir(t, f, in+"/store"))
		})
	}
}

func TestDirNames(t *testing.T) {
	everyDir(t, func(t *testing.T, f FS, in string, d Dir) {
		for what, op := range ops(d, "a") {
			for _, name := range []string{"", "/", "/a", "..", "../a", "../store/a", "x/../a", "x/..", "a\x00", "x//..//a"} {
				if err := op(name); !errors.Is(err, syscall.EINVAL) {
					t.Errorf("%s %q: %v", what, name, err)
				}
			}
		}
		for _, what := range []string{"remove", "rename", "rename to", "link", "link to"} {
			wantErr(t, ops(d, "a")[what]("."), syscall.EBUSY)
			wantErr(t, ops(d, "a")[what]("x/.."), syscall.EINVAL)
		}
		wantText(t, names(t, d, "."), "[a x]")
		for _, what := range []string{"mkdir", "stat", "syncdir", "opendir", "free"} {
			must(t, ops(d, "a")[what]("."))
		}
		wantText(t, get(t, d, "./x//b"), "bb")
		put(t, d, "..c", "dots that are only the beginning")
		must(t, d.Remove("..c"))
	})
}

func TestDirStays(t *testing.T) {
	everyDir(t, func(t *testing.T, f FS, in string, d Dir) {
		x := dir(t, d, "x")
		must(t, f.Rename(in+"/store", in+"/moved"))
		must(t, f.MkdirAll(in+"/store/x")) // another directory of that name
		put(t, d, "x/c", "cc")
		put(t, x, "d", "dd")
		must(t, d.MkdirAll("y/z"))
		must(t, d.Rename("x/c", "y/z/c"))
		must(t, d.Sync())
		must(t, d.SyncDir("y/z"))
		must(t, x.Sync())
		wantText(t, names(t, f, in+"/moved"), "[a x y]")
		wantText(t, names(t, f, in+"/moved/x"), "[b d]")
		wantText(t, names(t, f, in+"/store"), "[x]")
		wantText(t, names(t, f, in+"/store/x"), "[]")
		lock, err := d.Lock("lock")
		must(t, err)
		_, err = f.Lock(in + "/moved/lock")
		wantErr(t, err, ErrLocked)
		must(t, lock.Close())
	})
}

func TestDirRemoved(t *testing.T) {
	everyDir(t, func(t *testing.T, f FS, in string, d Dir) {
		x := dir(t, d, "x")
		file := open(t, x, "b", Write)
		must(t, d.Remove("x/b"))
		must(t, d.Remove("x"))
		must(t, d.MkdirAll("x"))
		for _, what := range []string{"create", "mkdir", "lock"} {
			wantErr(t, ops(x, "b")[what]("c"), fs.ErrNotExist)
		}
		wantText(t, names(t, d, "x"), "[]")
		wantText(t, text(t, file), "bb")
	})
}

// TestDirLock: the lock of a directory holds whatever becomes of the files in it and
// of its name, and writes nothing.
func TestDirLock(t *testing.T) {
	everyDir(t, func(t *testing.T, f FS, in string, d Dir) {
		refused := func(d Dir, pid int) {
			t.Helper()
			_, err := d.LockDir("LOCK")
			var held *LockedError
			if !errors.As(err, &held) || held.PID != pid {
				t.Errorf("%v, want the process %d", err, pid)
			}
		}
		lock, err := d.LockDir("LOCK")
		must(t, err)
		wantText(t, names(t, d, "."), "[a x]")
		file, err := d.Lock("LOCK")
		must(t, err)
		refused(d, syscall.Getpid())
		refused(dir(t, f, in+"/store"), syscall.Getpid())
		must(t, d.Remove("LOCK"))
		must(t, f.Rename(in+"/store", in+"/moved"))
		moved := dir(t, f, in+"/moved")
		if _, err := moved.LockDir("LOCK"); !errors.Is(err, ErrLocked) {
			t.Errorf("by another name, without LOCK: %v", err)
		}
		must(t, f.MkdirAll(in+"/store"))
		other, err := dir(t, f, in+"/store").LockDir("LOCK")
		must(t, err)
		must(t, other.Close())
		must(t, d.Close()) // the lock stays
		if _, err := moved.LockDir("LOCK"); !errors.Is(err, ErrLocked) {
			t.Errorf("after Close of the Dir: %v", err)
		}
		must(t, lock.Close())
		wantErr(t, lock.Close(), fs.ErrClosed)
		must(t, file.Close())
		lock, err = moved.LockDir("LOCK")
		must(t, err)
		must(t, lock.Close())
	})
}

// TestDirNamed follows a directory that is moved, replaced, put back and removed.
func TestDirNamed(t *testing.T) {
	everyDir(t, func(t *testing.T, f FS, in string, d Dir) {
		x := dir(t, d, "x")
		check := func(when string, want bool) {
			t.Helper()
			for _, d := range []Dir{d, x} {
				if got, err := d.Named(); got != want || err != nil {
					t.Errorf("%s: %v, %v", when, got, err)
				}
			}
		}
		links := func(when string, want bool) {
			t.Helper()
			info, err := d.Stat(".")
			must(t, err)
			if info.Links > 0 != want {
				t.Errorf("%s: %+v", when, info)
			}
		}
		check("at first", true)
		must(t, f.Rename(in+"/store", in+"/moved"))
		check("moved", false)
		must(t, f.MkdirAll(in+"/store/x"))
		check("replaced", false)
		must(t, f.Remove(in+"/store/x"))
		must(t, f.Remove(in+"/store"))
		must(t, f.Rename(in+"/moved", in+"/store"))
		check("put back", true)
		links("put back", true)
		for _, name := range []string{"x/b", "x", "a"} {
			must(t, d.Remove(name))
		}
		must(t, f.Remove(in+"/store"))
		check("removed", false)
		links("removed", false)
	})
}

func TestDirClosed(t *testing.T) {
	everyDir(t, func(t *testing.T, f FS, in string, d Dir) {
		x, file := dir(t, d, "x"), open(t, d, "a", Read)
		must(t, d.Close())
		for what, op := range ops(d, "a") {
			if err := op("x"); !errors.Is(err, fs.ErrClosed) {
				t.Errorf("%s: %v", what, err)
			}
		}
		wantErr(t, d.Sync(), fs.ErrClosed)
		_, err := d.LockDir("a")
		wantErr(t, err, fs.ErrClosed)
		_, err = d.Named()
		wantErr(t, err, fs.ErrClosed)
		wantErr(t, d.Close(), fs.ErrClosed)
		wantText(t, text(t, file), "aa")
		wantText(t, get(t, x, "b"), "bb")
	})
}

func TestDirLinkTo(t *testing.T) {
	everyDir(t, func(t *testing.T, f FS, in string, d Dir) {
		must(t, f.MkdirAll(in+"/backup/segments"))
		to := dir(t, f, in+"/backup")
		if fmt.Sprintf("%T", d) == "*vfs.rootDir" { // it cannot, and says so
			wantErr(t, d.LinkTo("x/b", to, "segments/b"), errors.ErrUnsupported)
			must(t, d.LinkTo("x/b", d, "x/c"))
			return
		}
		must(t, d.LinkTo("x/b", to, "segments/b"))
		put(t, d, "x/b", "BB")
		wantText(t, get(t, to, "segments/b"), "BB")
		wantErr(t, d.LinkTo("x/b", to, "segments/b"), fs.ErrExist)
		wantErr(t, d.LinkTo("x/no", to, "c"), fs.ErrNotExist)
		wantErr(t, d.LinkTo("x/b", to, "no/c"), fs.ErrNotExist)
		wantErr(t, d.LinkTo("x/b", to, "../c"), syscall.EINVAL)
		wantSome(t, d.LinkTo("x", to, "y"))
		other := dir(t, NewMem(), "/")
		wantErr(t, d.LinkTo("x/b", other, "c"), errors.ErrUnsupported)
	})
}

func TestDirShownNames(t *testing.T) {
	everyDir(t, func(t *testing.T, f FS, in string, d Dir) {
		x := dir(t, d, "x")
		want := in + "/store/x/b"
		if _, ok := f.(Dir); ok { // itself has a longer name
			want = open(t, f, in+"/store/a", Read).Name()
			want = want[:len(want)-1] + "x/b"
		}
		wantText(t, open(t, x, "b", Read).Name(), want)
		wantText(t, open(t, d, "x/b", Read).Name(), want)
		_, err := x.Stat("no")
		var pe *fs.PathError
		if !errors.As(err, &pe) || pe.Path != want[:len(want)-1]+"no" {
			t.Errorf("%v", err)
		}
	})
}

// TestDirFaults shows that a hook sees the operations of directories under the
// names that it would see without them.
func TestDirFaults(t *testing.T) {
	var seen []string
	f := NewFault(NewMem(), func(op Op) error {
		seen = append(seen, fmt.Sprint(op.Kind, " ", op.Name, " ", op.To))
		return nil
	})
	must(t, f.MkdirAll("/d/x"))
	d := dir(t, f, "/d")
	x := dir(t, d, "x")
	put(t, x, "a", "")
	must(t, x.LinkTo("a", d, "b"))
	must(t, d.Rename("b", "x/c"))
	must(t, x.Sync())
	must(t, x.Close())
	want := []string{"mkdir /d/x ", "opendir /d ", "opendir /d/x ", "create /d/x/a ", "writeat /d/x/a ", "close /d/x/a ",
		"link /d/x/a /d/b", "rename /d/b /d/x/c", "syncdir /d/x ", "close /d/x "}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("%q", seen)
	}
}

// TestDirCrash shows that after a power loss a name leads to a directory again if
// its removal was lost, and to none if it was not.
func TestDirCrash(t *testing.T) {
	c := NewCrash()
	must(t, c.MkdirAll("/d/x"))
	must(t, c.SyncDir("/"))
	must(t, c.SyncDir("/d"))
	d := dir(t, c, "/d")
	must(t, d.Remove("x"))
	after := c.Crash(func(Unit) bool { return false })
	put(t, dir(t, after, "/d"), "x/a", "text") // it is there again
	after = c.Crash(func(u Unit) bool { return u.Name == "/d/x" })
	wantErr(t, ops(dir(t, after, "/d"), "")["opendir"]("x"), fs.ErrNotExist)
}
