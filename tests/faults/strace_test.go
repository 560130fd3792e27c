//go:build linux

package faults

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// injected is what a run under strace gave.
type injected struct {
	*outcome
	hits int // calls that were made to fail, or were the last thing done
}

// strace runs the child with a fault: what, at the n-th call (of a thread) that is
// one of calls. It says how many calls were hit.
func strace(t *testing.T, dir, mode, calls, what string, n, from, steps int) *injected {
	t.Helper()
	log := filepath.Join(dir, "strace")
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	args := []string{"strace", "-f", "-qq", "-o", log, "-e", "trace=" + calls, "-e", "signal=none",
		"-e", fmt.Sprintf("inject=%s:%s:when=%d", calls, what, n)}
	if !strings.HasPrefix(what, "signal") {
		args = append(args, "--seccomp-bpf") // faster, but a signal does not arrive then
	}
	cmd := command(ctx, "work", dir, mode, from, steps, args...)
	o := follow(t, cmd, from, nil)
	if ctx.Err() != nil {
		t.Fatalf("%s at %s %d: the child hangs: %v", what, calls, n, o.failed)
	}
	b, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	hits := strings.Count(string(b), "(INJECTED)")
	if strings.Contains(what, "signal") {
		hits = 0
		if o.code == "signal: killed" {
			hits = 1
		}
	}
	if strings.Contains(o.stderr, "goroutine ") {
		t.Errorf("%s at %s %d: a panic: %s", what, calls, n, o.stderr)
	}
	if o.blind != "" {
		t.Errorf("%s at %s %d: a failed node cannot read: %s", what, calls, n, o.blind)
	}
	return &injected{o, hits}
}

func needStrace(t *testing.T) {
	t.Helper()
	out, err := exec.Command("strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=fsync", "true").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("%w: %s", err, out)
	}
	process.Need(t, "strace (the package strace, and the right to trace)", err)
}

