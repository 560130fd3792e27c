package program

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/worker"
)

// single is a Source of one claim of one record.
type single struct {
	given bool
	done  chan error
}

func (s *single) Claim(_ context.Context, proc string, _ int, c *worker.Task) error {
	if !s.given {
		s.given = true
		c.Proc, c.Topic, c.Token, c.Attempt = proc, "in", procstate.Token{Epoch: 1, Serial: 1}, 1
		c.Records = append(c.Records, bodied("body")...)
	}
	return nil
}

func (s *single) AckCommit(context.Context, *worker.Task, *topics.Batch) error {
	s.done <- nil
	return nil
}

func (s *single) Reclaim(_ context.Context, _ *worker.Task, reason error) error {
	s.done <- reason
	return nil
}

func (s *single) Release(context.Context, *worker.Task) error { return nil }

func (s *single) Watch(string, string, func()) func() { return func() {} }

// node runs programs in a process that is to be killed. It returns an exit code.
func node() int {
	child := os.Args[0]
	for _, c := range []struct {
		mode    string
		command []string
	}{
		{"stubborn", []string{child}},
		{"obey", []string{child}},
		{"obey", []string{"/bin/sh", "-c", `"$0"; :`, child}}, // the child of one that is killed
	} {
		env := append(os.Environ(), modeEnv+"="+c.mode)
		p, err := New(Options{Command: c.command, Env: env})
		if err != nil {
			fmt.Println(err)
			return 1
		}
		s := &single{done: make(chan error)}
		pool := worker.New(s, worker.Options{})
		if err := pool.Add(worker.Job{Proc: "proc", Topic: "in", Fn: p.Process}); err != nil {
			fmt.Println(err)
			return 1
		}
		if err := <-s.done; err != nil {
			fmt.Println(err)
			return 1
		}
	}
	fmt.Println("ready")
	forever()
	return 0
}

// TestOrphans: when the node is killed, nothing of it keeps running.
func TestOrphans(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processes are counted and killed on Linux")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = env(t, "node")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "ready\n" {
		t.Fatalf("%q %v", line, err)
	}
	if n := len(family(t)); n != 5 {
		t.Errorf("%d processes run", n)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Error(err)
	}
	until(t, "no process is left", func() bool { return len(family(t)) == 0 })
}

// TestThreads: processes do not end with the threads of the node.
func TestThreads(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("elsewhere they do not die with threads at all")
	}
	p := start(t, Options{Processes: 4}, "obey")
	d := newDesk(t)
	work := func() { d.do(p, order{records: bodied("a", "b", "c", "d"), lanes: 4}).wantAny(t) }
	// One that is done early may have the next record too.
	until(t, "all processes have begun", func() bool { work(); return p.Stats().Started == 4 })
	// Goroutines that need all threads that there are, and take them along.
	locked, end := make(chan struct{}), make(chan struct{})
	for range 100 {
		go func() {
			runtime.LockOSThread()
			locked <- struct{}{}
			<-end
		}()
	}
	for range 100 {
		<-locked
	}
	close(end)
	threads := func() int {
		list, _ := os.ReadDir("/proc/self/task")
		return len(list)
	}
	until(t, "the threads have ended", func() bool { return threads() < 80 })
	for range 5 {
		work()
	}
	if s := p.Stats(); s.Started != 4 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}
