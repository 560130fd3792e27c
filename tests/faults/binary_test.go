//go:build linux

package faults

import (
	"bytes"
	"context"
	"errors"
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

// TestF14Program: system calls of the program, as it is built, fail one by one
// while it commits. It ends with an error of one line, or does without the call;
// what it has printed as committed is there, what is read is right, and the next
// run goes on.
func TestF14Program(t *testing.T) {
	needStrace(t)
	program := process.Build(t, "cmd/pipeproc")
	var lines []string
	for i := range 60 {
		lines = append(lines, fmt.Sprintf("%d %s", i, strings.Repeat("x", i*37%900)))
	}
	run := func(dir string, input []string, before []string, args ...string) (out []string, stderr string, code int) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		args = append(append(before, program, "--dir", dir), args...)
		cmd := exec.CommandContext(ctx, args[0], args[1:]...)
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		cmd.Stdin = strings.NewReader(strings.Join(input, "\n") + "\n")
		var o, e bytes.Buffer
		cmd.Stdout, cmd.Stderr = &o, &e
		err := cmd.Run()
		var exit *exec.ExitError
		if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
			t.Errorf("%v: %v", args, err)
		}
		return strings.Split(strings.TrimSuffix(o.String(), "\n"), "\n"), e.String(), cmd.ProcessState.ExitCode()
	}
	const noStore = "there is no pipeproc store" // it did not get as far
	rnd := rand.New(rand.NewPCG(*seed, 140))
	var mu sync.Mutex
	hits, refused := 0, 0
	for _, fault := range []struct{ calls, what string }{
		{"fsync,fdatasync", "error=EIO"}, {"pwrite64,pwritev", "error=ENOSPC"}, {"fallocate", "error=ENOSPC"},
		{"openat", "error=EMFILE"}, {"mmap", "error=ENOMEM"}, {"renameat,rename,renameat2", "error=EIO"}, {"pread64", "error=EIO"},
	} {
		parallel(rnd, func(n int) bool {
			dir := filepath.Join(scratch(t), "store")
			if fault.calls == "mmap" { // the ones that the runtime begins with are its own
				n += 40
			}
			when := fmt.Sprintf("%s of %s %d", fault.what, fault.calls, n)
			log := dir + ".strace"
			acked, stderr, code := run(dir, lines, []string{"strace", "-f", "--seccomp-bpf", "-qq", "-o", log, "-e", "trace=" + fault.calls,
				"-e", "signal=none", "-e", fmt.Sprintf("inject=%s:%s:when=%d", fault.calls, fault.what, n)},
				"commit", "t", "--batch", "5", "--ids")
			b, err := os.ReadFile(log)
			if err != nil {
				t.Error(err)
				return false
			}
			hit := strings.Count(string(b), "(INJECTED)")
			runtimes := strings.Contains(stderr, "runtime: ") || strings.Contains(stderr, "fatal error: ") // its own memory
			if code != 0 && !runtimes && (strings.Contains(stderr, "goroutine ") || !strings.Contains(stderr, "pipeproc: ")) {
				t.Errorf("%s: exit code %d: %s", when, code, stderr)
			}
			if code == 0 && len(acked) != len(lines) {
				t.Errorf("%s: all is well with %d records of %d", when, len(acked), len(lines))
			}
			if acked[0] == "" {
				acked = nil
			}
			check := func(want []string, least int) int {
				got, stderr, code := run(dir, nil, nil, "range", "t", "--output", "body")
				if code != 0 && !(least == 0 && (strings.Contains(stderr, "invalid_topic") || strings.Contains(stderr, noStore))) {
					t.Errorf("%s: reading afterwards: %d: %s", when, code, stderr)
					return 0
				}
				if code != 0 || got[0] == "" {
					got = nil
				}
				if len(got) < least || len(got)%5 != 0 {
					t.Errorf("%s: %d records were acknowledged, %d are there", when, least, len(got))
				}
				for i, line := range got {
					if i >= len(want) || line != want[i] {
						t.Errorf("%s: record %d is wrong: %q", when, i, line)
					}
				}
				return len(got)
			}
			there := check(lines, len(acked))
			if _, stderr, code := run(dir, lines, nil, "commit", "t", "--batch", "5"); code != 0 {
				t.Errorf("%s: the next run: %d: %s", when, code, stderr)
			}
			check(append(lines[:there:there], lines...), there+len(lines))
			if out, stderr, code := run(dir, nil, nil, "verify"); code != 0 {
				t.Errorf("%s: verify: %d: %v %s", when, code, out, stderr)
			}
			os.RemoveAll(filepath.Dir(dir))
			mu.Lock()
			defer mu.Unlock()
			hits += hit
			if code != 0 {
				refused++
			}
			return hit > 0 && (*full || n < 60)
		})
	}
	fmt.Printf("faults 14, 15, 29: %d system calls of the program failed, %d runs ended with an error; lost 0; seed %d; failed: %v\n", hits, refused, *seed, t.Failed())
	if hits < 25 {
		t.Error("too few")
	}
}
