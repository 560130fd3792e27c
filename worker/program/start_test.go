package program

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

func TestOptions(t *testing.T) {
	some := []string{"program"}
	for _, c := range []struct {
		o    Options
		want error
	}{
		{Options{}, errs.NoProcessor},
		{Options{Command: []string{""}}, errs.NoProcessor},
		{Options{Command: some, Name: "a\nb"}, errs.InvalidProcOptions},
		{Options{Command: some, Processes: -1}, errs.InvalidProcOptions},
		{Options{Command: some, RestartAfter: -1}, errs.InvalidProcOptions},
		{Options{Command: some, StartTimeout: -1}, errs.InvalidProcOptions},
		{Options{Command: some, StopGrace: -1}, errs.InvalidProcOptions},
		{Options{Command: some, MaxLine: -1}, errs.InvalidProcOptions},
		{Options{Command: some, MaxOutput: -1}, errs.InvalidProcOptions},
	} {
		if _, err := New(c.o); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v", c.o, err)
		}
	}
	p, err := New(Options{Command: some})
	if err != nil {
		t.Fatal(err)
	}
	if o := p.o; o.Processes != 1 || o.StartTimeout != 30*time.Second || o.StopGrace != 3*time.Second || o.MaxLine != 64<<20 || o.MaxOutput != 64<<20 {
		t.Errorf("%+v", o)
	}
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestCannotStart: a program that is not there, or cannot be run, fails the
// claim with an error that says so, and is tried again later and later.
func TestCannotStart(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := os.WriteFile(plain, []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		o    Options
		want string
		is   error
	}{
		{Options{Command: []string{"no-such-program"}}, `"no-such-program": executable file not found`, exec.ErrNotFound},
		{Options{Command: []string{filepath.Join(dir, "none")}}, "no such file", syscall.ENOENT},
		{Options{Command: []string{plain}}, "permission denied", syscall.EACCES},
		{Options{Command: []string{dir}}, "", syscall.EACCES},
		{Options{Command: []string{"/bin/sh"}, Dir: filepath.Join(dir, "none")}, "none", syscall.ENOENT},
	} {
		var l log
		c.o.Logger = l.logger()
		p := start(t, c.o, "obey")
		d := newDesk(t)
		begun := time.Now()
		var waits time.Duration
		for n := range 5 {
			o := d.say(p, "a")
			o.wantErr(t, "the program cannot be started", c.want)
			if !errors.Is(o.err, c.is) {
				t.Errorf("%v is not %v", o.err, c.is)
			}
			if n < 4 {
				waits += minDelay << n
			}
		}
		if took := time.Since(begun); took < waits {
			t.Errorf("five tries took %v, not %v", took, waits)
		}
		if s := p.Stats(); s.Started != 0 || s.Failed != 5 {
			t.Errorf("%+v", s)
		}
		if got := countLines(l.String(), "a program cannot be started", "proc=name"); got != 5 {
			t.Errorf("%d lines of log:\n%s", got, &l)
		}
	}
}

// TestNoneFree: a claim whose time is over while it waits says what it waits
// for, and nothing is started for it.
func TestNoneFree(t *testing.T) {
	p := start(t, Options{Command: []string{"no-such-program"}}, "obey")
	d := newDesk(t)
	for range 6 {
		d.say(p, "a").wantErr(t, "cannot be started")
	}
	o := d.do(p, order{records: bodied("a"), timeout: 50 * time.Millisecond})
	o.wantErr(t, "no process of the program is free: context deadline exceeded", `this has ended the last one: the program cannot be started: exec: "no-such-program"`)
	if s := p.Stats(); s.Failed != 6 || s.Waiting != 0 {
		t.Errorf("%+v", s)
	}
}

// TestGreeting: what a program must write first.
func TestGreeting(t *testing.T) {
	for mode, want := range map[string]string{
		"banner": `the program was killed: it has written the line "Welcome!": byte 1: an object is missing`,
		"newer":  "it speaks version 2 of the protocol, the node only 1",
		"early":  `it has written "{\"n\":1}\n", though nobody has asked`,
		"dies":   `the program has ended: exit status 7; its last line on stderr: "no such module"`,
	} {
		p := start(t, Options{}, mode)
		newDesk(t).say(p, "a").wantErr(t, want)
	}
	p := start(t, Options{}, "odd greeting")
	newDesk(t).say(p, "a").wantOK(t, "out a")
}