// scratch returns a folder in memory if there is one: a process that is only killed needs
// no disk.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "faults-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// parallel runs fn for 1, 2, 3, …, two at a time, until one says that there was
// nothing to do. Without -faults.full the numbers above 6 are sampled.
func parallel(rnd *rand.Rand, fn func(n int) bool) {
	var wg sync.WaitGroup
	var mu sync.Mutex
	n, end := 0, false
	for range 2 {
		wg.Go(func() {
			for {
				mu.Lock()
				n++
				if n > 6 && !*full {
					n += rnd.IntN(n)
				}
				mine, stop := n, end
				mu.Unlock()
				if stop {
					return
				}
				if !fn(mine) {
					mu.Lock()
					end = true
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
}

const workSteps = 50

// TestF02SyscallKills: the process dies as it enters a system call, for each
// that changes files, in each mode. Everything it acknowledged is there, and at
// most the step that was under way besides.
func TestF02SyscallKills(t *testing.T) {
	needStrace(t)
	rnd := rand.New(rand.NewPCG(*seed, 2))
	kills, survived := map[string]int{}, 0
	var mu sync.Mutex
	for i, calls := range []string{"fsync", "fdatasync", "msync", "fallocate", "ftruncate", "renameat,rename,renameat2", "unlinkat,unlink", "linkat,link", "pwrite64,pwritev", "mkdirat,mkdir"} {
		for j, mode := range process.Modes {
			if !*full && (calls == "mkdirat,mkdir" || calls == "fallocate" || calls == "ftruncate" || calls == "linkat,link" || calls == "pwrite64,pwritev") && i%3 != j {
				continue // in one mode, as it does not matter to them
			}
			parallel(rnd, func(n int) bool {
				dir := scratch(t)
				o := strace(t, dir, mode, calls, "signal=SIGKILL", n, 0, workSteps)
				when := fmt.Sprintf("%s: killed at %s %d", mode, calls, n)
				if o.hits == 0 && !o.closed {
					t.Errorf("%s: ended by itself: %s %s %v", when, o.code, o.stderr, o.failed)
					return false
				}
				k, ok := check(t, when, dir, mode, o.next, min(o.next+1, workSteps))
				mu.Lock()
				defer mu.Unlock()
				kills[calls] += o.hits
				os.RemoveAll(dir)
				if k > o.next+3 {
					survived++
				}
				return ok && o.hits > 0
			})
		}
	}
	total := 0
	for _, n := range kills {
		total += n
	}
	fmt.Printf("fault 2: %d kills at system calls %v, lost 0, %d unacknowledged steps survived whole; seed %d; failed: %v\n", total, kills, survived, *seed, t.Failed())
	if total < 60 {
		t.Errorf("only %d kills", total)
	}
}

// TestF14SyncFails: a sync returns EIO once and the next ones succeed. What it was
// for is not acknowledged, nothing after it is, and it is not tried again.
func TestF14SyncFails(t *testing.T) {
	needStrace(t)
	rnd := rand.New(rand.NewPCG(*seed, 14))
	var mu sync.Mutex
	faults, sticky, goesOn, closes := 0, 0, 0, 0
	for _, calls := range []string{"fsync", "fdatasync", "msync"} {
		for _, mode := range process.Modes {
			parallel(rnd, func(n int) bool {
				dir := scratch(t)
				o := strace(t, dir, mode, calls, "error=EIO", n, 0, workSteps)
				when := fmt.Sprintf("%s: EIO at %s %d", mode, calls, n)
				if !o.closed && !o.sticky && o.open == "" {
					t.Errorf("%s: ended with %s %s %v", when, o.code, o.stderr, o.failed)
				}
				if o.hits > 0 && len(o.failed) == 0 && mode == "always" && o.closed && calls != "fsync" {
					t.Errorf("%s: nobody was told", when)
				}
				if o.open != "" && !strings.Contains(o.stderr, "input/output error") {
					t.Errorf("%s: the reason is not said: %s", when, o.stderr)
				}
				_, ok := check(t, when, dir, mode, o.next, min(o.next+1, workSteps))
				mu.Lock()
				defer mu.Unlock()
				faults += o.hits
				os.RemoveAll(dir)
				switch {
				case o.hits == 0:
				case o.sticky:
					sticky++
				case o.open != "":
					closes++
				default:
					goesOn++
				}
				return ok && o.hits > 0
			})
		}
	}
	fmt.Printf("fault 14: %d syncs failed: %d nodes took nothing more, %d did not open or close, %d went on as it was not the log's; no false acknowledgement; seed %d; failed: %v\n",
		faults, sticky, closes, goesOn, *seed, t.Failed())
	if sticky == 0 || faults < 30 {
		t.Error("too few faults")
	}
}

// TestF15NoSpaceOnce: a call returns ENOSPC (or EIO, where it writes) once. The step
// is refused or done without it; tried again it goes through; nothing is lost.
func TestF15NoSpaceOnce(t *testing.T) {
	needStrace(t)
	rnd := rand.New(rand.NewPCG(*seed, 15))
	var mu sync.Mutex
	faults, refused, poisoned := 0, 0, 0
	for i, fault := range []struct{ calls, what string }{
		{"fallocate", "error=ENOSPC"}, {"pwrite64,pwritev", "error=ENOSPC"}, {"pwrite64,pwritev", "error=EIO"}, {"ftruncate", "error=EIO"},
		{"renameat,rename,renameat2", "error=ENOSPC"}, {"unlinkat,unlink", "error=EIO"}, {"linkat,link", "error=ENOSPC"},
	} {
		for j, mode := range process.Modes {
			if !*full && i%3 != j && fault.calls != "pwrite64,pwritev" {
				continue
			}
			parallel(rnd, func(n int) bool {
				dir := scratch(t)
				o := strace(t, dir, mode, fault.calls, fault.what, n, 0, workSteps)
				when := fmt.Sprintf("%s: %s at %s %d", mode, fault.what, fault.calls, n)
				if !o.closed && !o.sticky && o.open == "" {
					t.Errorf("%s: ended with %s %s %v", when, o.code, o.stderr, o.failed)
				}
				_, ok := check(t, when, dir, mode, o.next, min(o.next+1, workSteps))
				mu.Lock()
				defer mu.Unlock()
				faults += o.hits
				os.RemoveAll(dir)
				if len(o.failed) > 0 {
					refused++
				}
				if o.sticky {
					poisoned++
				}
				return ok && o.hits > 0
			})
		}
	}
	fmt.Printf("fault 15: %d calls failed, %d steps or openings were refused and went through later, %d nodes took nothing more; lost 0; seed %d; failed: %v\n",
		faults, refused, poisoned, *seed, t.Failed())
}
