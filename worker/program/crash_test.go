package program

import (
	"errors"
	"os/exec"
	"runtime"
	"testing"
	"time"
)

// delays returns how long each slot has waited the last time.
func (p *Program) delays() (list []time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range p.slots {
		list = append(list, p.slots[i].delay)
	}
	return list
}

// TestCrash: a process that ends within a claim fails it, with its exit status
// and its last words; it is replaced.
func TestCrash(t *testing.T) {
	var l log
	p := start(t, Options{Logger: l.logger()}, "obey")
	d := newDesk(t)
	for _, c := range []struct {
		bodies []string
		want   []string
	}{
		{[]string{"a", "exit 3", "b"}, []string{"the program has ended: exit status 3 (1 of 3 records were answered)"}},
		{[]string{"exit 0"}, []string{"the program has ended: exit status 0 (0 of 1"}},
		{[]string{"say I am\tlost", "kill 15"}, []string{"signal: terminated", `; its last line on stderr: "I am\tlost" (1 of 2`}},
		{[]string{"kill 9"}, []string{"the program has ended: signal: killed (0 of 1"}},
	} {
		o := d.say(p, c.bodies...)
		o.wantErr(t, c.want...)
		if _, ok := errors.AsType[*exec.ExitError](o.err); !ok {
			t.Errorf("there is no ExitError in %v", o.err)
		}
		d.say(p, "fine").wantOK(t, "out fine")
	}
	if s := p.Stats(); s.Started != 5 || s.Failed != 4 || s.Claims != 4 {
		t.Errorf("%+v", s)
	}
	if got := countLines(l.String(), "has ended before its time"); got != 4 {
		t.Errorf("the log has %d ends:\n%s", got, &l)
	}
}

// TestCrashWhileWriting: so it does when the rest of the claim cannot be written
// any more.
func TestCrashWhileWriting(t *testing.T) {
	p := start(t, Options{}, "obey")
	d := newDesk(t)
	bodies := make([]string, 10_000)
	for i := range bodies {
		bodies[i] = "exit 4"
	}
	d.say(p, bodies...).wantErr(t, "the program has ended: exit status 4 (0 of 10000")
	d.say(p, "fine").wantOK(t, "out fine")
}

// TestBackoff: a process that fails is replaced later each time, and at once
// again after a success.
func TestBackoff(t *testing.T) {
	p := start(t, Options{}, "obey")
	d := newDesk(t)
	begun, want := time.Now(), time.Duration(0)
	for _, ms := range []time.Duration{10, 20, 40, 80, 160} {
		d.say(p, "exit 1").wantErr(t, "exit status 1")
		if got := p.delays()[0]; got != ms*time.Millisecond {
			t.Errorf("it waits for %v, not %d ms", got, ms)
		}
		want += ms * time.Millisecond
	}
	d.say(p, "error is an answer").wantErr(t, "is an answer")
	if took := time.Since(begun); took < want {
		t.Errorf("it has waited for %v, not %v", took, want)
	}
	if got := p.delays()[0]; got != 0 {
		t.Errorf("after an answer it waits for %v", got)
	}
	d.say(p, "exit 1").wantErr(t, "exit status 1")
	if got := p.delays()[0]; got != minDelay {
		t.Errorf("after a success it waits for %v", got)
	}
}

// TestDelay: the wait has a bound.
func TestDelay(t *testing.T) {
	p, err := New(Options{Command: []string{"none"}})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	p.mu.Lock()
	s := &p.slots[0]
	var total time.Duration
	for range 20 {
		p.live++
		p.failed(s, errUnused)
		s.rest.Stop()
		total += s.delay
	}
	p.mu.Unlock()
	if s.delay != 3*time.Second || total != 5110*time.Millisecond+11*3*time.Second {
		t.Errorf("it waits for %v, for %v in all", s.delay, total)
	}
}

var errUnused = errors.New("a failure")

// TestOthersGoOn: while one process hangs and another crashes, the third works.
func TestOthersGoOn(t *testing.T) {
	p := start(t, Options{Processes: 3, StopGrace: 100 * time.Millisecond}, "obey")
	d := newDesk(t)
	hangs := d.put(p, order{records: bodied("hang"), timeout: time.Minute})
	until(t, "a process is busy", func() bool { return p.busy(1) })
	d.say(p, "exit 1").wantErr(t, "exit status 1")
	d.say(p, "exit 1").wantErr(t, "exit status 1")
	begun := time.Now()
	for range 20 {
		d.say(p, "fine").wantOK(t, "out fine")
	}
	if took := time.Since(begun); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
	select {
	case o := <-hangs:
		t.Errorf("the other claim has ended: %+v", o)
	default:
	}
}

