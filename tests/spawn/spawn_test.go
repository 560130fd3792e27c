//go:build unix

package spawn

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/tests/internal/process"
	"github.com/pipeproc/pipeproc/worker/program"
)

// A spawned node keeps its records, and goes with Close.
func TestSpawn(t *testing.T) {
	w := newWorld(t)
	for i := range 2 {
		s := w.spawn(w.options())
		if pid := s.Pid(); !alive(pid) || pid == os.Getpid() {
			t.Errorf("the node has the process id %d", pid)
		}
		commit(t, s, "a", fmt.Sprint(i))
		if n, err := s.Length(process.Soon(t), "a"); err != nil || n != uint64(i+1) {
			t.Errorf("%d records, %v", n, err)
		}
		other, err := rpc.Connect(process.Soon(t), w.options().Address, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := bodies(t, other, "a"); len(got) != i+1 {
			t.Errorf("another client sees %q", got)
		}
		if err := other.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Errorf("closed again: %v", err)
		}
		if _, err := s.Commit(process.Soon(t), pipeproc.Record{Topic: "a"}); !errors.Is(err, pipeproc.ErrClosed) {
			t.Errorf("a commit after Close: %v", err)
		}
		select {
		case <-s.Done():
		default:
			t.Error("it is not done")
		}
		if s.Err() != nil || s.Pid() != 0 {
			t.Error(s.Err(), s.Pid())
		}
	}
}

func TestSpawnMemory(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Memory, o.Dir = true, ""
	s := w.spawn(o)
	commit(t, s, "a", "x")
	wantBodies(t, s, "a", "x")
	if _, err := os.Stat(w.dir + "/store"); err == nil {
		t.Error("there is a folder")
	}
}

