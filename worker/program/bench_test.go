package program

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/worker"
)

// supply is a Source of one proc with the same records over and over.
type supply struct {
	records []record.Record
	left    int // records
	done    chan error
}

func (s *supply) Claim(_ context.Context, proc string, count int, c *worker.Task) error {
	if s.left > 0 {
		c.Proc, c.Topic, c.Token, c.Attempt = proc, "in", procstate.Token{Epoch: 1, Serial: 1}, 1
		c.Records = append(c.Records, s.records[:min(count, s.left)]...)
	}
	return nil
}

func (s *supply) AckCommit(_ context.Context, c *worker.Task, out *topics.Batch) error {
	if out == nil || out.Len() != len(c.Records) {
		s.done <- fmt.Errorf("not one record for each of %d", len(c.Records))
		s.left = 0
		return nil
	}
	if s.left -= len(c.Records); s.left == 0 {
		s.done <- nil
	}
	return nil
}

func (s *supply) Reclaim(_ context.Context, _ *worker.Task, reason error) error {
	s.done <- reason
	s.left = 0
	return nil
}

func (s *supply) Release(context.Context, *worker.Task) error { return nil }

func (s *supply) Watch(_, _ string, fn func()) func() { return func() {} }

// BenchmarkProgram is how many small records one process handles, in claims of
// 100 and one by one: echo is a Go program without a parser, json one with
// encoding/json, and plain one that writes each answer by itself.
func BenchmarkProgram(b *testing.B) {
	for _, mode := range []string{"echo", "json", "plain"} {
		for _, count := range []int{1, 100} {
			b.Run(fmt.Sprintf("%s/count=%d", mode, count), func(b *testing.B) { benchmark(b, mode, count) })
		}
	}
}

func benchmark(b *testing.B, mode string, count int) {
	p, err := New(Options{Command: []string{os.Args[0]}, Env: append(os.Environ(), modeEnv+"="+mode)})
	if err != nil {
		b.Fatal(err)
	}
	s := &supply{done: make(chan error, 1)}
	for i := range count {
		body := fmt.Appendf(nil, `{"id":%d,"name":"somebody","amount":12.5,"tags":["a","b"]}`, i)
		s.records = append(s.records, record.Record{ID: record.ID{Millis: 1700000000000, Seq: uint64(i)}, Body: body})
	}
	run := func(n int) {
		s.left = n
		pool := worker.New(s, worker.Options{Concurrency: 1})
		if err := pool.Add(worker.Job{Proc: "proc", Topic: "in", To: []string{"out"}, Count: count, Fn: p.Process}); err != nil {
			b.Fatal(err)
		}
		if err := <-s.done; err != nil {
			b.Fatal(err)
		}
		if err := pool.Close(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	run(count) // starts the process
	b.ReportAllocs()
	b.ResetTimer()
	run(b.N)
	b.StopTimer()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	if err := p.Close(); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkLine is what a record costs without the program: its line, and the
// answer.
func BenchmarkLine(b *testing.B) {
	rec := record.Record{Body: []byte(`{"id":17,"name":"somebody","amount":12.5,"tags":["a","b"]}`)}
	answer := []byte(`{"n":1,"out":[{"id":17,"name":"somebody","amount":12.5,"tags":["a","b"]}]}`)
	var w writer
	c := asked(1)
	b.ReportAllocs()
	for b.Loop() {
		w.begin("in", 1)
		w.add(1, 0, &rec)
		c.trim()
		c.begin(1, 1, 1<<20)
		c.offered.Store(1)
		if err := c.answer(answer); err != nil {
			b.Fatal(err)
		}
	}
}
