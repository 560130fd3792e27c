package behaviour_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// After a restart a system proc goes on by itself when its processor is in
// Options.Processors.
func TestSystemProcGoesOnAfterRestart(t *testing.T) {
	var c calls
	reopenings(t, pipeproc.Options{Processors: map[string]pipeproc.Processor{"fn": c.note}}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, ProcessorName: "fn"})
		n.commit("t", "0")
		n.settled()
		n = reopen()
		n.commit("t", "1")
		n.settled()
		if got := c.take(); !slices.Equal(got, []string{"0", "1"}) {
			t.Errorf("%q", got)
		}
		if i := n.info("s"); i.Waiting != "" || i.System != "s" {
			t.Errorf("%+v", i)
		}
		if s, err := n.SystemProcs(t.Context()); err != nil || !s[0].Running || s[0].Processor != "fn" {
			t.Error(s, err)
		}
	})
}

// What was being processed when the process was killed is processed again at
// once, and counts: records that kill it each time come to an end.
func TestSystemProcKilledWhileItRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewCrash()
		open := func(fn pipeproc.Processor) *lab {
			return openOn(t, disk, pipeproc.Options{Processors: map[string]pipeproc.Processor{"s": fn}, CloseGrace: time.Nanosecond})
		}
		n := open(nop)
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Retry: pipeproc.RetryPolicy{MaxReclaims: 3, ReclaimTimeout: -1, OnMaxReclaims: pipeproc.StrategyDeadLetter}})
		n.shut()
		free := make(chan struct{})
		attempts := ""
		for i := range 3 {
			n = open(func(_ context.Context, w *pipeproc.Work) error {
				attempts += fmt.Sprint(w.Attempt())
				w.Emit(nil)
				<-free
				return nil
			})
			if i == 0 {
				n.commit("t", "bad", "good")
			}
			pass(time.Minute)
			disk = disk.Kill()
			_ = n.Close() // the node that was "killed"
		}
		n = open(through)
		n.settled()
		if attempts != "123" {
			t.Errorf("attempts %s", attempts)
		}
		n.wantTopic("u", "good")
		n.wantTopic("t__dead", "bad")
		close(free)
		synctest.Wait()
	})
}

// Without it the proc waits, says so, and keeps its records, until the processor
// is registered.
func TestSystemProcWaitsForItsProcessor(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		var c calls
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Processor: c.note})
		if i := n.info("s"); i.Waiting != "" {
			t.Errorf("%+v", i)
		}
		n = reopen()
		n.commit("t", "0")
		pass(0)
		if i := n.info("s"); !strings.Contains(i.Waiting, `"s"`) || i.Pending != 1 {
			t.Errorf("%+v", i)
		}
		if s, err := n.SystemProcs(t.Context()); err != nil || s[0].Running {
			t.Error(s, err)
		}
		wait := start(func() error { return n.WaitForProcs(t.Context()) })
		if wait.over() {
			t.Error("the proc is not done")
		}
		n.ok(n.Register("other", c.note))
		if wait.over() {
			t.Error("another processor does not count")
		}
		n.ok(n.Register("s", c.note))
		if !wait.over() || wait.err != nil {
			t.Error("it does not run", wait.err)
		}
		if got := c.take(); !slices.Equal(got, []string{"0"}) {
			t.Errorf("%q", got)
		}
		if i := n.info("s"); i.Waiting != "" {
			t.Errorf("%+v", i)
		}
	})
}

// A program that defines its system procs each time it starts attaches the
// processor with that.
func TestSystemProcDefinedAgainAfterRestart(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		var c calls
		o := pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Processor: c.note}
		n.system(o)
		n.commit("t", "0")
		n.settled()
		n = reopen()
		n.commit("t", "1")
		n.system(o)
		n.settled()
		if got := c.take(); !slices.Equal(got, []string{"0", "1"}) {
			t.Errorf("%q", got)
		}
	})
}

// The log says which processors are missing when the node is opened.
func TestSystemProcMissingProcessorIsLogged(t *testing.T) {
	disk := vfs.NewCrash()
	n := openOn(t, disk, pipeproc.Options{})
	n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, ProcessorName: "fn"})
	n.shut()
	var log lockedBuffer
	n = openOn(t, disk, pipeproc.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	if text := log.String(); !strings.Contains(text, "fn") {
		t.Errorf("%q", text)
	}
	n.shut()
	log.Reset()
	openOn(t, disk, pipeproc.Options{Logger: slog.New(slog.NewTextHandler(&log, nil)), Processors: map[string]pipeproc.Processor{"fn": nop}}).shut()
	if text := log.String(); strings.Contains(text, "level=WARN") {
		t.Errorf("%q", text)
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.String()
}

// Register replaces a processor: the new one gets what comes from then on.
func TestRegisterReplaces(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		var old, young calls
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t", "u"}, Processor: old.note})
		n.commit("t", "0")
		n.settled()
		n.ok(n.Register("s", young.note))
		n.commit("t", "1")
		n.commit("u", "2")
		n.settled()
		if got := old.take(); !slices.Equal(got, []string{"0"}) {
			t.Errorf("the old one got %q", got)
		}
		if got := young.take(); len(got) != 2 {
			t.Errorf("the new one got %q", got)
		}
	})
}

// One processor may serve several system procs, and be there before them.
func TestRegisterBeforeTheDefinition(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		var c calls
		n.ok(n.Register("fn", c.note))
		for _, name := range []string{"a", "b"} {
			n.system(pipeproc.SystemProcOptions{Name: name, From: []string{"t"}, ProcessorName: "fn"})
		}
		n.commit("t", "0")
		n.settled()
		if got := c.take(); !slices.Equal(got, []string{"0", "0"}) {
			t.Errorf("%q", got)
		}
	})
}

// Topics that are added to From are processed at once, those that Replace drops no
// longer are.
func TestSystemProcTopicsComeAndGo(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		var c calls
		o := pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}, Processor: c.note}
		n.system(o)
		o.From = []string{"a", "b", "c"}
		n.system(o)
		for _, topic := range o.From {
			n.commit(topic, topic)
		}
		n.settled()
		if got := c.take(); len(got) != 3 {
			t.Errorf("%q", got)
		}
		o.From, o.Replace = []string{"b", "d"}, true
		n.system(o)
		for _, topic := range []string{"a", "b", "c", "d"} {
			n.commit(topic, topic)
		}
		n.settled()
		got := c.take()
		slices.Sort(got)
		if !slices.Equal(got, []string{"b", "d"}) {
			t.Errorf("%q", got)
		}
	})
}
