//go:build unix

package transport

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// names returns what is in a folder.
func names(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

func mode(t testing.TB, path string) fs.FileMode {
	t.Helper()
	fi, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Mode()
}

// What Listen makes is for its owner only, whatever the umask, and is gone when
// it ends.
func TestListenUnix(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := socketDir(t)
	l := mustListen(t, unixAt(dir))
	if m := mode(t, filepath.Join(dir, "s")); m != fs.ModeSocket|0o600 {
		t.Errorf("the socket: %v", m)
	}
	if m := mode(t, filepath.Join(dir, "s.lock")); m != 0o600 {
		t.Errorf("the lock: %v", m)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "s.lock")); err != nil || string(b) != strconv.Itoa(os.Getpid())+"\n" {
		t.Errorf("%q, %v", b, err)
	}
	if l.Address() != unixAt(dir) {
		t.Error(l.Address())
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	if n := names(t, dir); len(n) != 0 {
		t.Error(n)
	}
}

func TestListenInUse(t *testing.T) {
	dir := socketDir(t)
	l := mustListen(t, unixAt(dir))
	_, err := Listen(t.Context(), unixAt(dir), nil)
	if !errors.Is(err, ErrAddressInUse) || err.Error() != "address_in_use: "+filepath.Join(dir, "s")+" is held by process "+strconv.Itoa(os.Getpid()) {
		t.Error(err)
	}
	l.Close()
	mustListen(t, unixAt(dir)).Close()
	// A program that knows nothing of the lock.
	other, err := new(net.ListenConfig).Listen(context.Background(), "unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := Listen(t.Context(), unixAt(dir), nil); !errors.Is(err, ErrAddressInUse) || !strings.Contains(err.Error(), "another program") {
		t.Error(err)
	}
	if n := names(t, dir); len(n) != 1 || n[0] != "s" {
		t.Error(n)
	}
}

// The socket of a node that died is replaced, anything else is not.
func TestListenStale(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	if err := os.WriteFile(path+".lock", []byte("999999\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l := mustListen(t, unixAt(dir))
	if c, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	} else {
		c.Close()
	}
	l.Close()
	for what, make := range map[string]func() error{
		"a file":      func() error { return os.WriteFile(path, []byte("precious"), 0o600) },
		"a directory": func() error { return os.Mkdir(path, 0o700) },
		"a link":      func() error { return os.Symlink("/nowhere", path) },
	} {
		if err := make(); err != nil {
			t.Fatal(err)
		}
		before := mode(t, path)
		if l, err := Listen(t.Context(), unixAt(dir), nil); err == nil || !strings.Contains(err.Error(), "is not a socket") {
			t.Errorf("%s: %v, %v", what, l, err)
		}
		if mode(t, path) != before {
			t.Errorf("%s is gone", what)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/nowhere", path+".lock"); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(t.Context(), unixAt(dir), nil); err == nil {
		t.Errorf("%v with a link as its lock", l)
	}
}

// A socket that somebody has put in the place of ours is not removed.
func TestCloseReplaced(t *testing.T) {
	dir := socketDir(t)
	path := filepath.Join(dir, "s")
	l := mustListen(t, unixAt(dir))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	other, err := new(net.ListenConfig).Listen(context.Background(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if n := names(t, dir); len(n) != 1 || n[0] != "s" {
		t.Error(n)
	}
}

// Of many that listen at once, again and again, one has the socket at a time.
func TestListenRace(t *testing.T) {
	dir := socketDir(t)
	var mu sync.Mutex // held by who listens
	var wg sync.WaitGroup
	done := 0
	for range 8 {
		wg.Go(func() {
			for range 50 {
				l, err := Listen(t.Context(), unixAt(dir), nil)
				if err != nil {
					if !errors.Is(err, ErrAddressInUse) {
						t.Error(err)
					}
					continue
				}
				if !mu.TryLock() {
					t.Error("two listen")
				}
				done++
				mu.Unlock()
				if err := l.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if done == 0 {
		t.Error("nobody has ever listened")
	}
	if n := names(t, dir); len(n) != 0 {
		t.Error(n)
	}
}

// TestListenChild is not a test, but the node that TestListenKilled kills.
func TestListenChild(t *testing.T) {
	path := os.Getenv("RPC_TEST_SOCKET")
	if path == "" {
		t.Skip("this is the child of TestListenKilled")
	}
	_, err := Listen(context.Background(), Addr{Scheme: SchemeUnix, Path: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout.WriteString("ready\n")
	_, _ = io.Copy(io.Discard, os.Stdin) // so that it does not outlive the test
}

// A node that is alive is not replaced, one that was killed is.
func TestListenKilled(t *testing.T) {
	dir := socketDir(t)
	cmd := exec.Command(os.Args[0], "-test.run=^TestListenChild$")
	cmd.Env = append(os.Environ(), "RPC_TEST_SOCKET="+unixAt(dir).Path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	ready := make(chan string, 1)
	go func() {
		b := make([]byte, 6)
		n, _ := out.Read(b)
		ready <- string(b[:n])
	}()
	if s := within(t, "the child", ready); s != "ready\n" {
		t.Fatal(s)
	}
	_, err = Listen(t.Context(), unixAt(dir), nil)
	if !errors.Is(err, ErrAddressInUse) || !strings.Contains(err.Error(), "process "+strconv.Itoa(cmd.Process.Pid)) {
		t.Error(err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if n := names(t, dir); len(n) != 2 {
		t.Errorf("a killed node leaves %v", n)
	}
	mustListen(t, unixAt(dir))
}

func TestPrivateFolder(t *testing.T) {
	tmp := socketDir(t)
	t.Setenv("TMPDIR", tmp)
	a, err := Namespace("n")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(a.Path)
	if _, err := Dial(t.Context(), a, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	f := newFixture()
	func() {
		old := syscall.Umask(0)
		defer syscall.Umask(old)
		l := mustListen(t, a)
		if m := mode(t, dir); m != fs.ModeDir|0o700 {
			t.Error(m)
		}
		if m := mode(t, a.Path); m != fs.ModeSocket|0o600 {
			t.Error(m)
		}
		l.Close()
	}()
	startAt(t, f.handle, ServerOptions{}, a, nil)
	healthy(t, dial(t, a, nil))
	refused := func(what, text string) {
		t.Helper()
		if _, err := Dial(t.Context(), a, nil); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: Dial: %v", what, err)
		}
		other := a
		other.Path = filepath.Join(dir, "other.sock")
		if l, err := Listen(t.Context(), other, nil); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: Listen: %v, %v", what, l, err)
		}
	}
	for _, m := range []fs.FileMode{0o701, 0o710, 0o750, 0o777} {
		if err := os.Chmod(dir, m); err != nil {
			t.Fatal(err)
		}
		refused(m.String(), "lets others in")
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(dir, 12345, -1); err != nil {
			t.Fatal(err)
		}
		refused("another owner", "another user")
		if err := os.Chown(dir, 0, -1); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Rename(dir, dir+".real"); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(dir+".real", dir); err != nil {
		t.Fatal(err)
	}
	refused("a link", "symbolic link")
	_ = os.Remove(dir)
	if err := os.WriteFile(dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	refused("a file", "not a directory")
	_ = os.Remove(dir)
	if err := os.Rename(dir+".real", dir); err != nil {
		t.Fatal(err)
	}
}

// A file that only has the name of a lock is refused, and stays.
func TestListenRefusesOtherLocks(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "yarn")
	a := Addr{Scheme: SchemeUnix, Path: path}
	text := []byte("# this is a lock file of something else\n1\n")
	if err := os.WriteFile(path+".lock", text, 0o600); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(ctxFor(t), a, nil); err == nil {
		l.Close()
		t.Error("listening")
	}
	if b, err := os.ReadFile(path + ".lock"); err != nil || string(b) != string(text) {
		t.Errorf("%q, %v", b, err)
	}
	// The same with another name of a file elsewhere, though it is empty.
	other := filepath.Join(dir, "other")
	if err := errors.Join(os.Remove(path+".lock"), os.WriteFile(other, nil, 0o600), os.Link(other, path+".lock")); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(ctxFor(t), a, nil); err == nil {
		l.Close()
		t.Error("listening")
	}
}

// A listener whose address is relative stays where it is, and removes only its own.
func TestListenRelative(t *testing.T) {
	home, other := t.TempDir(), t.TempDir()
	t.Chdir(home)
	l, err := Listen(ctxFor(t), Addr{Scheme: SchemeUnix, Path: "s"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(other)
	l2, err := Listen(ctxFor(t), Addr{Scheme: SchemeUnix, Path: "s"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l2.Close()
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	for dir, want := range map[string]int{home: 0, other: 2} {
		if list, err := os.ReadDir(dir); err != nil || len(list) != want {
			t.Errorf("%s: %v, %v", dir, list, err)
		}
	}
}

// The lock of another user is refused, and stays: in a folder like /tmp anybody can make
// one.
func TestListenRefusesLocksOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := filepath.Join(t.TempDir(), "s")
	if err := errors.Join(os.WriteFile(path+".lock", []byte("1\n"), 0o666), os.Chown(path+".lock", 12345, -1)); err != nil {
		t.Fatal(err)
	}
	if l, err := Listen(ctxFor(t), Addr{Scheme: SchemeUnix, Path: path}, nil); err == nil {
		l.Close()
		t.Error("listening")
	} else if !strings.Contains(err.Error(), "another user") {
		t.Error(err)
	}
	if b, err := os.ReadFile(path + ".lock"); err != nil || string(b) != "1\n" {
		t.Errorf("%q, %v", b, err)
	}
}

// What has taken the lock's name meanwhile stays when the listener ends.
func TestCloseLeavesOtherLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(ctxFor(t), Addr{Scheme: SchemeUnix, Path: path}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(path+".lock", path+".old"), os.WriteFile(path+".lock", []byte("precious"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if b, err := os.ReadFile(path + ".lock"); err != nil || string(b) != "precious" {
		t.Errorf("%q, %v", b, err)
	}
}
