package worker

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// fake is a Source in memory. Like the engine it takes claims back by itself
// when they time out, and calls watches while it holds a lock.
type fake struct {
	t testing.TB

	mu     sync.Mutex
	acks   sync.Cond // of mu: something was acknowledged
	procs  map[string]*fakeProc
	serial uint64
	calls  []string // what was called, in order: "claim a 1-2", "ack a", "reclaim a: reason" …
	out    []string // "topic key headers body" of what was committed, in order
	loud   bool     // calls and out are kept
	even   bool     // each record makes one record of output, or it is an error

	// Called without mu after the call was decided. An error becomes the
	// result: that of claim instead of what was claimed, those of the others
	// before anything is done.
	onClaim, onAck, onReclaim, onRelease hook
}

type hook = func(proc string) error

type fakeProc struct {
	topic    string
	timeout  time.Duration // not positive: never
	quick    time.Duration // of first attempts, if not 0
	disabled bool
	records  []record.Record
	next     int // of what is not acknowledged
	open     procstate.Token
	claimed  int // records of the open claim
	reclaims int
	asked    int // calls of Claim
	timer    *time.Timer
	watches  []*func()
}

func newFake(t testing.TB) *fake {
	f := &fake{t: t, procs: make(map[string]*fakeProc), loud: true}
	f.acks.L = &f.mu
	return f
}

// proc makes a proc, which reads a topic of its own name.
func (f *fake) proc(name string) *fakeProc {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.procs[name]
	if p == nil {
		p = &fakeProc{topic: name, timeout: -1}
		f.procs[name] = p
	}
	return p
}

// add commits records to the topic of a proc. "k=body" has a key.
func (f *fake) add(name string, bodies ...string) {
	p := f.proc(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, body := range bodies {
		r := record.Record{ID: record.ID{Seq: uint64(len(p.records))}, Topic: p.topic, Body: []byte(body)}
		if key, _, ok := strings.Cut(body, "="); ok {
			r.Key = []byte(key)
		}
		p.records = append(p.records, r)
	}
	p.notify()
}

// numbered commits n records, whose bodies are their sequences.
func (f *fake) numbered(name string, n int) {
	bodies := make([]string, n)
	for i := range bodies {
		bodies[i] = fmt.Sprint(i)
	}
	f.add(name, bodies...)
}

func (f *fake) disable(name string, on bool) {
	p := f.proc(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	p.disabled = on
	p.notify()
}

func (p *fakeProc) notify() {
	for _, fn := range p.watches {
		(*fn)()
	}
}

func (f *fake) say(format string, a ...any) {
	if f.loud {
		f.calls = append(f.calls, fmt.Sprintf(format, a...))
	}
}

// on sets one of the hooks.
func (f *fake) on(h *hook, fn hook) {
	f.mu.Lock()
	defer f.mu.Unlock()
	*h = fn
}

func (f *fake) hook(h *hook, proc string) error {
	f.mu.Lock()
	fn := *h
	f.mu.Unlock()
	if fn == nil {
		return nil
	}
	return fn(proc)
}

func (f *fake) Claim(ctx context.Context, proc string, count int, c *Task) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	err := f.claim(proc, count, c)
	if bad := f.hook(&f.onClaim, proc); bad != nil {
		if len(c.Records) > 0 {
			c.Records = c.Records[:0]
			f.mu.Lock()
			f.end(f.procs[proc])
			f.mu.Unlock()
		}
		return bad
	}
	return err
}

func (f *fake) claim(name string, count int, c *Task) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.procs[name]
	if p == nil {
		return errs.InvalidProc.With(name)
	}
	p.asked++
	if p.disabled {
		return errs.ProcDisabled.With(name)
	}
	left := p.records[p.next:]
	if count < 0 {
		count = len(left)
	}
	if n := min(count, len(left)); p.open == (procstate.Token{}) && n > 0 {
		f.serial++
		p.open, p.claimed = procstate.Token{Epoch: 1, Serial: f.serial}, n
		c.Proc, c.Topic, c.Token, c.Timeout, c.Attempt = name, p.topic, p.open, p.timeout, p.reclaims+1
		if p.quick > 0 && c.Attempt == 1 {
			c.Timeout = p.quick
		}
		c.Records = append(c.Records, left[:n]...)
		f.say("claim %s %d-%d", name, p.next, p.next+n-1)
		if c.Timeout > 0 {
			token := p.open
			p.timer = time.AfterFunc(c.Timeout, func() { _ = f.back(name, token, true, "timeout %s", name) })
		}
	}
	return nil
}

// back takes a claim back.
func (f *fake) back(name string, token procstate.Token, counts bool, format string, a ...any) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.procs[name]
	if p == nil {
		return errs.InvalidProc.With(name)
	}
	if p.open != token {
		return errs.ClaimLost.With(name)
	}
	f.say(format, a...)
	f.end(p)
	if counts {
		p.reclaims++
	}
	p.notify()
	return nil
}

