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

// TestOSFailedPreallocate has the system refuse a file of that size, and looks
// whether the error is told and the size kept.
func TestOSFailedPreallocate(t *testing.T) {
	if os.Getenv("VFS_TEST_CHILD") != "1" {
		// In a process of its own: the limit is for all of it.
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
