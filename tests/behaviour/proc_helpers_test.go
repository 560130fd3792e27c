package behaviour_test

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// Comments of these tests such as "node/proc #4" name the case of the original
// system's test suite that a test transcribes: file and number.

// lab is a node in a test. Its own methods stop the test if they fail.
type lab struct {
	*pipeproc.Node
	t *testing.T
}

// newLab opens a node in memory that ends with the test.
func newLab(t *testing.T, o *pipeproc.Options) *lab {
	t.Helper()
	if o == nil {
		o = &pipeproc.Options{}
	}
	if o.WALSize == 0 {
		o.WALSize = 256 << 10
	}
	n, err := pipeproc.OpenMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{n, t}
	t.Cleanup(l.shut)
	return l
}

// bubble runs fn with a node in memory, in a bubble of its own time
// (testing/synctest).
func bubble(t *testing.T, o *pipeproc.Options, fn func(t *testing.T, n *lab)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { fn(t, newLab(t, o)) })
}

// reopenings runs fn twice, with a function that closes the node and opens it
// again: once properly, and once from what a killed process leaves.
func reopenings(t *testing.T, o pipeproc.Options, fn func(t *testing.T, n *lab, reopen func() *lab)) {
	t.Helper()
	for _, kill := range []bool{false, true} {
		t.Run(map[bool]string{false: "closed", true: "killed"}[kill], func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var n *lab
				disk := vfs.NewCrash()
				reopen := func() *lab {
					if n != nil && kill {
						disk = disk.Kill()
					}
					if n != nil {
						n.shut()
					}
					n = openOn(t, disk, o)
					return n
				}
				fn(t, reopen(), reopen)
			})
		})
	}
}

// openOn opens the store on a file system.
func openOn(t *testing.T, fs vfs.FS, o pipeproc.Options) *lab {
	t.Helper()
	o.FS = fs
	if o.WALSize == 0 {
		o.WALSize = 256 << 10
	}
	n, err := pipeproc.Open("store", &o)
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{n, t}
	t.Cleanup(l.shut)
	return l
}

func (n *lab) shut() {
	n.t.Helper()
	if err := n.Close(); err != nil {
		n.t.Error("closing:", err)
	}
}

// commit commits a record for each body, in one batch.
func (n *lab) commit(topic string, bodies ...string) []pipeproc.ID {
	n.t.Helper()
	ids, err := n.Commit(n.t.Context(), recordsOf(topic, bodies...)...)
	n.ok(err)
	return ids
}

// each commits the bodies one by one, a second apart.
func (n *lab) each(topic string, bodies ...string) (ids []pipeproc.ID) {
	n.t.Helper()
	for _, b := range bodies {
		pass(time.Second)
		ids = append(ids, n.commit(topic, b)...)
	}
	return ids
}

func recordsOf(topic string, bodies ...string) []pipeproc.Record {
	recs := make([]pipeproc.Record, len(bodies))
	for i, b := range bodies {
		recs[i] = pipeproc.Record{Topic: topic, Body: []byte(b)}
	}
	return recs
}

// claim claims for a proc, which it makes if need be.
func (n *lab) claim(o pipeproc.ProcOptions) pipeproc.Claim {
	n.t.Helper()
	c, err := n.Claim(n.t.Context(), o)
	n.ok(err)
	return c
}

// want claims and checks what the bodies are.
func (n *lab) want(o pipeproc.ProcOptions, bodies ...string) pipeproc.Claim {
	n.t.Helper()
	c := n.claim(o)
	n.wantBodies(c, bodies...)
	return c
}

func (n *lab) wantBodies(c pipeproc.Claim, bodies ...string) {
	n.t.Helper()
	if list := bodiesOf(c.Records); !slices.Equal(list, bodies) {
		n.t.Errorf("claimed %q, want %q", list, bodies)
	}
}

// ensure makes a proc.
func (n *lab) ensure(o pipeproc.ProcOptions) pipeproc.ProcInfo {
	n.t.Helper()
	i, err := n.EnsureProc(n.t.Context(), o)
	n.ok(err)
	return i
}

// ack acknowledges the open claim of a proc.
func (n *lab) ack(proc string) pipeproc.IDRange {
	n.t.Helper()
	r, err := n.Ack(n.t.Context(), proc, pipeproc.Token{})
	n.ok(err)
	return r
}

// reclaim gives the open claim of a proc back.
func (n *lab) reclaim(proc string) pipeproc.IDRange {
	n.t.Helper()
	r, err := n.Reclaim(n.t.Context(), proc, pipeproc.Token{}, "")
	n.ok(err)
	return r
}

// info describes a proc.
func (n *lab) info(proc string) pipeproc.ProcInfo {
	n.t.Helper()
	i, err := n.InspectProc(n.t.Context(), proc)
	n.ok(err)
	return i
}

// disable, resume, destroy and seek change a proc.
func (n *lab) disable(proc string) pipeproc.ProcInfo {
	n.t.Helper()
	i, err := n.DisableProc(n.t.Context(), proc)
	n.ok(err)
	return i
}

func (n *lab) resume(proc string) pipeproc.ProcInfo {
	n.t.Helper()
	i, err := n.ResumeProc(n.t.Context(), proc)
	n.ok(err)
	return i
}

func (n *lab) destroy(proc string) pipeproc.ProcInfo {
	n.t.Helper()
	i, err := n.DestroyProc(n.t.Context(), proc)
	n.ok(err)
	return i
}

func (n *lab) seek(proc, offset string) pipeproc.ProcInfo {
	n.t.Helper()
	i, err := n.SeekProc(n.t.Context(), proc, offset)
	n.ok(err)
	return i
}

// ok stops the test on an error.
func (n *lab) ok(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// bodies reads a topic; one that does not exist has none.
func (n *lab) bodies(topic string) (list []string) {
	n.t.Helper()
	for r, err := range n.Range(n.t.Context(), topic, pipeproc.RangeOptions{}) {
		if pipeproc.Code(err) == "invalid_topic" {
			return nil
		}
		if err != nil {
			n.t.Fatal(err)
		}
		list = append(list, string(r.Body))
	}
	return list
}

// wantTopic checks the bodies of a topic.
func (n *lab) wantTopic(topic string, bodies ...string) {
	n.t.Helper()
	if list := n.bodies(topic); !slices.Equal(list, bodies) {
		n.t.Errorf("topic %s holds %q, want %q", topic, list, bodies)
	}
}

func bodiesOf(recs []pipeproc.Record) (list []string) {
	for _, r := range recs {
		list = append(list, string(r.Body))
	}
	return list
}

// wantCode checks the code of an error, and that its text says the words.
func wantCode(t *testing.T, err error, code string, words ...string) {
	t.Helper()
	if err == nil || pipeproc.Code(err) != code {
		t.Errorf("error %v, want %s", err, code)
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("error %q does not say %q", err, w)
		}
	}
}

// pass lets time go by, which takes no real time in a bubble, and waits until
// everything that is then due has been done.
func pass(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}

// result is a call of a function in the background, and its error once it has
// returned.
type result struct {
	done chan struct{}
	err  error
}

func start(fn func() error) *result {
	r := &result{done: make(chan struct{})}
	go func() {
		defer close(r.done)
		r.err = fn()
	}()
	return r
}

// over reports whether fn has returned, once nothing else runs in the bubble.
func (r *result) over() bool {
	synctest.Wait()
	select {
	case <-r.done:
		return true
	default:
		return false
	}
}

// ended is a context that has ended.
func ended() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// nop is a processor that does nothing.
func nop(context.Context, *pipeproc.Work) error { return nil }
