//go:build unix

package program

import (
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

func init() { leave = func(c *exec.Cmd) { c.SysProcAttr = &syscall.SysProcAttr{Setsid: true} } }

// TestEscape: a process that has left the group, and keeps the pipes, is not
// waited for.
func TestEscape(t *testing.T) {
	p := start(t, Options{}, "obey")
	d := newDesk(t)
	o := d.say(p, "fork away")
	o.wantAny(t)
	pid := atoi(o.out[0][len("out "):])
	defer func() {
		if err := kill(pid, syscall.SIGKILL); err != nil {
			t.Errorf("it is gone: %v", err)
		}
		until(t, "it is gone", func() bool { return len(family(t)) == 0 })
	}()
	o = d.say(p, "exit 1")
	if o.wantErr(t, "exit status 1"); o.took > 10*time.Second {
		t.Errorf("it took %v", o.took)
	}
	d.say(p, "fine").wantOK(t, "out fine")
	if err := p.Close(); err != nil {
		t.Error(err)
	}
}

// TestUnkillable: Close does not wait for ever for a process that the system
// does not let go of, and says so.
func TestUnkillable(t *testing.T) {
	p := start(t, Options{StopGrace: 10 * time.Millisecond}, "stubborn")
	o := newDesk(t).say(p, "pid")
	o.wantAny(t)
	pid := o.out[0][len("out "):]
	for _, pr := range p.all() { // stands in for one: its number is another's
		pr.mu.Lock()
		pr.pid, pr.group = 1<<30, 1<<30
		pr.mu.Unlock()
	}
	if err := p.Close(); err == nil || !strings.Contains(err.Error(), "processes of the program do not end: [1073741824]") {
		t.Errorf("%v", err)
	}
	if err := kill(atoi(pid), syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func atoi(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		panic(err)
	}
	return n
}
