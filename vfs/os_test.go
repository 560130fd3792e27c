//go:build unix && !aix && !solaris

package vfs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
)

// rootFS opens directories as systems without openat do, so that this code is tested
// on other systems too.
type rootFS struct{ FS }

func (rootFS) OpenDir(name string) (Dir, error) {
	d, err := openRootDir(name)
	if err != nil {
		return nil, err
	}
	return d, nil
}

func init() {
	systems = append(systems, system{"root-dir", func(t *testing.T) (FS, string) { return opened(t, rootFS{OS()}, t.TempDir()) }})
}

func TestOSPreallocateAllocates(t *testing.T) {
	f, dir := OS(), t.TempDir()
	file := open(t, f, dir+"/a", Create)
	must(t, file.Truncate(1<<20))
	info, err := f.Stat(dir + "/a")
	must(t, err)
	if info.Size != 1<<20 || info.Allocated >= 1<<20 {
		t.Logf("no sparse files here: %+v", info)
	}
	must(t, file.Preallocate(3<<20))
	info, err = f.Stat(dir + "/a")
	must(t, err)
	if info.Size != 3<<20 || info.Allocated < 2<<20 {
		t.Errorf("%+v", info)
	}
	if runtime.GOOS == "linux" && info.Allocated < 3<<20 {
		t.Errorf("the hole was not filled: %+v", info)
	}
}

func TestOSWriteZeroes(t *testing.T) {
	f, dir := OS(), t.TempDir()
	file := open(t, f, dir+"/a", Create)
	write(t, file, 0, "text")
	must(t, file.(*osFile).writeZeroes(4, zeroStep+100))
	must(t, file.(*osFile).writeZeroes(zeroStep+100, 10))
	wantText(t, text(t, file), "text"+strings.Repeat("\x00", zeroStep+96))
	info, err := f.Stat(dir + "/a")
	must(t, err)
	if info.Allocated < zeroStep {
		t.Errorf("%+v", info)
	}
}

