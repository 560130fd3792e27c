package pipelines

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// TestManyProcs: thousands of topics with a proc each cost little memory, few
// files and no time to open.
func TestManyProcs(t *testing.T) {
	count := 2000
	if *full {
		count = 10_000
	}
	ctx := context.Background()
	m := &many{t: t, dir: filepath.Join(t.TempDir(), "data"), count: count}
	n, _, _ := m.open()
	var b pipeproc.Batch
	for first := 0; first < count; first += 500 {
		b.Reset()
		for i := first; i < min(first+500, count); i++ {
			for range 3 {
				_ = b.Add(topicName(i), make([]byte, 100))
			}
		}
		if err := n.CommitBatch(ctx, &b); err != nil {
			t.Fatal(err)
		}
	}
	m.close(n)
	n, took, topics := m.open()
	t.Logf("%d topics: open %v, %d bytes of heap for each topic, %d files open", count, took, topics/int64(count), m.files())

	start := time.Now()
	for i := range count {
		c, err := n.Claim(ctx, pipeproc.ProcOptions{Name: fmt.Sprint("proc-", i), Topic: topicName(i), Count: 2})
		if err != nil || len(c.Records) != 2 {
			t.Fatal(len(c.Records), err)
		}
		if i%2 == 0 { // the others keep their claim
			if _, err := n.Ack(ctx, c.Proc, c.Token); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("making %d procs, a claim each, every other acknowledged: %v", count, time.Since(start).Round(time.Millisecond))
	m.close(n)
	n, took, both := m.open()
	t.Logf("%d topics with a proc each: open %v, %d bytes of heap for each proc, %d files open", count, took, (both-topics)/int64(count), m.files())
	if took > 5*time.Second {
		t.Errorf("opening takes %v", took)
	}
	if each := (both - topics) / int64(count); each > 4096 {
		t.Errorf("a proc takes %d bytes of heap", each)
	}
	if f := m.files(); f > 32 {
		t.Errorf("%d files are open", f)
	}
	start = time.Now()
	procs, err := n.Procs(ctx)
	if err != nil || len(procs) != count {
		t.Fatal(len(procs), err)
	}
	for _, p := range procs {
		if p.Pending != 1 && p.Pending != 3 {
			t.Fatalf("%+v", p)
		}
	}
	t.Logf("describing them: %v", time.Since(start).Round(time.Millisecond))
	m.close(n)
}

// TestManySystemProcs: the same number of system procs are defined and attached in a
// time that is proportional to it, and start when the store is opened.
func TestManySystemProcs(t *testing.T) {
	count := 500
	if *full {
		count = 5000
	}
	ctx := context.Background()
	m := &many{t: t, dir: filepath.Join(t.TempDir(), "data"), count: count}
	n, _, _ := m.open()
	pass := func(context.Context, *pipeproc.Work) error { return nil }
	start := time.Now()
	for i := range count {
		_, err := n.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: fmt.Sprint("proc-", i), From: []string{topicName(i)},
			ProcessorName: "pass", Processor: pass})
		if err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(start)
	t.Logf("defining %d system procs: %v, %v each", count, took.Round(time.Millisecond), took/time.Duration(count))
	if each := took / time.Duration(count); each > 2*time.Millisecond {
		t.Errorf("defining a system proc takes %v when there are %d", each, count)
	}
	m.close(n)
	m.processors = map[string]pipeproc.Processor{"pass": pass}
	n, took, heap := m.open()
	t.Logf("opening: %v, %d bytes of heap for each", took, heap/int64(count))
	if took > 5*time.Second {
		t.Errorf("opening takes %v", took)
	}
	m.close(n)
}

func topicName(i int) string { return fmt.Sprintf("topic-%05d", i) }

// many is a store of many topics.
type many struct {
	t          *testing.T
	dir        string
	count      int
	processors map[string]pipeproc.Processor
}

// open opens the store, and says how long that took and what it takes of heap.
func (m *many) open() (n *pipeproc.Node, took time.Duration, size int64) {
	m.t.Helper()
	before := heap()
	start := time.Now()
	n, err := pipeproc.Open(m.dir, &pipeproc.Options{Sync: pipeproc.SyncNever, WALSize: 8 << 20, Processors: m.processors})
	took = time.Since(start).Round(100 * time.Microsecond)
	if err != nil {
		m.t.Fatal(err)
	}
	return n, took, heap() - before
}

func (m *many) close(n *pipeproc.Node) {
	m.t.Helper()
	start := time.Now()
	if err := n.Close(); err != nil {
		m.t.Fatal(err)
	}
	m.t.Logf("close: %v", time.Since(start).Round(time.Millisecond))
}

// files returns how many files of the store this process has open.
func (m *many) files() (open int) {
	links, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	for _, l := range links {
		if to, err := os.Readlink("/proc/self/fd/" + l.Name()); err == nil && strings.HasPrefix(to, m.dir+"/") {
			open++
		}
	}
	return open
}

// heap returns the bytes of live memory.
func heap() int64 {
	var s runtime.MemStats
	runtime.GC()
	debug.FreeOSMemory()
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}