func (f *fake) end(p *fakeProc) {
	p.open = procstate.Token{}
	if p.timer != nil {
		p.timer.Stop()
	}
}

func (f *fake) Reclaim(_ context.Context, c *Task, reason error) error {
	if err := f.hook(&f.onReclaim, c.Proc); err != nil {
		return err
	}
	return f.back(c.Proc, c.Token, true, "reclaim %s: %v", c.Proc, reason)
}

func (f *fake) Release(_ context.Context, c *Task) error {
	if err := f.hook(&f.onRelease, c.Proc); err != nil {
		return err
	}
	return f.back(c.Proc, c.Token, false, "release %s", c.Proc)
}

func (f *fake) AckCommit(_ context.Context, c *Task, out *topics.Batch) error {
	if err := f.hook(&f.onAck, c.Proc); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	p := f.procs[c.Proc]
	if p.open != c.Token {
		return errs.ClaimLost.With(c.Proc)
	}
	if f.even && (out == nil || out.Len() != p.claimed) {
		f.t.Errorf("%s: not one record of output for each of %d", c.Proc, p.claimed)
	}
	p.next += p.claimed
	p.reclaims = 0
	f.end(p)
	f.acks.Broadcast()
	f.say("ack %s", c.Proc)
	if out != nil && f.loud {
		f.out = append(f.out, contents(f.t, out)...)
	}
	p.notify()
	return nil
}

func (f *fake) Watch(proc, _ string, fn func()) func() {
	p := f.proc(proc)
	f.mu.Lock()
	defer f.mu.Unlock()
	w := &fn
	p.watches = append(p.watches, w)
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		p.watches = slices.DeleteFunc(p.watches, func(x *func()) bool { return x == w })
	}
}

// contents decodes what a batch holds, topic by topic.
func contents(t testing.TB, b *topics.Batch) []string {
	r := topics.NewRegistry(topics.Config{FS: vfs.NewMem(), Dir: "segments", MaxBody: 1 << 20, MaxBatch: 1 << 24,
		Default: topics.Options{SegmentSize: 1 << 20}})
	if err := r.Prepare(b); err != nil {
		t.Error(err)
		return nil
	}
	if _, err := r.Stage(b, 0); err != nil {
		t.Error(err)
		return nil
	}
	var list []string
	b.Slots(func(topic *topics.Topic, _ bool, blocks []topics.Block) {
		for _, blk := range blocks {
			rs := segment.NewRecords(blk.Header, blk.Body)
			for rec := (segment.Record{}); rs.Next(&rec); {
				s := topic.Name() + " " + string(rec.Key)
				for name, value := range segment.EachHeader(rec.Headers) {
					s += fmt.Sprintf(" %s:%s", name, value)
				}
				list = append(list, s+" "+string(rec.Body))
			}
			if rs.Err() != nil {
				t.Error(rs.Err())
			}
		}
	})
	return list
}

// trace returns the calls so far.
func (f *fake) trace() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// expect checks the calls, and forgets them.
func (f *fake) expect(t *testing.T, want ...string) {
	t.Helper()
	if got := f.trace(); !slices.Equal(got, want) {
		t.Errorf("called:\n%s\nnot:\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	f.mu.Lock()
	f.calls = nil
	f.mu.Unlock()
}

func (f *fake) asked(name string) int {
	p := f.proc(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	return p.asked
}

// acked returns how many records of a proc were acknowledged.
func (f *fake) acked(name string) int {
	p := f.proc(name)
	f.mu.Lock()
	defer f.mu.Unlock()
	return p.next
}

// wait waits for acknowledgements until ok, which is called with mu, is true.
func (f *fake) wait(ok func() bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !ok() {
		f.acks.Wait()
	}
}

func (f *fake) watched() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, p := range f.procs {
		n += len(p.watches)
	}
	return n
}

// add adds a job whose topic is called like its proc.
func add(t testing.TB, p *Pool, j Job) {
	t.Helper()
	j.Topic = j.Proc
	if err := p.Add(j); err != nil {
		t.Fatal(err)
	}
}

// closePool closes a pool of which nothing may be left.
func closePool(t testing.TB, p *Pool) {
	t.Helper()
	if err := p.Close(context.Background()); err != nil {
		t.Error(err)
	}
	if s := p.Stats(); s.Hung+s.Running+s.Workers != 0 {
		t.Errorf("after Close: %+v", s)
	}
}

// elapse lets time pass, in a bubble, and everything come to rest.
func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// pass is a processor that does nothing.
func pass(context.Context, *Work) error { return nil }

// logs keeps what is logged.
type logs struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logs) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logs) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// count returns how many lines hold s.
func (l *logs) count(s string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), s)
}