// TestOSFailedPreallocate makes the system refuse a large file, and checks that the
// error is returned and the size is unchanged.
func TestOSFailedPreallocate(t *testing.T) {
	if os.Getenv("VFS_TEST_CHILD") != "1" {
		// In a process of its own, because the limit applies to the whole process.
		cmd := exec.Command(os.Args[0], "-test.run=^TestOSFailedPreallocate$", "-test.v")
		cmd.Env = append(os.Environ(), "VFS_TEST_CHILD=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_FSIZE, &limit))
	limit.Cur = 5 << 20
	must(t, syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit))
	file := open(t, OS(), t.TempDir()+"/a", Create)
	write(t, file, 0, "text")
	err := file.Preallocate(10 << 20)
	wantErr(t, err, syscall.EFBIG)
	wantText(t, text(t, file), "text")
	wantErr(t, file.(*osFile).writeZeroes(4, 10<<20), syscall.EFBIG)
}

func TestOSSymlinks(t *testing.T) {
	f, dir := OS(), t.TempDir()
	put(t, f, dir+"/a", "text")
	must(t, f.MkdirAll(dir+"/d"))
	must(t, os.Symlink(dir+"/a", dir+"/la"))
	must(t, os.Symlink(dir+"/d", dir+"/ld"))
	must(t, os.Symlink(dir+"/no", dir+"/ln"))
	for _, flag := range []Flag{Read, Write, Create} {
		for _, name := range []string{"/la", "/ln"} {
			_, err := f.Open(dir+name, flag)
			wantErr(t, err, syscall.ELOOP)
			if err == nil || !strings.Contains(err.Error(), "symbolic link") {
				t.Errorf("%v", err)
			}
		}
	}
	_, err := f.Lock(dir + "/la")
	wantErr(t, err, syscall.ELOOP)
	for name, dir := range map[string]bool{dir + "/la": false, dir + "/ld": true, dir + "/ln": false} {
		info, err := f.Stat(name)
		must(t, err)
		if info.Dir != dir || info.Regular || info.Name != filepath.Base(name) {
			t.Errorf("%+v", info)
		}
	}
	put(t, f, dir+"/ld/b", "b")
	must(t, f.SyncDir(dir+"/ld"))
	wantText(t, get(t, f, dir+"/d/b"), "b")
}

func TestOSModesAndOddFiles(t *testing.T) {
	f, dir := OS(), t.TempDir()
	must(t, f.MkdirAll(dir+"/x/y"))
	put(t, f, dir+"/x/a", "")
	for name, want := range map[string]os.FileMode{"x": 0o700, "x/y": 0o700, "x/a": 0o600} {
		fi, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if fi.Mode().Perm() != want {
			t.Errorf("%s: %v", name, fi.Mode())
		}
	}
	must(t, syscall.Mkfifo(dir+"/fifo", 0o600))
	for _, flag := range []Flag{Read, Write} { // must not wait for a partner
		_, err := f.Open(dir+"/fifo", flag)
		wantSome(t, err)
	}
}

// TestOSLockOfAnotherProcess also shows that the lock ends with its process.
func TestOSLockOfAnotherProcess(t *testing.T) {
	name := os.Getenv("VFS_TEST_LOCK")
	if name != "" {
		_, err := OS().Lock(name)
		must(t, err)
		fmt.Println("locked")
		_, _ = os.Stdin.Read(make([]byte, 1)) // until the parent is done
		os.Exit(0)
	}
	name = t.TempDir() + "/lock"
	cmd := exec.Command(os.Args[0], "-test.run=^TestOSLockOfAnotherProcess$")
	cmd.Env = append(os.Environ(), "VFS_TEST_LOCK="+name)
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	if n, err := out.Read(make([]byte, 10)); n == 0 {
		t.Fatal(err)
	}
	_, err = OS().Lock(name)
	var locked *LockedError
	if !errors.As(err, &locked) || locked.PID != cmd.Process.Pid {
		t.Errorf("%v", err)
	}
	must(t, os.WriteFile(name, []byte("rubbish"), 0o600))
	_, err = OS().Lock(name)
	if !errors.As(err, &locked) || locked.PID != 0 || !strings.Contains(err.Error(), "another process") {
		t.Errorf("%v", err)
	}
	must(t, in.Close())
	must(t, cmd.Wait())
	lock, err := OS().Lock(name)
	must(t, err)
	must(t, lock.Close())
}

func TestOSLockReadOnly(t *testing.T) {
	if os.Getuid() == 0 {
		t.Skip("the superuser can write everywhere")
	}
	f, dir := OS(), t.TempDir()
	put(t, f, dir+"/lock", "")
	must(t, os.Chmod(dir+"/lock", 0o400))
	lock, err := f.Lock(dir + "/lock")
	must(t, err)
	_, err = f.Lock(dir + "/lock")
	wantErr(t, err, ErrLocked)
	must(t, lock.Close())
	must(t, os.Chmod(dir, 0o500))
	defer os.Chmod(dir, 0o700)
	_, err = f.Lock(dir + "/missing")
	wantErr(t, err, syscall.EACCES)
}

// TestOSDirSymlinks puts a symbolic link in place of each file and folder of an
// opened directory: no operation follows it, and none removes it.
func TestOSDirSymlinks(t *testing.T) {
	for _, s := range []FS{OS(), NewFault(OS(), nil), rootFS{OS()}} {
		real, outside := t.TempDir(), t.TempDir()
		must(t, os.Symlink(real, outside+"/store"))
		d := dir(t, s, outside+"/store") // a link to the directory itself is good
		must(t, d.MkdirAll("x/y"))
		put(t, d, "x/b", "bb")
		put(t, d, "a", "aa")
		links := map[string]string{"file": "a", "folder": "x", "nothing": "no", "absolute": outside, "loop": "loop", "x/up": ".."}
		for name, to := range links {
			must(t, os.Symlink(to, filepath.Join(real, name)))
		}
		before := names(t, d, ".") + names(t, d, "x")
		for what, op := range ops(d, "a") {
			for name := range links {
				if err := op(name); !errors.Is(err, syscall.ELOOP) && !(errors.Is(err, syscall.EEXIST) && what == "link to") {
					t.Errorf("%s %s: %v", what, name, err)
				}
			}
			for _, name := range []string{"folder/b", "folder/new", "folder/y/new", "x/up/a", "x/up/x/b", "nothing/a", "absolute/new"} {
				if err := op(name); !errors.Is(err, syscall.ELOOP) {
					t.Errorf("%s %s: %v", what, name, err)
				}
			}
		}
		must(t, d.Rename("x/b", "x/b")) // still there
		if after := names(t, d, ".") + names(t, d, "x"); after != before {
			t.Errorf("%s became %s", before, after)
		}
		if left, _ := os.ReadDir(outside); len(left) != 1 {
			t.Errorf("outside: %v", left)
		}
		infos, err := d.ReadDir(".")
		must(t, err)
		for _, i := range infos {
			if links[i.Name] != "" && (i.Dir || i.Regular) {
				t.Errorf("%+v", i)
			}
		}
	}
}

// TestOSDirChdir opens by a relative name and changes the working directory.
func TestOSDirChdir(t *testing.T) {
	for _, s := range []FS{OS(), rootFS{OS()}} {
		testChdir(t, s)
	}
}

func testChdir(t *testing.T, s FS) {
	a, b := t.TempDir(), t.TempDir()
	for _, in := range []string{a, b} {
		must(t, OS().MkdirAll(in+"/data/x"))
	}
	t.Chdir(a)
	d := dir(t, s, "data")
	x := dir(t, d, "x")
	t.Chdir(b)
	put(t, d, "x/one", "1")
	put(t, x, "two", "2")
	must(t, d.MkdirAll("y"))
	must(t, d.Rename("x/two", "y/two"))
	must(t, d.Link("y/two", "x/three"))
	lock, err := d.Lock("lock")
	must(t, err)
	must(t, lock.Close())
	wantText(t, names(t, d, "x"), "[one three]")
	for _, d := range []Dir{d, x} {
		if named, err := d.Named(); !named || err != nil {
			t.Errorf("%v, %v", named, err)
		}
	}
	if _, err := d.Free("."); err != nil {
		t.Error(err)
	}
	wantText(t, names(t, OS(), a+"/data"), "[lock x y]")
	wantText(t, names(t, OS(), a+"/data/x"), "[one three]")
	wantText(t, names(t, OS(), b+"/data"), "[x]")
	wantText(t, names(t, OS(), b+"/data/x"), "[]")
}

func TestOSDirDescriptors(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("counts in /proc")
	}
	for _, s := range []FS{OS(), rootFS{OS()}} {
		testDescriptors(t, dir(t, s, t.TempDir()))
	}
}

func testDescriptors(t *testing.T, d Dir) {
	must(t, d.MkdirAll("x/y/z"))
	put(t, d, "x/y/z/a", "a")
	count := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		must(t, err)
		return len(list)
	}
	before := count()
	for _, op := range ops(d, "x/y/z/a") {
		for _, name := range []string{"x/y/z/a", "x/y/no", "x/y/z/a/b", "x/y/z", "."} {
			_ = op(name)
		}
	}
	if after := count(); after != before {
		t.Errorf("%d descriptors became %d", before, after)
	}
}
