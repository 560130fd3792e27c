package program

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc/internal/child"
)

// lingerTime is how long to wait for the output of a process that has ended, if
// something that has left its process group keeps it open.
const lingerTime = time.Second

// process is a running program. The goroutine that holds it, by take, may run a
// claim.
type process struct {
	prog   *Program
	slot   *slot
	cmd    *exec.Cmd
	pid    int
	group  group // with what it has started itself
	pipes  pipes
	stderr *stderrLog // copies its stderr to the log
	done   chan error
	claim  claim
	lines  writer
	last   uint64 // n of the latest record; used by the holder

	defined map[string]*Definition // the definitions that it was sent; used by the holder

	// Guarded by Program.mu.
	starting bool // not yet available to claims
	claims   int  // claims that it has run

	// mu is a leaf lock. Holding it also keeps an ended process from being
	// reaped, so that no signal reaches another process with its pid.
	mu         sync.Mutex
	greeted    bool  // it has written its first line
	busy       bool  // a claim runs
	outcomeDue bool  // a claim's outcome was not yet sent to done
	killReason error // why it was killed; the first reason is kept
	stopping   bool  // to end
	exited     bool  // it has ended
	timers     []*time.Timer
	graceTimer *time.Timer // until a cancelled claim is aborted
}

// tend starts a process and stays until it has ended. On Linux a process with a
// parent-death signal dies when the thread that started it ends, so this
// goroutine keeps its thread, asleep in the kernel.
func (p *Program) tend(s *slot) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pr, err := p.launch(s)
	if err != nil {
		p.onStartFailed(s, err)
		return
	}
	p.onLaunched(pr)
	pr.after(p.o.StartTimeout, pr.notGreeted)
	var readers sync.WaitGroup
	readers.Go(pr.read)
	readers.Go(pr.stderr.read)
	if _, err := pr.pipes.stdin.Write(greeting(p.o.Name)); err != nil {
		pr.broken(err)
	}
	child.AwaitExit(pr.cmd)
	pr.reap()
	t := time.AfterFunc(lingerTime, pr.pipes.closeOutput)
	readers.Wait()
	t.Stop()
	pr.pipes.close()
	pr.stderr.flush()
	p.onExit(pr, pr.exitError())
}

// launch starts a process in slot s.
func (p *Program) launch(s *slot) (*process, error) {
	cmd := exec.Command(p.o.Command[0], p.o.Command[1:]...)
	cmd.Dir, cmd.Env = p.o.Dir, p.o.Env
	setGroup(cmd)
	own, err := connect(cmd)
	if err == nil {
		if err = cmd.Start(); err != nil {
			own.close()
		}
		for _, f := range [...]any{cmd.Stdin, cmd.Stdout, cmd.Stderr} {
			_ = f.(*os.File).Close() // the process's ends
		}
	}
	switch {
	case err != nil && p.o.Dir != "": // the error does not say whether program or folder is missing
		return nil, fmt.Errorf("the program cannot be started in %s: %w", p.o.Dir, err)
	case err != nil:
		return nil, fmt.Errorf("the program cannot be started: %w", err)
	}
	pr := &process{prog: p, slot: s, cmd: cmd, pid: cmd.Process.Pid, group: groupOf(cmd.Process), pipes: own, done: make(chan error, 1), defined: make(map[string]*Definition)}
	pr.stderr = &stderrLog{log: p.o.Logger.With("pid", pr.pid), from: own.stderr, dropped: &p.dropped}
	return pr, nil
}

// begin prepares pr for a claim of n records. It returns false if pr is about
// to end.
func (pr *process) begin(n int) bool {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	if pr.killReason != nil || pr.stopping || pr.exited {
		return false
	}
	pr.busy, pr.outcomeDue = true, true
	pr.claim.begin(pr.last+1, n, pr.prog.o.MaxOutput)
	pr.last += uint64(n)
	return true
}

// usable reports whether pr may be handed out.
func (pr *process) usable() bool {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	return pr.killReason == nil && !pr.stopping && !pr.exited
}

// finish ends what begin started.
func (pr *process) finish() {
	pr.mu.Lock()
	pr.busy = false
	t := pr.graceTimer
	pr.graceTimer = nil
	pr.mu.Unlock()
	if t != nil {
		t.Stop()
	}
	pr.claim.trim()
	pr.lines.trim()
}

// settle sends the outcome of the current claim. It returns false if there is
// none, or if its outcome was sent already.
func (pr *process) settle(err error) bool {
	pr.mu.Lock()
	owes := pr.outcomeDue
	pr.outcomeDue = false
	pr.mu.Unlock()
	if owes {
		pr.done <- err
	}
	return owes
}

// isOutcomeDue reports whether a goroutine waits for the outcome of a claim.
func (pr *process) isOutcomeDue() bool {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	return pr.outcomeDue
}

// after calls fn after d, unless pr has ended.
func (pr *process) after(d time.Duration, fn func()) {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	if !pr.exited {
		pr.timers = append(pr.timers, time.AfterFunc(d, fn))
	}
}

func (pr *process) notGreeted() {
	why := fmt.Errorf("it has not written its first line in %v; does it flush its output?", pr.prog.o.StartTimeout)
	pr.failIf(why, func() bool { return !pr.greeted })
}
