package program

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/worker"
)

// modeEnv makes the test binary a program that speaks the protocol, or does not.
const modeEnv = "PIPEPROC_TEST_CHILD"

func TestMain(m *testing.M) {
	if mode := os.Getenv(modeEnv); mode != "" {
		os.Exit(play(mode))
	}
	os.Exit(m.Run())
}

// patience is how long tests wait for what must happen soon.
const patience = 30 * time.Second

// until waits for ok to become true.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	end := time.After(patience)
	for tick := time.NewTicker(2 * time.Millisecond); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("it has not come to this: %s", what)
		}
	}
}

// env is the environment of a child in a mode. Its processes are found by it.
func env(t testing.TB, mode string) []string {
	return append(os.Environ(), modeEnv+"="+mode, mark(t))
}

// mark is in the environment of this run's children of a test.
func mark(t testing.TB) string { return fmt.Sprintf("PIPEPROC_TEST_NAME=%s/%d", t.Name(), os.Getpid()) }

// family returns the processes that have the environment of this test's
// children, with those that they have started. Dead ones have none.
func family(t testing.TB) (pids []string) {
	list, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		b, err := os.ReadFile(name)
		if err == nil && bytes.Contains(b, []byte(mark(t)+"\x00")) {
			pids = append(pids, filepath.Base(filepath.Dir(name)))
		}
	}
	return pids
}

func descriptors() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}

// start returns a program in a process for each of n claims, of which nothing
// may be left at the end of the test.
func start(t testing.TB, o Options, mode string) *Program {
	t.Helper()
	goroutines, files := runtime.NumGoroutine(), descriptors()
	if len(o.Command) == 0 {
		o.Command = []string{os.Args[0]}
	}
	if o.Command[0] == "/bin/sh" && runtime.GOOS == "windows" {
		t.Skip("SKIPPED: there is no /bin/sh")
	}
	if o.Env == nil {
		o.Env = env(t, mode)
	}
	if o.Name == "" {
		o.Name = "name"
	}
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
		if s := p.Stats(); s.Processes+s.Idle+s.Waiting != 0 {
			t.Errorf("after Close: %+v", s)
		}
		if pids := family(t); len(pids) != 0 {
			t.Errorf("processes are left: %v", pids)
		}
		until(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
		if n := descriptors(); n > files {
			t.Errorf("%d descriptors became %d", files, n)
		}
	})
	return p
}

// all returns the processes.
func (p *Program) all() (list []*process) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for pr := range p.procs {
		list = append(list, pr)
	}
	return list
}

// busy reports whether n processes run claims.
func (p *Program) busy(n int) bool {
	for _, pr := range p.all() {
		pr.mu.Lock()
		if pr.busy {
			n--
		}
		pr.mu.Unlock()
	}
	return n == 0
}

// order is a claim that a test wants to have handled.
type order struct {
	records []record.Record
	timeout time.Duration // default: never
	to      []string      // default: out
	lanes   int
	attempt int              // default 1
	fn      worker.Processor // default: Process
}

// outcome is what became of an order. The error is what Process has returned, or
// why the pool gives the claim back.
type outcome struct {
	out      []string // "topic body", with "key=" and "[name:value]" where there are any
	err      error
	released bool
	took     time.Duration
}

// desk is the Source of one pool: each order is a proc of its own.
type desk struct {
	t    testing.TB
	pool *worker.Pool

	mu     sync.Mutex
	serial int
	open   map[string]*desked
}

type desked struct {
	order
	claimed time.Time
	done    chan outcome
}

func newDesk(t testing.TB) *desk {
	d := &desk{t: t, open: make(map[string]*desked)}
	d.pool = worker.New(d, worker.Options{Concurrency: 16, Grace: patience})
	t.Cleanup(d.close)
	return d
}

func (d *desk) close() {
	if err := d.pool.Close(context.Background()); err != nil {
		d.t.Error(err)
	}
}

// put has p handle an order. The outcome comes once.
func (d *desk) put(p *Program, o order) <-chan outcome {
	if o.to == nil {
		o.to = []string{"out"}
	}
	if o.attempt == 0 {
		o.attempt = 1
	}
	d.mu.Lock()
	d.serial++
	name := fmt.Sprintf("order-%d", d.serial)
	q := &desked{order: o, done: make(chan outcome, 1)}
	d.open[name] = q
	d.mu.Unlock()
	if o.fn == nil {
		o.fn = p.Process
	}
	fn := func(ctx context.Context, w *worker.Work) error {
		err := o.fn(ctx, w)
		if errors.Is(ctx.Err(), context.DeadlineExceeded) { // the pool may have dropped the claim
			_ = d.end(name, outcome{err: err})
		}
		return err
	}
	err := d.pool.Add(worker.Job{Proc: name, Topic: "in", To: o.to, Count: -1, Lanes: o.lanes, Fn: fn})
	if err != nil {
		d.t.Fatal(err)
	}
	return q.done
}