// TestStartTimeout: a program that does not say its first line is killed.
func TestStartTimeout(t *testing.T) {
	p := start(t, Options{StartTimeout: 100 * time.Millisecond}, "silent")
	newDesk(t).say(p, "a").wantErr(t, "it has not written its first line in 100ms")
}

// TestSlowStart: a program that needs longer to start than a claim has time is
// not started anew with each.
func TestSlowStart(t *testing.T) {
	gate := filepath.Join(t.TempDir(), "gate")
	script := `while ! [ -e "$1" ]; do sleep 0.01; done; exec "$0"`
	p := start(t, Options{Command: []string{"/bin/sh", "-c", script, os.Args[0], gate}}, "obey")
	d := newDesk(t)
	for range 3 {
		d.do(p, order{records: bodied("a"), timeout: 50 * time.Millisecond}).wantErr(t, "no process of the program is free")
	}
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	d.say(p, "a").wantOK(t, "out a")
	if s := p.Stats(); s.Started != 1 {
		t.Errorf("%+v", s)
	}
}

// TestFewest: no more processes are started than claims run at a time.
func TestFewest(t *testing.T) {
	p := start(t, Options{Processes: 8}, "obey")
	d := newDesk(t)
	for range 5 {
		d.say(p, "a").wantOK(t, "out a")
	}
	if s := p.Stats(); s.Started != 1 {
		t.Errorf("one after the other: %+v", s)
	}
	var all []<-chan outcome
	for range 16 {
		all = append(all, d.put(p, order{records: bodied("a")}))
	}
	for _, c := range all {
		(<-c).wantOK(t, "out a")
	}
	if s := p.Stats(); s.Started > 8 || s.Processes != int(s.Started) || s.Claims != 21 {
		t.Errorf("%+v", s)
	}
}

// TestRestartAfter: a process is replaced between claims.
func TestRestartAfter(t *testing.T) {
	var l log
	p := start(t, Options{RestartAfter: 3, Logger: l.logger()}, "obey")
	d := newDesk(t)
	var pids []string
	for range 9 {
		o := d.say(p, "pid", "pid")
		o.wantAny(t)
		if o.out[0] != o.out[1] {
			t.Errorf("within a claim: %q", o.out)
		}
		pids = append(pids, o.out[0])
	}
	for i, pid := range pids {
		if same := i%3 != 0; i > 0 && same != (pid == pids[i-1]) {
			t.Errorf("claim %d: %q", i, pids)
		}
	}
	until(t, "the last one has ended", func() bool { return p.Stats().Processes == 0 })
	if s := p.Stats(); s.Started != 3 || s.Failed != 0 || p.delays()[0] != 0 {
		t.Errorf("%+v", s)
	}
	if l.String() != "" {
		t.Errorf("the log says\n%s", &l)
	}
}

func countLines(text string, parts ...string) (n int) {
lines:
	for line := range strings.Lines(text) {
		for _, p := range parts {
			if !strings.Contains(line, p) {
				continue lines
			}
		}
		n++
	}
	return n
}

// TestServedTooLate: a process that comes just when the time of its claim is
// over goes back to the others.
func TestServedTooLate(t *testing.T) {
	p := start(t, Options{}, "obey")
	newDesk(t).say(p, "a").wantOK(t, "out a")
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for seen := [2]bool{}; !seen[0] || !seen[1]; { // it is by chance which is noticed first
		pr, err := p.take(context.Background(), 1)
		if err != nil {
			t.Fatal(err)
		}
		pr.finish()
		w := &waiter{make(chan grant, 1)}
		w.got <- grant{pr: pr}
		if _, err = p.wait(ctx, w); err == nil {
			seen[0] = true
			p.give(pr)
		} else {
			seen[1] = true
		}
		if s := p.Stats(); s.Idle != 1 || err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("%+v %v", s, err)
		}
	}
}