// TestIdleDeath: a process that dies between claims is replaced, and no claim
// fails for it.
func TestIdleDeath(t *testing.T) {
	var l log
	p := start(t, Options{Logger: l.logger()}, "once")
	d := newDesk(t)
	for i := range 5 {
		d.say(p, "fine").wantOK(t, "out fine")
		all := p.all()
		until(t, "the process has ended", func() bool { return p.Stats().Failed == uint64(i+1) })
		for _, pr := range all { // the goroutine that had it may be late
			p.give(pr)
		}
		if s := p.Stats(); s.Idle != 0 {
			t.Fatalf("%+v", s)
		}
	}
	if got := countLines(l.String(), "level=WARN", "exit status 0"); got != 5 {
		t.Errorf("the log has %d ends:\n%s", got, &l)
	}
}

// TestIdleKilled: no claim gets a process that is about to end.
func TestIdleKilled(t *testing.T) {
	p := start(t, Options{}, "obey")
	d := newDesk(t)
	for range 10 {
		d.say(p, "fine").wantOK(t, "out fine")
		for _, pr := range p.all() {
			pr.fail(errUnused)
		}
	}
	d.say(p, "fine").wantOK(t, "out fine")
}

// TestHang: a claim whose time is over fails, and its process is killed, with
// those that it has started.
func TestHang(t *testing.T) {
	p := start(t, Options{StopGrace: time.Minute}, "obey")
	d := newDesk(t)
	o := d.say(p, "fork")
	if o.err != nil || len(family(t)) != 2 {
		t.Fatalf("%v, processes %v", o.err, family(t))
	}
	o = d.do(p, order{records: bodied("a", "hang"), timeout: time.Second})
	o.wantErr(t, "the program was killed: context deadline exceeded (1 of 2 records were answered)")
	if o.took > 10*time.Second {
		t.Errorf("it took %v", o.took)
	}
	if runtime.GOOS == "linux" {
		until(t, "no process is left", func() bool { return len(family(t)) == 0 })
	}
	d.say(p, "fine").wantOK(t, "out fine")
}

// TestHangWhileWriting: so does one that does not even read.
func TestHangWhileWriting(t *testing.T) {
	p := start(t, Options{}, "obey")
	d := newDesk(t)
	d.say(p, "fine").wantOK(t, "out fine")
	bodies := make([]string, 10_000)
	for i := range bodies {
		bodies[i] = "hang"
	}
	d.do(p, order{records: bodied(bodies...), timeout: time.Second}).wantErr(t, "deadline exceeded (0 of 10000")
	d.say(p, "fine").wantOK(t, "out fine")
}

// TestStopped: a process that was stopped is killed too.
func TestStopped(t *testing.T) {
	p := start(t, Options{}, "obey")
	d := newDesk(t)
	d.say(p, "fine").wantOK(t, "out fine")
	d.do(p, order{records: bodied("kill 19"), timeout: time.Second}).wantErr(t, "deadline exceeded")
	d.say(p, "fine").wantOK(t, "out fine")
}

// TestGroup: what a process has started ends with it, however that ends.
func TestGroup(t *testing.T) {
	p := start(t, Options{}, "obey")
	d := newDesk(t)
	for _, last := range []string{"exit 0", "kill 9", "line garbage"} {
		d.say(p, "fork").wantAny(t)
		d.say(p, "fork", last).wantErr(t, "the program")
		if pids := family(t); len(pids) != 0 {
			t.Errorf("%s: left are %v", last, pids)
		}
	}
}

// TestClosedPipes: a process that closes its stdout or stdin, and stays, is
// killed.
func TestClosedPipes(t *testing.T) {
	p := start(t, Options{}, "close")
	d := newDesk(t)
	d.say(p, "stdout").wantErr(t, "the program was killed: it has closed its stdout")
	bodies := make([]string, 10_000)
	d.say(p, append(bodies, "stdin")...).wantErr(t, "the program was killed: it does not read its stdin: ", "broken pipe")
}
