//go:build unix

package spawn

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// script makes a program of the lines of a shell script.
func (w *world) script(lines string) string {
	w.t.Helper()
	name := filepath.Join(w.dir, "script")
	if err := os.WriteFile(name, []byte("#!/bin/sh\n"+lines+"\n"), 0o700); err != nil {
		w.t.Fatal(err)
	}
	return name
}

// Whatever a script does that is no node: Spawn fails soon, and what it has started is
// gone with it.
func TestSpawnScriptFails(t *testing.T) {
	for name, c := range map[string]struct {
		lines   string
		timeout time.Duration
		ended   bool // the error says that the node has ended
	}{
		"waits":             {"sleep 300; true", 300 * time.Millisecond, false},
		"fails":             {"sleep 300 & exit 3", time.Minute, true},
		"is done":           {"sleep 300 & exit 0", time.Minute, true},
		"closes the status": {"exec 3>&-; sleep 300; true", time.Minute, true},
		"says rubbish":      {"echo rubbish >&3; sleep 300; true", time.Minute, false},
		"names nothing":     {`echo '{"Address":"rubbish"}' >&3; trap '' TERM; cat; sleep 1`, time.Minute, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			o := w.options()
			o.Program, o.Binary, o.Timeout = nil, w.script(c.lines), c.timeout
			begin := time.Now()
			_, err := rpc.Spawn(context.Background(), o)
			if err == nil || errors.Is(err, rpc.ErrNodeExited) != c.ended {
				t.Error(err)
			}
			if d := time.Since(begin); d > 20*time.Second {
				t.Errorf("it took %v", d)
			}
			process.Until(t, "no process is left", func() bool { return len(w.family()) == 0 })
		})
	}
}

// A child that has left the group of its script, and keeps the pipes open, is waited for
// no longer than a moment, and no descriptor waits for it.
func TestSpawnScriptEscapes(t *testing.T) {
	for name, lines := range map[string]string{"ends": "setsid sleep 300 & sleep 0.2; exit 3", "stays": "setsid sleep 300 & sleep 300"} {
		t.Run(name, func(t *testing.T) { scriptEscapes(t, lines, name == "stays") })
	}
}

func scriptEscapes(t *testing.T, lines string, cancelled bool) {
	w := newWorld(t)
	t.Cleanup(func() { // before that of the world
		for _, pid := range w.family() {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	files := process.Descriptors()
	o := w.options()
	o.Program, o.Binary, o.Timeout = nil, w.script(lines), time.Minute
	ctx, cancel := context.WithCancel(context.Background())
	if cancelled {
		time.AfterFunc(500*time.Millisecond, cancel)
	}
	begin := time.Now()
	_, err := rpc.Spawn(ctx, o)
	cancel()
	if err == nil {
		t.Error("there is no node")
	}
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("it took %v", d)
	}
	if n := len(w.family()); n != 1 {
		t.Errorf("%d processes", n)
	}
	process.Until(t, "no descriptor is left", func() bool { return process.Descriptors() <= files })
}

// A script that runs a node and waits for it is as good as the node.
func TestSpawnScript(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Program, o.Binary, o.Restarts = nil, w.script(self.Path()+"; true"), 1
	s := w.spawn(o)
	commit(t, s, "a", "x")
	script := s.Pid()
	kill(t, script) // its node must not hold the store against the next
	process.Until(t, "the script runs again", func() bool { return s.Pid() != 0 && s.Pid() != script })
	commit(t, s, "a", "y")
	wantBodies(t, s, "a", "x", "y")
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// The socket that a node left when it was killed goes with Close, unless another node
// has it by then.
func TestSpawnLeavesNoSocket(t *testing.T) {
	w := newWorld(t)
	left := func() int {
		list, err := filepath.Glob(w.dir + "/node.sock*")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	end := func(s *rpc.Spawned) {
		t.Helper()
		if err := s.Close(); !errors.Is(err, rpc.ErrNodeExited) {
			t.Error(err)
		}
	}
	s := w.spawn(w.options())
	kill(t, s.Pid())
	<-s.Done()
	if n := left(); n != 2 {
		t.Errorf("a killed node has left %d files", n)
	}
	end(s)
	if n := left(); n != 0 {
		t.Errorf("%d files are left", n)
	}

	s = w.spawn(w.options())
	kill(t, s.Pid())
	<-s.Done()
	next := w.spawn(w.options())
	end(s)
	if n := left(); n != 2 {
		t.Errorf("the next node has %d files", n)
	}
	c, err := rpc.Connect(process.Soon(t), w.options().Address, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := next.Commit(process.Soon(t), pipeproc.Record{Topic: "a"}); err != nil {
		t.Error(err)
	}
}
