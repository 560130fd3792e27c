package program

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"time"
)

// lingerTime is how long the output of a process that has ended is waited for,
// if something that has left its process group keeps it open.
const lingerTime = time.Second

// process is a program that runs. Whoever holds it, by take, may run a claim.
type process struct {
	prog   *Program
	slot   *slot
	cmd    *exec.Cmd
	pid    int
	pipes  pipes
	stderr *stderrLog // what it writes to stderr
	done   chan error
	claim  claim
	lines  writer
	last   uint64 // n of the latest record, of the holder

	defined map[string]*Definition // the procs that it was told of, of the holder

	// Guarded by Program.mu.
	starting bool // it was not handed out yet
	claims   int  // that it has run

	// mu is a leaf. It also holds a process alive in the system, so that no
	// signal reaches another one of its number.
	mu         sync.Mutex
	greeted    bool  // it has written its first line
	busy       bool  // a claim runs
	outcomeDue bool  // and its outcome was not sent to done
	killReason error // why it was killed, by whoever came first
	stopping   bool  // to end
	exited     bool  // it has ended
	timers     []*time.Timer
	graceTimer *time.Timer // until a cancelled claim is aborted
}

// tend starts a process, and stays until it has ended. On Linux a process that
// is to die with its parent dies when the thread ends that has started it, so
// this goroutine keeps its thread. It sleeps there, in the kernel.
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
	awaitExit(pr.cmd)
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
			_ = f.(*os.File).Close() // the process's own ends
		}
	}
	switch {
	case err != nil && p.o.Dir != "": // the system does not say which of both is missing
		return nil, fmt.Errorf("the program cannot be started in %s: %w", p.o.Dir, err)
	case err != nil:
		return nil, fmt.Errorf("the program cannot be started: %w", err)
	}
	pr := &process{prog: p, slot: s, cmd: cmd, pid: cmd.Process.Pid, pipes: own, done: make(chan error, 1), defined: make(map[string]*Definition)}
	pr.stderr = &stderrLog{log: p.o.Logger.With("pid", pr.pid), from: own.stderr, dropped: &p.dropped}
	return pr, nil
}

// begin makes pr ready for a claim of n records. It is false when pr is about to
// end.
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

// finish ends what begin has begun.
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

// settle sends the outcome of the claim that runs. It is false when there is
// none, or when it has an outcome already.
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

// owing reports whether somebody waits for the outcome of a claim.
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