// do has p handle records, and waits for the outcome.
func (d *desk) do(p *Program, o order) outcome { return <-d.put(p, o) }

// say has p handle a record for each body.
func (d *desk) say(p *Program, bodies ...string) outcome {
	return d.do(p, order{records: bodied(bodies...)})
}

func bodied(bodies ...string) (recs []record.Record) {
	for i, b := range bodies {
		recs = append(recs, record.Record{ID: record.ID{Millis: 1700000000000, Seq: uint64(i)}, Topic: "in", Body: []byte(b)})
	}
	return recs
}

func (d *desk) Claim(_ context.Context, proc string, _ int, c *worker.Task) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.open[proc]
	if q == nil || !q.claimed.IsZero() {
		return nil
	}
	q.claimed = time.Now()
	c.Proc, c.Topic, c.Token, c.Attempt, c.Timeout = proc, "in", procstate.Token{Epoch: 1, Serial: 1}, q.attempt, q.timeout
	c.Records = append(c.Records, q.records...)
	return nil
}

func (d *desk) end(proc string, o outcome) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	q := d.open[proc]
	if q == nil {
		return nil
	}
	delete(d.open, proc)
	o.took = time.Since(q.claimed)
	q.done <- o
	return nil
}

func (d *desk) AckCommit(_ context.Context, c *worker.Task, out *topics.Batch) error {
	o := outcome{}
	if out != nil {
		o.out = contents(d.t, out)
	}
	return d.end(c.Proc, o)
}

func (d *desk) Reclaim(_ context.Context, c *worker.Task, reason error) error {
	return d.end(c.Proc, outcome{err: reason})
}

func (d *desk) Release(_ context.Context, c *worker.Task) error {
	return d.end(c.Proc, outcome{released: true})
}

func (d *desk) Watch(string, string, func()) func() { return func() {} }

// contents decodes what a batch holds, topic by topic, from its wire form.
func contents(t testing.TB, b *topics.Batch) (list []string) {
	var raws [][]byte
	wire, err := b.AppendWire(nil, func(raw []byte) { raws = append(raws, raw) })
	if err != nil {
		t.Error(err)
		return nil
	}
	number := func() int {
		n, size := binary.Uvarint(wire)
		wire = wire[size:]
		return int(n)
	}
	number() // of topics
	for _, raw := range raws {
		size := number()
		name := string(wire[:size])
		wire = wire[size+1:] // and the flags
		number()             // what is expected
		for range number() {
			h := segment.Header{Count: uint32(number()), Raw: uint32(number())}
			rs := segment.NewRecords(h, raw[:h.Raw])
			raw = raw[h.Raw:]
			for rec := (segment.Record{}); rs.Next(&rec); {
				list = append(list, name+" "+describe(&rec))
			}
			if rs.Err() != nil {
				t.Error(rs.Err())
			}
		}
	}
	return list
}

func describe(rec *segment.Record) (s string) {
	if len(rec.Key) > 0 {
		s = string(rec.Key) + "="
	}
	for name, value := range segment.EachHeader(rec.Headers) {
		s += fmt.Sprintf("[%s:%s]", name, value)
	}
	return s + string(rec.Body)
}

// wantOK checks that an order was handled, and what came out.
func (o outcome) wantOK(t *testing.T, out ...string) {
	t.Helper()
	if o.err != nil || o.released {
		t.Fatalf("it has failed: %v, released: %v", o.err, o.released)
	}
	if got, want := strings.Join(o.out, "\n"), strings.Join(out, "\n"); got != want {
		t.Fatalf("came out:\n%.2000s\nnot:\n%.2000s", got, want)
	}
}

// wantErr checks that an order was not handled, and that the error says why.
func (o outcome) wantErr(t *testing.T, parts ...string) {
	t.Helper()
	if o.err == nil {
		t.Fatalf("there is no error, but %.200q", o.out)
	}
	for _, part := range parts {
		if !strings.Contains(o.err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, o.err)
		}
	}
}

// log keeps what is logged.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// wantAny checks that an order was handled.
func (o outcome) wantAny(t *testing.T) {
	t.Helper()
	if o.err != nil || o.released {
		t.Fatalf("it has failed: %v, released: %v", o.err, o.released)
	}
}
