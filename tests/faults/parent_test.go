//go:build linux

package faults

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// outcome is what a child reported.
type outcome struct {
	next    int // after the last acknowledged step
	durable int // after the last one that must survive a power cut
	failed  []string
	closed  bool // properly
	sticky  bool
	blind   string // what a failed node could not read
	open    string // why it could not be opened
	code    string // how it ended
	stderr  string
}

// command returns the child that does steps from from on, in dir. What comes
// before is put in front of it.
func command(ctx context.Context, kind, dir, mode string, from, steps int, before ...string) *exec.Cmd {
	cmd := process.Command(ctx, before, kind, dir, mode, fmt.Sprint(from), fmt.Sprint(steps))
	cmd.Env = append(cmd.Env, "GOMAXPROCS=1", "GOTRACEBACK=single")
	return cmd
}

// follow runs a child to its end. each, if any, sees every line.
func follow(t *testing.T, cmd *exec.Cmd, from int, each func(o *outcome)) *outcome {
	t.Helper()
	o := &outcome{next: from, durable: from}
	c := process.Start(t, cmd)
	for line, ok := c.Line(); ok; line, ok = c.Line() {
		o.line(t, line)
		if each != nil {
			each(o)
		}
	}
	o.code, o.stderr = fmt.Sprint(c.Wait()), c.Stderr()
	return o
}

func (o *outcome) line(t *testing.T, line string) {
	t.Helper()
	what, rest, _ := strings.Cut(line, " ")
	num := 0
	_, _ = fmt.Sscan(rest, &num)
	switch what {
	case "ack":
		if num != o.next {
			t.Errorf("step %d was acknowledged in place of %d", num, o.next)
		}
		o.next = num + 1
	case "durable":
		o.durable = num + 1
	case "failed":
		o.failed = append(o.failed, rest)
		if strings.Contains(rest, "\\n") || strings.Contains(rest, "runtime error") {
			t.Errorf("the error is not clear: %s", rest)
		}
	case "open", "close":
		o.failed = append(o.failed, line)
		o.open = line
	case "closed":
		o.closed = true
	case "sticky":
		o.sticky = true
	case "UNREADABLE":
		o.blind = rest
	default:
		t.Errorf("the child said: %s", line)
	}
}

// check opens what a child left, wants the state after lo to hi steps, goes on
// from there, and looks again after another opening.
func check(t *testing.T, when, dir, mode string, lo, hi int) (k int, ok bool) {
	t.Helper()
	fail := func(format string, a ...any) (int, bool) {
		t.Helper()
		t.Errorf("%s: %s", when, fmt.Sprintf(format, a...))
		process.Keep(t, dir)
		return 0, false
	}
	data := filepath.Join(dir, "data")
	for gen := range 2 {
		n, err := pipeproc.Open(data, workOptions(mode))
		if err != nil {
			return fail("open %d: %v", gen, err)
		}
		defer n.Close()
		if r := n.Recovery(); len(r.Damage) > 0 || n.Err() != nil {
			return fail("damage %v, %v", r.Damage, n.Err())
		}
		got, err := read(n)
		if err != nil {
			return fail("read: %v", err)
		}
		if k, err = find(got, lo, hi); err != nil {
			return fail("%v", err)
		}
		if gen == 0 {
			for range 3 {
				if err := do(context.Background(), n, k, dir); err != nil {
					return fail("step %d (%s) afterwards: %v", k, kindOf(k), err)
				}
				k++
			}
			lo, hi = k, k
		}
		if err := n.Close(); err != nil {
			return fail("close: %v", err)
		}
	}
	rep, err := pipeproc.Verify(context.Background(), data, nil)
	if err != nil || len(rep.Damage) > 0 {
		return fail("verify: %v, %v", rep, err)
	}
	return k, true
}
