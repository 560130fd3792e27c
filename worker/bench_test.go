package worker

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/topics"
)

// loop is a Source that does as little as it can: its procs always have the
// same records, until a number of claims has been given.
type loop struct {
	recs    []record.Record
	timeout time.Duration
	watches []func()

	left, open atomic.Int64 // claims still to give, and to acknowledge
	done       chan struct{}
}

func (l *loop) Claim(_ context.Context, proc string, count int, c *Task) error {
	if l.left.Add(-1) >= 0 {
		c.Proc, c.Topic, c.Attempt, c.Timeout = proc, "t", 1, l.timeout
		c.Records = append(c.Records, l.recs[:count]...)
	}
	return nil
}

func (l *loop) AckCommit(context.Context, *Task, *topics.Batch) error {
	if l.open.Add(-1) == 0 {
		l.done <- struct{}{}
	}
	return nil
}

func (l *loop) Reclaim(_ context.Context, _ *Task, reason error) error { panic(reason) }

func (l *loop) Release(context.Context, *Task) error { panic("release") }

func (l *loop) Watch(_, _ string, fn func()) func() {
	l.watches = append(l.watches, fn)
	return func() {}
}

// run makes the pool go through n claims.
func (l *loop) run(n int) {
	l.open.Store(int64(n))
	l.left.Store(int64(n))
	for _, fn := range l.watches {
		fn()
	}
	<-l.done
}

// spin returns a pool that echoes records of 100 bytes with keys.
func spin(t testing.TB, procs, count, lanes int, timeout time.Duration) (*Pool, *loop) {
	l := &loop{timeout: timeout, done: make(chan struct{})}
	for i := range count {
		l.recs = append(l.recs, record.Record{ID: record.ID{Seq: uint64(i)}, Topic: "t", Key: fmt.Append(nil, "key-", i), Body: make([]byte, 100)})
	}
	p := New(l, Options{Concurrency: 1})
	for i := range procs {
		j := Job{Proc: fmt.Sprint("p", i), Topic: "t", To: []string{"out"}, Count: count, Lanes: lanes,
			Fn: Each(func(_ context.Context, rec record.Record, w *Work) error {
				w.EmitRecord(record.Record{Key: rec.Key, Body: rec.Body})
				return nil
			})}
		if err := p.Add(j); err != nil {
			t.Fatal(err)
		}
	}
	l.run(100) // the steady state
	return p, l
}

// BenchmarkClaim is one cycle: claim, call, emit, acknowledge, with a Source
// that costs nothing.
func BenchmarkClaim(b *testing.B) {
	for _, c := range []struct {
		procs, count, lanes int
		timeout             time.Duration
	}{
		{1, 1, 1, 10 * time.Second},
		{1, 1, 1, -1},
		{1000, 1, 1, 10 * time.Second},
		{1, 100, 1, 10 * time.Second},
		{1, 100, 4, 10 * time.Second},
	} {
		b.Run(fmt.Sprintf("procs=%d/records=%d/lanes=%d/timeout=%v", c.procs, c.count, c.lanes, c.timeout > 0), func(b *testing.B) {
			p, l := spin(b, c.procs, c.count, c.lanes, c.timeout)
			defer closePool(b, p)
			b.ReportAllocs()
			b.ResetTimer()
			l.run(b.N)
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.count), "ns/record")
		})
	}
}

// BenchmarkWake is what a commit pays for a proc that sleeps, until it sleeps
// again.
func BenchmarkWake(b *testing.B) {
	p, l := spin(b, 1, 1, 1, 10*time.Second)
	defer closePool(b, p)
	for b.Loop() {
		l.run(1)
	}
}
