package program

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"syscall"
	"time"
)

// fail kills pr with its process group, because of why.
func (pr *process) fail(why error) { pr.failIf(why, func() bool { return true }) }

// failIf does so if cond, which is called with pr.mu held, returns true.
func (pr *process) failIf(why error, cond func() bool) {
	pr.mu.Lock()
	wanted := !pr.exited && cond()
	if wanted {
		if pr.killReason == nil {
			pr.killReason = why
		}
		pr.signal(syscall.SIGKILL)
	}
	pr.mu.Unlock()
	if wanted {
		_ = pr.pipes.stdin.Close() // wakes a blocked writer, whatever holds the other end
	}
}

// broken is called when a pipe to or from pr is closed at its side. Usually the
// process is about to end then, and its exit status says more.
func (pr *process) broken(why error) {
	pr.after(lingerTime, func() { pr.failIf(why, func() bool { return !pr.stopping }) })
}

// signal sends sig to the process group. pr.mu is held.
func (pr *process) signal(sig syscall.Signal) {
	if !pr.exited {
		pr.group.signal(sig)
	}
}

// retire makes pr end after its current claim.
func (pr *process) retire() {
	pr.mu.Lock()
	busy, first := pr.busy, pr.claim.first
	pr.mu.Unlock()
	if busy {
		pr.abortLater(first, errClosed) // putting pr back then stops it
	} else {
		pr.stop()
	}
}

// stop asks pr to end, unless a claim is running.
func (pr *process) stop() {
	pr.mu.Lock()
	not := pr.stopping || pr.busy
	pr.stopping = pr.stopping || !pr.busy
	pr.mu.Unlock()
	if not {
		return
	}
	_ = pr.pipes.stdin.Close()
	grace := pr.prog.o.StopGrace
	pr.after(grace, func() { pr.signalOverdue(syscall.SIGTERM) })
	pr.after(2*grace, func() { pr.signalOverdue(syscall.SIGKILL) })
}

// signalOverdue sends a signal to a process that has not ended in time.
func (pr *process) signalOverdue(sig syscall.Signal) {
	pr.mu.Lock()
	gone := pr.exited
	pr.mu.Unlock()
	if gone {
		return
	}
	// Before the signal: with the end of the process Close returns, and the log is whole.
	pr.prog.o.Logger.Warn("a program that was asked to end gets a signal", "pid", pr.pid, "signal", sig.String())
	pr.mu.Lock()
	pr.signal(sig) // nothing, if it has ended meanwhile
	pr.mu.Unlock()
}

// interrupt ends the claim that begins with n first because ctx has ended. If
// the claim's time is over it kills the process at once, for then another
// worker gets the claim. Otherwise, when the pool closes or another lane has
// failed, the process has StopGrace to finish.
func (pr *process) interrupt(ctx context.Context, first uint64) {
	cause := context.Cause(ctx)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		pr.abort(first, cause)
		return
	}
	pr.abortLater(first, cause)
}

// abortLater aborts a claim after StopGrace.
func (pr *process) abortLater(first uint64, cause error) {
	pr.mu.Lock()
	defer pr.mu.Unlock()
	if pr.runs(first) && pr.graceTimer == nil {
		pr.graceTimer = time.AfterFunc(pr.prog.o.StopGrace, func() { pr.abort(first, cause) })
	}
}

// runs reports whether the claim that begins with n first runs. pr.mu is held.
func (pr *process) runs(first uint64) bool { return pr.busy && pr.claim.first == first }

// abort kills pr if it still runs the claim that begins with n first.
func (pr *process) abort(first uint64, cause error) {
	pr.failIf(cause, func() bool { return pr.runs(first) })
}

// reap collects the exit status of a process that has ended. Before that, while
// the process group's number cannot be reused, it kills what is left of the
// group.
func (pr *process) reap() {
	pr.mu.Lock()
	pr.signal(syscall.SIGKILL)
	pr.exited = true
	for _, t := range pr.timers {
		t.Stop()
	}
	pr.mu.Unlock()
	pr.group.close()
	_ = pr.cmd.Wait() // the status is what counts
	_ = pr.pipes.stdin.Close()
}

// exitError returns how pr has ended, or nil if it was asked to.
func (pr *process) exitError() error {
	pr.mu.Lock()
	why, asked := pr.killReason, pr.stopping
	pr.mu.Unlock()
	if asked && why == nil {
		return nil
	}
	return &exitError{why, &exec.ExitError{ProcessState: pr.cmd.ProcessState}, pr.stderr.tail()}
}

// exitError is the error of a process that has ended unasked or was killed.
type exitError struct {
	why  error // why it was killed, or nil
	exit *exec.ExitError
	said string // its last line on stderr
}

func (e *exitError) Error() string {
	s := "the program has ended: " + e.exit.Error()
	if e.why != nil {
		s = "the program was killed: " + e.why.Error()
	}
	if e.said != "" {
		s += fmt.Sprintf("; its last line on stderr: %q", e.said)
	}
	return s
}

// Unwrap returns why the process was killed, if it was, and an [exec.ExitError]
// with its exit status.
func (e *exitError) Unwrap() []error {
	if e.why == nil {
		return []error{e.exit}
	}
	return []error{e.why, e.exit}
}
