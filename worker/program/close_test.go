package program

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// TestClose: after Close nothing is left, and nothing begins. (The rest is
// checked at the end of each test.)
func TestClose(t *testing.T) {
	p := start(t, Options{Processes: 4}, "obey")
	d := newDesk(t)
	d.do(p, order{records: bodied("a", "b", "c", "d"), lanes: 4}).wantAny(t)
	begun := time.Now()
	for range 2 {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
	if took := time.Since(begun); took > 2*time.Second { // less than StopGrace: they have seen the end of stdin
		t.Errorf("it took %v", took)
	}
	if n := len(family(t)); n != 0 {
		t.Errorf("%d processes are left", n)
	}
	if o := d.say(p, "a"); !errors.Is(o.err, errs.Closed) {
		t.Errorf("a claim after Close: %v", o.err)
	}
}

// TestCloseUnused: also of a program that never ran.
func TestCloseUnused(t *testing.T) {
	start(t, Options{Processes: 4}, "obey")
}

// TestCloseStarting: a process that is being started is not waited for.
func TestCloseStarting(t *testing.T) {
	p := start(t, Options{}, "silent")
	c := newDesk(t).put(p, order{records: bodied("a")})
	until(t, "a process starts", func() bool { return p.Stats().Processes == 1 })
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if o := <-c; !errors.Is(o.err, errs.Closed) {
		t.Errorf("the claim that waited: %v", o.err)
	}
}

// TestCloseResting: nor is the wait after a failure.
func TestCloseResting(t *testing.T) {
	p := start(t, Options{}, "dies")
	d := newDesk(t)
	for range 8 {
		d.say(p, "a").wantErr(t, "exit status 7")
	}
	begun := time.Now()
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if took := time.Since(begun); took > time.Second {
		t.Errorf("it took %v", took)
	}
}

// TestCloseBusy: a running claim may continue for the grace; then its process
// is killed.
func TestCloseBusy(t *testing.T) {
	t.Run("it ends", func(t *testing.T) {
		gate := t.TempDir() + "/gate"
		script := `read -r _; echo '{"pipeproc":1}'; read -r _; while ! [ -e "$0" ]; do sleep 0.01; done; echo '{"n":1}'; read -r _`
		p := start(t, Options{Command: []string{"/bin/sh", "-c", script, gate}, StopGrace: time.Minute}, "")
		c := newDesk(t).put(p, order{records: bodied("a")})
		until(t, "it is busy", func() bool { return p.busy(1) })
		closed := make(chan error)
		go func() { closed <- p.Close() }()
		until(t, "it closes", func() bool { p.mu.Lock(); defer p.mu.Unlock(); return p.closed })
		if err := os.WriteFile(gate, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		(<-c).wantOK(t)
		if err := <-closed; err != nil {
			t.Error(err)
		}
	})
	t.Run("it does not", func(t *testing.T) {
		p := start(t, Options{StopGrace: 100 * time.Millisecond}, "obey")
		c := newDesk(t).put(p, order{records: bodied("hang")})
		until(t, "it is busy", func() bool { return p.busy(1) })
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		o := <-c
		if o.wantErr(t, "the program was killed: closed"); !errors.Is(o.err, errs.Closed) {
			t.Errorf("%v", o.err)
		}
	})
}

// TestCancel: when the pool closes, a claim may continue for the grace too.
func TestCancel(t *testing.T) {
	p := start(t, Options{StopGrace: 100 * time.Millisecond}, "obey")
	d := newDesk(t)
	c := d.put(p, order{records: bodied("hang")})
	until(t, "it is busy", func() bool { return p.busy(1) })
	if err := d.pool.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if o := <-c; !o.released || o.took < 100*time.Millisecond {
		t.Errorf("%+v", o)
	}
}

// TestCancelledLane: when one lane fails, the processes of the others live on.
func TestCancelledLane(t *testing.T) {
	p := start(t, Options{Processes: 2}, "obey")
	d := newDesk(t)
	d.do(p, order{records: bodied("a", "b"), lanes: 2}).wantAny(t)
	for range 20 {
		d.do(p, order{records: bodied("a", "error bad luck"), lanes: 2}).wantErr(t, "bad luck")
	}
	d.do(p, order{records: bodied("a", "b"), lanes: 2}).wantAny(t)
	// One is enough if it is through with one lane before the other asks.
	if s := p.Stats(); s.Started > 2 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestLateInterrupt: an interrupt that comes when its claim is over already does
// nothing to the next one.
func TestLateInterrupt(t *testing.T) {
	p := start(t, Options{}, "obey")
	d := newDesk(t)
	d.say(p, "a", "b").wantAny(t)
	dir := t.TempDir()
	c := d.put(p, order{records: bodied("meet 2 " + dir)})
	until(t, "it is busy", func() bool { return p.busy(1) })
	ctx, cancel := context.WithTimeout(context.Background(), 0)
	defer cancel()
	for _, pr := range p.all() {
		pr.interrupt(ctx, 1)
	}
	if err := os.WriteFile(dir+"/other", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	(<-c).wantAny(t)
	for _, pr := range p.all() {
		pr.interrupt(ctx, 3)
	}
	d.say(p, "a").wantAny(t)
	if s := p.Stats(); s.Started != 1 || s.Claims != 3 {
		t.Errorf("%+v", s)
	}
}

// TestCloseLaunching: a process that is created just when the program is closed
// is ended as well.
func TestCloseLaunching(t *testing.T) {
	p := start(t, Options{}, "silent")
	p.mu.Lock()
	p.closed = true
	p.starting, p.live = 1, 1
	p.mu.Unlock()
	p.tend(&p.slots[0])
	if s := p.Stats(); s.Started != 1 || s.Processes != 0 || s.Failed != 0 {
		t.Errorf("%+v", s)
	}
}

// TestStubborn: what does not end at the end of its stdin gets a SIGTERM, and
// what ignores that a SIGKILL.
func TestStubborn(t *testing.T) {
	const grace = 200 * time.Millisecond
	t.Run("SIGKILL", func(t *testing.T) {
		var l log
		p := start(t, Options{StopGrace: grace, Logger: l.logger()}, "stubborn")
		newDesk(t).say(p, "a").wantOK(t, "out a")
		begun := time.Now()
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if took := time.Since(begun); took < 2*grace {
			t.Errorf("it took %v", took)
		}
		if s := l.String(); countLines(s, "signal=terminated") != 1 || countLines(s, "signal=killed") != 1 {
			t.Errorf("the log says\n%s", s)
		}
	})
	t.Run("SIGTERM", func(t *testing.T) {
		var l log
		script := `trap 'echo terminated >&2; exit 0' TERM; read -r _; echo '{"pipeproc":1}'; read -r _; echo '{"n":1}'; sleep 1000 & wait`
		p := start(t, Options{StopGrace: grace, Logger: l.logger(), Command: []string{"/bin/sh", "-c", script}}, "")
		newDesk(t).say(p, "a").wantOK(t)
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if s := l.String(); !strings.Contains(s, "line=terminated") || strings.Contains(s, "signal=killed") {
			t.Errorf("the log says\n%s", s)
		}
	})
}

// TestFinalWords: what a program writes after the end of its stdin does no harm,
// nor does it to close stdout long before it ends.
func TestFinalWords(t *testing.T) {
	script := `read -r _; echo '{"pipeproc":1}'; read -r _; echo '{"n":1}'; while read -r _; do :; done; yes bye | head -n 100000; exec >&-; sleep 1.3`
	var l log
	p := start(t, Options{Logger: l.logger(), Command: []string{"/bin/sh", "-c", script}}, "")
	newDesk(t).say(p, "a").wantOK(t)
	if err := p.Close(); err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s.Failed != 0 || l.String() != "" {
		t.Errorf("%+v\n%s", s, &l)
	}
}