func TestSpawnNamespace(t *testing.T) {
	w := newWorld(t)
	t.Setenv("TMPDIR", w.dir)
	o := w.options()
	o.Address, o.Namespace = "", "mine"
	s := w.spawn(o)
	commit(t, s, "a", "x")
	addr, err := transport.Namespace("mine")
	if err != nil {
		t.Fatal(err)
	}
	c, err := rpc.Connect(process.Soon(t), addr.String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wantBodies(t, c, "a", "x")
}

// SpawnOptions.Node reaches the node, and options that cannot be used are refused.
func TestSpawnOptions(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Node.MaxBody = 100
	o.Node.GC = &pipeproc.GCOptions{Interval: time.Hour}
	s := w.spawn(o)
	if _, err := s.Commit(process.Soon(t), pipeproc.Record{Topic: "a", Body: make([]byte, 101)}); !errors.Is(err, pipeproc.ErrTooLarge) {
		t.Errorf("a body over Node.MaxBody: %v", err)
	}
	for name, change := range map[string]func(o *rpc.SpawnOptions){
		"handed over": func(o *rpc.SpawnOptions) { o.Node.Clock = time.Now },
		"MaxDisk":     func(o *rpc.SpawnOptions) { o.Node.MaxDisk = -1 },
		"Memory":      func(o *rpc.SpawnOptions) { o.Memory = true },
		"Restarts":    func(o *rpc.SpawnOptions) { o.Restarts = -1 },
		"Namespace":   func(o *rpc.SpawnOptions) { o.Namespace = "x" },
		"Binary":      func(o *rpc.SpawnOptions) { o.Binary = "x" },
		"TLS":         func(o *rpc.SpawnOptions) { o.ServerTLS.CA = "x" },
		"Concurrency": func(o *rpc.SpawnOptions) { o.Programs.Concurrency = -1 },
	} {
		o := w.options()
		change(o)
		if _, err := rpc.Spawn(process.Soon(t), o); !errors.Is(err, pipeproc.ErrInvalidOptions) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// If the address or the store is in use, the error says so, and nothing is left of
// the attempt.
func TestSpawnInUse(t *testing.T) {
	w := newWorld(t)
	s := w.spawn(w.options())
	o := w.options()
	o.Dir += "2"
	if _, err := rpc.Spawn(process.Soon(t), o); !errors.Is(err, transport.ErrAddressInUse) {
		t.Errorf("the address of a live node: %v", err)
	}
	o = w.options()
	o.Address += "2.sock"
	if _, err := rpc.Spawn(process.Soon(t), o); !errors.Is(err, pipeproc.ErrInUse) || !strings.Contains(err.Error(), fmt.Sprint(s.Pid())) {
		t.Errorf("the store of a live node: %v", err)
	}
	commit(t, s, "a", "x")
	if n := len(w.family()); n != 1 {
		t.Errorf("%d processes", n)
	}
}

func TestSpawnNothing(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Program, o.Binary = nil, "no-such-program"
	if _, err := rpc.Spawn(process.Soon(t), o); !errors.Is(err, exec.ErrNotFound) {
		t.Errorf("a program that is not there: %v", err)
	}
	for _, binary := range []string{"true", "false", "sleep"} { // none of them calls Main
		o.Binary, o.Timeout = binary, 200*time.Millisecond
		if binary != "sleep" {
			o.Timeout = 0
		}
		_, err := rpc.Spawn(process.Soon(t), o)
		if err == nil || binary == "true" && !strings.Contains(err.Error(), "rpc.Main") {
			t.Errorf("%s: %v", binary, err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := rpc.Spawn(ctx, w.options()); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A node that dies is reported, and calls fail with an error that says how it ended.
func TestSpawnDies(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	exits := make(chan error, 1)
	o.OnExit = func(err error, again bool) {
		if again {
			t.Error("again?")
		}
		exits <- err
	}
	s := w.spawn(o)
	commit(t, s, "a", "x")
	waiting := make(chan error, 1)
	go func() { waiting <- s.WaitForRecord(context.Background(), "a", 5) }()
	kill(t, s.Pid())
	<-s.Done()
	for _, err := range []error{<-exits, s.Err(), <-waiting} {
		if !errors.Is(err, rpc.ErrNodeExited) || !strings.Contains(err.Error(), "killed") {
			t.Error(err)
		}
	}
	if _, err := s.Commit(process.Soon(t), pipeproc.Record{Topic: "a"}); !errors.Is(err, rpc.ErrNodeExited) {
		t.Error(err)
	}
	s2 := w.spawn(w.options()) // at the socket that was left
	wantBodies(t, s2, "a", "x")
}

// Restarted, it is at the same address with the same store, and calls go on.
func TestSpawnRestarts(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Address = "tcp://127.0.0.1:0"
	o.Restarts = 3
	var mu sync.Mutex
	var again []bool
	o.OnExit = func(err error, a bool) {
		mu.Lock()
		defer mu.Unlock()
		again = append(again, a)
	}
	s := w.spawn(o)
	for i := range 3 {
		commit(t, s, "a", fmt.Sprint(i))
		kill(t, s.Pid())
	}
	commit(t, s, "a", "3")
	wantBodies(t, s, "a", "0", "1", "2", "3")
	kill(t, s.Pid())
	<-s.Done()
	if !errors.Is(s.Err(), rpc.ErrNodeExited) {
		t.Error(s.Err())
	}
	process.Until(t, "four ends were reported", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(again) == 4
	})
}

// kill kills a process, and does not wait for it.
func kill(t testing.TB, pid int) {
	t.Helper()
	if pid == 0 || !killIfAny(t, pid) {
		t.Fatalf("there is no process %d", pid)
	}
}

// killIfAny is kill for a process that may have ended by itself. It reports whether it
// has not.
func killIfAny(t testing.TB, pid int) bool {
	t.Helper()
	err := syscall.Kill(pid, syscall.SIGKILL)
	if err != nil && err != syscall.ESRCH {
		t.Fatal(pid, err)
	}
	return err == nil
}

// When the parent is killed nothing is left, not even worker processes.
func TestSpawnParentKilled(t *testing.T) {
	w := newWorld(t)
	cmd := process.Command(process.Soon(t), nil, "parent", w.dir)
	cmd.Stderr = w.log
	c := process.Start(t, cmd)
	line, ok := c.Line()
	if !ok {
		t.Fatal(c.Wait())
	}
	var pids []int
	if err := json.Unmarshal([]byte(line), &pids); err != nil {
		t.Fatal(err)
	}
	if family := w.family(); len(family) != 3 { // parent, node, worker
		t.Errorf("processes: %v", family)
	}
	c.Kill()
	if err := c.Wait(); !process.Killed(err) {
		t.Fatal(err)
	}
	for _, pid := range pids {
		process.Until(t, "the process ends", func() bool { return !alive(pid) })
	}
	n, err := pipeproc.Open(w.dir+"/store", nil) // it was closed properly
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if r := n.Recovery(); !r.Clean {
		t.Errorf("%+v", r)
	}
}

// parent spawns a node with a worker process, and waits for its own end.
func parent(args []string) error {
	dir := args[0]
	ctx, cancel := context.WithTimeout(context.Background(), process.Patience)
	defer cancel()
	s, err := rpc.Spawn(ctx, &rpc.SpawnOptions{Program: self, Dir: dir + "/store", Address: "unix://" + dir + "/node.sock"})
	if err != nil {
		return err
	}
	_, err = s.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "p", From: []string{"in"}, To: []string{"out"}, Command: []string{program.CommandSelf}, ProcessorName: "pid"})
	if err != nil {
		return err
	}
	if _, err := s.Commit(ctx, pipeproc.Record{Topic: "in"}); err != nil {
		return err
	}
	if err := s.WaitForRecord(ctx, "out", 0); err != nil {
		return err
	}
	rec, err := s.Get(ctx, "out", 0)
	if err != nil {
		return err
	}
	fmt.Printf("[%d,%s]\n", s.Pid(), rec.Body)
	_, err = io.Copy(io.Discard, os.Stdin)
	<-ctx.Done()
	return err
}

// TestExample: the example does what it says.
func TestExample(t *testing.T) {
	newWorld(t)
	cmd := exec.Command("go", "run", "./examples/spawn")
	cmd.Dir = process.Root(t)
	out, err := cmd.Output()
	if err != nil || string(out) != "TEA\nCAKE\n" {
		t.Errorf("%q %v", out, err)
	}
}

// The program pipeproc runs a node for programs that do not call Main.
func TestSpawnBinary(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Program, o.Binary = nil, process.Build(t, "cmd/pipeproc")
	s := w.spawn(o)
	commit(t, s, "a", "x")
	wantBodies(t, s, "a", "x")
}

// TestSpawnStaysInItsDirectory: a node that is started again finds the same store,
// wherever the program works by then; if there is none, it makes none.
func TestSpawnStaysInItsDirectory(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	t.Chdir(t.TempDir())
	o.Dir, o.Address, o.Restarts = "data", "tcp://127.0.0.1:0", 2
	s, err := rpc.Spawn(process.Soon(t), o)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	commit(t, s, "a", "0")
	elsewhere := t.TempDir()
	home, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(elsewhere)
	kill(t, s.Pid())
	commit(t, s, "a", "1")
	wantBodies(t, s, "a", "0", "1")
	if list, err := os.ReadDir(elsewhere); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
	if err := os.Rename(home+"/data", home+"/moved"); err != nil {
		t.Fatal(err)
	}
	kill(t, s.Pid())
	<-s.Done()
	if _, err := os.Stat(home + "/data"); !errors.Is(err, fs.ErrNotExist) || s.Err() == nil {
		t.Errorf("a store was made where it had been: %v, %v", err, s.Err())
	}
}

// TestSpawnOtherStore: a node is not started again with another store, or without its
// own, however many restarts are left.
func TestSpawnOtherStore(t *testing.T) {
	for name, spoil := range map[string]func(dir string) error{
		"a folder with another store": func(dir string) error {
			n, err := pipeproc.Open(dir+"/store", nil)
			if err != nil {
				return err
			}
			return n.Close()
		},
		"an empty folder": func(dir string) error { return os.Mkdir(dir+"/store", 0o700) },
		"no folder":       func(string) error { return nil },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.options()
			o.Address, o.Restarts = "tcp://127.0.0.1:0", 1<<20
			s, err := rpc.Spawn(process.Soon(t), o)
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close() // which tells the error once more
			commit(t, s, "a", "0")
			if err := errors.Join(os.Rename(w.dir+"/store", w.dir+"/moved"), spoil(w.dir)); err != nil {
				t.Fatal(err)
			}
			kill(t, s.Pid())
			select {
			case <-s.Done():
			case <-process.Soon(t).Done():
				t.Fatal("it is started again")
			}
			if err := s.Err(); !errors.Is(err, pipeproc.ErrNotStore) {
				t.Error(err)
			}
			if _, err := s.Commit(process.Soon(t), pipeproc.Record{Topic: "a"}); !errors.Is(err, pipeproc.ErrNotStore) {
				t.Error(err)
			}
			if text := pipeproc.ErrNotStore.Error(); !w.log.has("level=ERROR") || !w.log.has(text) {
				t.Errorf("the log does not say so: %s", w.log)
			}
		})
	}
}

// A node that keeps everything in memory is another store each time, and is started
// again all the same.
func TestSpawnMemoryRestarts(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Dir, o.Memory, o.Restarts = "", true, 1
	s := w.spawn(o)
	commit(t, s, "a", "0")
	kill(t, s.Pid())
	process.Until(t, "it is started again", func() bool { // a call that was sent before may be lost
		_, err := s.Commit(process.Soon(t), pipeproc.Record{Topic: "a", Body: []byte("1")})
		return err == nil
	})
	wantBodies(t, s, "a", "1")
}

// The files that a node was told are those of the folder where the program was then.
func TestSpawnRelativeFiles(t *testing.T) {
	w := newWorld(t)
	binary := process.Build(t, "cmd/pipeproc")
	if err := os.Symlink(binary, w.dir+"/run"); err != nil {
		t.Fatal(err)
	}
	t.Chdir(w.dir)
	o := w.options()
	o.Program, o.Binary, o.Address, o.Dir, o.Restarts = nil, "./run", "unix://s", "data", 1
	s := w.spawn(o)
	commit(t, s, "a", "0")
	elsewhere := t.TempDir()
	t.Chdir(elsewhere)
	kill(t, s.Pid())
	commit(t, s, "a", "1")
	wantBodies(t, s, "a", "0", "1")
	if list, err := os.ReadDir(elsewhere); err != nil || len(list) > 0 {
		t.Errorf("%v, %v", list, err)
	}
}
