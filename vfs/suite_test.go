package vfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"syscall"
	"testing"
)

var behaviours = []struct {
	name string
	run  func(t *testing.T, f FS, dir string)
}{
	{"open", func(t *testing.T, f FS, dir string) {
		a := dir + "/a"
		_, err := f.Open(a, Read)
		wantErr(t, err, fs.ErrNotExist)
		_, err = f.Open(a, Write)
		wantErr(t, err, fs.ErrNotExist)
		_, err = f.Open(a, Write|Exclusive)
		wantErr(t, err, syscall.EINVAL)
		file := open(t, f, a, Create|Exclusive)
		if !strings.HasSuffix(file.Name(), a) {
			t.Errorf("name %q", file.Name())
		}
		write(t, file, 0, "kept")
		_, err = f.Open(a, Create|Exclusive)
		wantErr(t, err, fs.ErrExist)
		wantText(t, text(t, open(t, f, a, Create)), "kept")
		_, err = f.Open(dir, Read)
		wantErr(t, err, syscall.EISDIR)
		_, err = f.Open(a+"/b", Create)
		wantErr(t, err, syscall.ENOTDIR)
		_, err = f.Open(dir+"/no/b", Create)
		wantErr(t, err, fs.ErrNotExist)
		if _, ok := f.(Dir); !ok {
			_, err = f.Open("", Create)
			wantErr(t, err, fs.ErrNotExist)
		}
	}},
	{"open directory", func(t *testing.T, f FS, dir string) {
		must(t, f.MkdirAll(dir+"/x"))
		put(t, f, dir+"/a", "text")
		_, err := f.OpenDir(dir + "/no")
		wantErr(t, err, fs.ErrNotExist)
		_, err = f.OpenDir(dir + "/a")
		wantErr(t, err, syscall.ENOTDIR)
		d, err := f.OpenDir(dir + "/x")
		must(t, err)
		put(t, f, dir+"/x/b", "text")
		must(t, d.Sync())
		must(t, f.Rename(dir+"/x", dir+"/y"))
		must(t, d.Sync())
		must(t, d.Close())
		wantErr(t, d.Sync(), fs.ErrClosed)
		wantErr(t, d.Close(), fs.ErrClosed)
	}},
	{"read and write", func(t *testing.T, f FS, dir string) {
		file := open(t, f, dir+"/a", Create)
		buf := make([]byte, 4)
		if n, err := file.ReadAt(buf, 0); n != 0 || err != io.EOF {
			t.Errorf("empty: %d, %v", n, err)
		}
		write(t, file, 5000, "tail")
		write(t, file, 0, "head")
		wantText(t, text(t, file), "head"+string(make([]byte, 4996))+"tail")
		if n, err := file.ReadAt(buf, 5002); n != 2 || err != io.EOF || string(buf[:2]) != "il" {
			t.Errorf("at the end: %d, %v", n, err)
		}
		if n, err := file.ReadAt(buf, 1<<40); n != 0 || err != io.EOF {
			t.Errorf("far beyond: %d, %v", n, err)
		}
		if n, err := file.ReadAt(buf, 5000); n != 4 || err != nil {
			t.Errorf("exactly: %d, %v", n, err)
		}
		_, err := file.ReadAt(buf, -1)
		wantSome(t, err)
		_, err = file.WriteAt(buf, -1)
		wantSome(t, err)
		_, err = file.WriteAt(nil, 9000)
		must(t, err)
		if size, _ := file.Size(); size != 5004 {
			t.Errorf("size %d", size)
		}
	}},
	{"write pieces", func(t *testing.T, f FS, dir string) {
		file := open(t, f, dir+"/a", Create)
		var want []byte
		for count := range 600 { // far more than one system call takes
			if count > 20 {
				count = count * 7 % 500
			}
			off := int64(len(want))
			var pieces [][]byte
			for i := range count {
				pieces = append(pieces, bytes.Repeat([]byte{byte(count), byte(i)}, i*count%9)) // some are empty
			}
			all := bytes.Join(pieces, nil)
			if n, err := file.WriteVecAt(pieces, off); n != len(all) || err != nil {
				t.Fatalf("%d pieces: %d of %d bytes, %v", count, n, len(all), err)
			}
			want = append(want, all...)
		}
		wantText(t, text(t, file), string(want))
		if n, err := file.WriteVecAt([][]byte{[]byte("ab"), nil, []byte("c")}, 1); n != 3 || err != nil {
			t.Errorf("within: %d, %v", n, err)
		}
		copy(want[1:], "abc")
		wantText(t, text(t, file), string(want))
		_, err := file.WriteVecAt([][]byte{{1}}, -1)
		wantSome(t, err)
		reader := open(t, f, dir+"/a", Read)
		_, err = reader.WriteVecAt([][]byte{{1}}, 0)
		wantErr(t, err, syscall.EBADF)
		must(t, reader.Close())
		_, err = reader.WriteVecAt([][]byte{{1}}, 0)
		wantErr(t, err, fs.ErrClosed)
	}},
	{"read-only", func(t *testing.T, f FS, dir string) {
		put(t, f, dir+"/a", "text")
		file := open(t, f, dir+"/a", Read)
		_, err := file.WriteAt([]byte("x"), 0)
		wantErr(t, err, syscall.EBADF)
		wantSome(t, file.Truncate(0))
		wantErr(t, file.Preallocate(100), syscall.EBADF)
		_, err = file.Map(4, true)
		wantErr(t, err, syscall.EACCES)
		must(t, file.Sync())
		must(t, file.SyncData())
		wantText(t, string(mapping(t, file, 4, false).Bytes()), "text")
	}},
	{"truncate", func(t *testing.T, f FS, dir string) {
		file := open(t, f, dir+"/a", Create)
		write(t, file, 0, "0123456789")
		must(t, file.Truncate(3))
		must(t, file.Truncate(6))
		wantText(t, text(t, file), "012\x00\x00\x00")
		must(t, file.Truncate(2))
		write(t, file, 4, "x")
		wantText(t, text(t, file), "01\x00\x00x")
		wantErr(t, file.Truncate(-1), syscall.EINVAL)
	}},
	{"preallocate", func(t *testing.T, f FS, dir string) {
		file := open(t, f, dir+"/a", Create)
		write(t, file, 0, "text")
		must(t, file.Preallocate(0))
		must(t, file.Preallocate(2))
		wantText(t, text(t, file), "text")
		must(t, file.Preallocate(9000))
		wantText(t, text(t, file), "text"+string(make([]byte, 8996)))
		must(t, file.Preallocate(100))
		info, err := f.Stat(dir + "/a")
		must(t, err)
		if info.Size != 9000 || info.Allocated < 9000 {
			t.Errorf("%+v", info)
		}
		wantErr(t, file.Preallocate(-1), syscall.EINVAL)
	}},
	{"directories", func(t *testing.T, f FS, dir string) {
		must(t, f.MkdirAll(dir+"/x/y/z"))
		must(t, f.MkdirAll(dir+"/x/y"))
		put(t, f, dir+"/x/b", "bb")
		put(t, f, dir+"/x/a", "")
		infos, err := f.ReadDir(dir + "/x")
		must(t, err)
		for i := range infos {
			if !infos[i].ID.Known() || infos[i].Links == 0 {
				t.Errorf("%+v", infos[i])
			}
			infos[i].Allocated, infos[i].Links, infos[i].ID = 0, 0, ID{}
			if infos[i].Dir {
				infos[i].Size = 0
			}
		}
		want := []Info{{Name: "a", Regular: true}, {Name: "b", Size: 2, Regular: true}, {Name: "y", Dir: true}}
		if fmt.Sprint(infos) != fmt.Sprint(want) {
			t.Errorf("%v", infos)
		}
		info, err := f.Stat(dir + "/x/b")
		must(t, err)
		if info.Name != "b" || info.Size != 2 || !info.Regular || info.Dir {
			t.Errorf("%+v", info)
		}
		must(t, f.SyncDir(dir+"/x"))
		wantErr(t, f.SyncDir(dir+"/no"), fs.ErrNotExist)
		wantErr(t, f.SyncDir(dir+"/x/b"), syscall.ENOTDIR)
		wantErr(t, f.MkdirAll(dir+"/x/b"), syscall.ENOTDIR)
		wantErr(t, f.MkdirAll(dir+"/x/b/c"), syscall.ENOTDIR)
		_, err = f.ReadDir(dir + "/no")
		wantErr(t, err, fs.ErrNotExist)
		_, err = f.Stat(dir + "/no")
		wantErr(t, err, fs.ErrNotExist)
		wantErr(t, f.Remove(dir+"/x"), syscall.ENOTEMPTY)
		must(t, f.Remove(dir+"/x/y/z"))
		wantText(t, names(t, f, dir+"/x/y"), "[]")
		_, err = f.Free(dir)
		must(t, err)
		_, err = f.Free(dir + "/no")
		wantErr(t, err, fs.ErrNotExist)
	}},
	{"remove", func(t *testing.T, f FS, dir string) {
		file := open(t, f, dir+"/a", Create)
		write(t, file, 0, "text")
		m := mapping(t, file, 4, false)
		must(t, f.Remove(dir+"/a"))
		wantErr(t, f.Remove(dir+"/a"), fs.ErrNotExist)
		write(t, file, 1, "oa")
		wantText(t, text(t, file), "toat")
		must(t, file.Close())
		wantText(t, string(m.Bytes()), "toat")
		put(t, f, dir+"/a", "new")
		wantText(t, string(m.Bytes()), "toat")
	}},
	{"rename and link", func(t *testing.T, f FS, dir string) {
		a, b, c := dir+"/a", dir+"/b", dir+"/c"
		put(t, f, a, "aa")
		put(t, f, b, "bb")
		old := open(t, f, b, Read)
		must(t, f.Rename(a, b))
		wantText(t, get(t, f, b), "aa")
		wantText(t, text(t, old), "bb")
		wantErr(t, f.Rename(a, b), fs.ErrNotExist)
		must(t, f.Link(b, c))
		put(t, f, c, "cc")
		wantText(t, get(t, f, b), "cc")
		must(t, f.Rename(b, c)) // the same file: nothing happens
		wantText(t, names(t, f, dir), "[b c]")
		wantErr(t, f.Link(b, c), fs.ErrExist)
		wantErr(t, f.Link(a, dir+"/d"), fs.ErrNotExist)
		must(t, f.Remove(b))
		wantText(t, get(t, f, c), "cc")
		must(t, f.MkdirAll(dir+"/x/y"))
		must(t, f.Rename(c, dir+"/x/y/c"))
		wantSome(t, f.Rename(dir+"/x", dir+"/x/y/x"))
		wantSome(t, f.Rename(dir+"/x/y/c", dir+"/x/y"))
		wantSome(t, f.Rename(dir+"/x/y", dir+"/x/y/c"))
		must(t, f.Rename(dir+"/x/y", dir+"/y"))
		wantText(t, get(t, f, dir+"/y/c"), "cc")
	}},
	{"mapping", func(t *testing.T, f FS, dir string) {
		file := open(t, f, dir+"/a", Create)
		must(t, file.Preallocate(10000))
		m := mapping(t, file, 9000, true)
		ro := mapping(t, file, 5000, false)
		m.Populate(0, 9000)
		m.Populate(-1, 1<<40)
		ro.Populate(4999, 1)
		copy(m.Bytes()[4998:], "stored")
		write(t, file, 5001, "WROTE")
		wantText(t, string(m.Bytes()[4998:5006]), "stoWROTE")
		wantText(t, string(ro.Bytes()[4998:]), "st")
		wantText(t, text(t, file)[4998:5006], "stoWROTE")
		must(t, m.Sync(4998, 6))
		must(t, m.Sync(0, 9000))
		must(t, m.Sync(9000, 0))
		must(t, ro.Sync(0, 5000))
		for _, r := range [][2]int64{{-1, 1}, {0, -1}, {0, 9001}, {9001, 0}, {1, 1<<63 - 1}} {
			wantErr(t, m.Sync(r[0], r[1]), syscall.EINVAL)
		}
		_, err := file.Map(10001, false)
		wantErr(t, err, syscall.EINVAL)
		_, err = file.Map(-1, false)
		wantErr(t, err, syscall.EINVAL)
		empty := mapping(t, file, 0, false)
		if len(empty.Bytes()) != 0 {
			t.Error("not empty")
		}
		must(t, empty.Sync(0, 0))
		must(t, empty.Close())
		must(t, m.Close())
		wantErr(t, m.Close(), fs.ErrClosed)
		wantErr(t, m.Sync(0, 1), fs.ErrClosed)
		if m.Bytes() != nil {
			t.Error("bytes after close")
		}
		wantText(t, text(t, file)[4998:5006], "stoWROTE")
	}},
	{"which file", func(t *testing.T, f FS, dir string) {
		stat := func(name string) Info {
			t.Helper()
			info, err := f.Stat(name)
			must(t, err)
			return info
		}
		file := open(t, f, dir+"/a", Create)
		write(t, file, 0, "text")
		must(t, f.Link(dir+"/a", dir+"/b"))
		put(t, f, dir+"/c", "")
		a, b, c, d := stat(dir+"/a"), stat(dir+"/b"), stat(dir+"/c"), stat(dir)
		own, err := file.Stat()
		must(t, err)
		if a.ID != b.ID || a.ID != own.ID || a.ID == c.ID || c.ID == d.ID || !d.ID.Known() {
			t.Errorf("a %v, b %v, open %v, c %v, directory %v", a, b, own, c, d)
		}
		if a.Links != 2 || own.Links != 2 || c.Links != 1 || own.Size != 4 || !own.Regular || own.Name != file.Name() {
			t.Errorf("%+v, %+v, %+v", a, own, c)
		}
		must(t, f.Rename(dir+"/c", dir+"/a"))
		must(t, f.Remove(dir+"/b"))
		gone, err := file.Stat()
		must(t, err)
		if gone.Links != 0 || gone.ID != own.ID || stat(dir+"/a").ID != c.ID {
			t.Errorf("%+v", gone)
		}
		must(t, file.Close())
		_, err = file.Stat()
		wantErr(t, err, fs.ErrClosed)
	}},
	{"growth under a mapping", func(t *testing.T, f FS, dir string) {
		file := open(t, f, dir+"/a", Create)
		write(t, file, 0, "0123456789")
		m := mapping(t, file, 10, false)
		for i := range 20 { // outgrows any slack
			write(t, file, 10+int64(i)*10000, "more")
			write(t, file, int64(i)%10, string(rune('a'+i)))
			m2, err := file.Map(10, false)
			must(t, err)
			if !bytes.Equal(m.Bytes(), m2.Bytes()) || string(m.Bytes()) != text(t, file)[:10] {
				t.Fatalf("step %d: %q, %q", i, m.Bytes(), m2.Bytes())
			}
			must(t, m2.Close())
		}
		wantText(t, string(m.Bytes()), "klmnopqrst")
	}},
	{"closed", func(t *testing.T, f FS, dir string) {
		file := open(t, f, dir+"/a", Create)
		must(t, file.Close())
		buf := make([]byte, 1)
		_, err := file.ReadAt(buf, 0)
		wantErr(t, err, fs.ErrClosed)
		_, err = file.WriteAt(buf, 0)
		wantErr(t, err, fs.ErrClosed)
		_, err = file.Size()
		wantErr(t, err, fs.ErrClosed)
		_, err = file.Map(0, false)
		wantErr(t, err, fs.ErrClosed)
		wantErr(t, file.Truncate(0), fs.ErrClosed)
		wantErr(t, file.Preallocate(1), fs.ErrClosed)
		wantErr(t, file.Sync(), fs.ErrClosed)
		wantErr(t, file.SyncData(), fs.ErrClosed)
		wantErr(t, file.Close(), fs.ErrClosed)
	}},
	{"lock", func(t *testing.T, f FS, dir string) {
		name := dir + "/lock"
		lock, err := f.Lock(name)
		must(t, err)
		pid := get(t, f, name)
		if pid != string(pidText(syscall.Getpid())) {
			t.Errorf("text %q", pid)
		}
		_, err = f.Lock(name)
		wantErr(t, err, ErrLocked)
		var locked *LockedError
		if !errors.As(err, &locked) || locked.PID != syscall.Getpid() || !strings.HasSuffix(locked.Path, name) {
			t.Fatalf("%#v", err)
		}
		wantText(t, err.Error(), fmt.Sprintf("in use by process %d: %s", syscall.Getpid(), locked.Path))
		other, err := f.Lock(name + "2")
		must(t, err)
		must(t, other.Close())
		must(t, lock.Close())
		wantErr(t, lock.Close(), fs.ErrClosed)
		wantText(t, get(t, f, name), "")
		lock, err = f.Lock(name)
		must(t, err)
		must(t, lock.Close())
		_, err = f.Lock(dir)
		wantSome(t, err)
	}},
	{"concurrency", func(t *testing.T, f FS, dir string) {
		file := open(t, f, dir+"/a", Create)
		var wg sync.WaitGroup
		for w := range 4 {
			wg.Go(func() {
				mine := []byte{byte('a' + w)}
				for i := range 200 {
					if _, err := file.WriteAt(mine, int64(i*4+w)); err != nil {
						t.Error(err)
					}
					if n, err := file.ReadAt(mine, int64(i*4+w)); n != 1 || mine[0] != byte('a'+w) {
						t.Error(n, err)
					}
					if i%50 == 0 {
						put(t, f, fmt.Sprint(dir, "/", w), "x")
						if err := first(file.SyncData(), f.SyncDir(dir), f.Remove(fmt.Sprint(dir, "/", w))); err != nil {
							t.Error(err)
						}
						if _, err := f.ReadDir(dir); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		wg.Wait()
		wantText(t, text(t, file), string(bytes.Repeat([]byte("abcd"), 200)))
	}},
}

func TestBehaviour(t *testing.T) {
	for _, s := range systems {
		for _, b := range behaviours {
			t.Run(s.name+"/"+b.name, func(t *testing.T) {
				f, dir := s.new(t)
				b.run(t, f, dir)
			})
		}
	}
}
