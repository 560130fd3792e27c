package worker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/segment"
)

func TestJobChecks(t *testing.T) {
	p := New(newFake(t), Options{})
	defer closePool(t, p)
	good := Job{Proc: "p", Topic: "t", Fn: pass}
	for _, c := range []struct {
		change func(j *Job)
		want   error
	}{
		{func(j *Job) { j.Proc = "" }, errs.InvalidProcOptions},
		{func(j *Job) { j.Topic = "a b" }, errs.InvalidTopicFormat},
		{func(j *Job) { j.To = []string{"a", ""} }, errs.InvalidTopicFormat},
		{func(j *Job) { j.Fn = nil }, errs.NoProcessor},
		{func(j *Job) { j.Lanes = -1 }, errs.InvalidProcOptions},
	} {
		j := good
		c.change(&j)
		if err := p.Add(j); !errors.Is(err, c.want) {
			t.Errorf("%+v: %v, not %v", j, err, c.want)
		}
	}
	if len(p.Jobs()) != 0 {
		t.Errorf("refused jobs are there: %+v", p.Jobs())
	}
}

func TestJobs(t *testing.T) {
	p := New(newFake(t), Options{})
	defer closePool(t, p)
	to := []string{"x"}
	for _, name := range []string{"b", "c", "a"} {
		add(t, p, Job{Proc: name, To: to, Fn: pass})
	}
	to[0] = "changed"
	if !p.Remove("c") || p.Remove("c") || p.Remove("never") {
		t.Error("Remove does not say what it did")
	}
	jobs := p.Jobs()
	if len(jobs) != 2 || jobs[0].Proc != "a" || jobs[1].Proc != "b" {
		t.Fatalf("%+v", jobs)
	}
	if j := jobs[0]; j.Count != 1 || j.Lanes != 1 || j.To[0] != "x" {
		t.Errorf("%+v", j)
	}
	if !p.Has("a") || p.Has("c") {
		t.Error("Has")
	}
}

// TestOutput: what is emitted goes to all topics of the job, or to the one that
// was named, with the acknowledgement.
func TestOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{})
		defer closePool(t, p)
		f.add("a", "one", "two")
		add(t, p, Job{Proc: "a", To: []string{"x", "y"}, Count: -1, Fn: func(_ context.Context, w *Work) error {
			if w.Proc() != "a" || w.Topic() != "a" || w.Attempt() != 1 || w.Skipped() != 0 || len(w.Records()) != 2 {
				t.Errorf("%s %s %d %d %d", w.Proc(), w.Topic(), w.Attempt(), w.Skipped(), len(w.Records()))
			}
			body := []byte("plain")
			w.Emit(body)
			copy(body, "other")
			w.EmitRecord(record.Record{Topic: "ignored", Key: []byte("k"), Body: []byte("full"),
				Headers: []record.Header{{Name: "h", Value: []byte("1")}, {Name: "i"}}})
			w.EmitTo("z", record.Record{Body: []byte("named")})
			return nil
		}})
		synctest.Wait()
		f.expect(t, "claim a 0-1", "ack a")
		want := []string{"x  plain", "x k h:1 i: full", "y  plain", "y k h:1 i: full", "z  named"}
		if !slices.Equal(f.out, want) {
			t.Errorf("%q", f.out)
		}
	})
}

// TestOutputWithoutTo: a job without To emits by name only.
func TestOutputWithoutTo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{})
		defer closePool(t, p)
		f.add("a", "one")
		add(t, p, Job{Proc: "a", Fn: func(_ context.Context, w *Work) error {
			w.Emit([]byte("dropped"))
			w.EmitRecord(record.Record{Body: []byte("dropped")})
			return nil
		}})
		synctest.Wait()
		f.expect(t, "claim a 0-0", "ack a")
		if len(f.out) != 0 {
			t.Errorf("%q", f.out)
		}
	})
}

// TestRefusedOutput: a processor that emits what cannot be stored fails, though
// it returned nil, and nothing of its output is committed. A later claim on the
// same goroutine knows nothing of that.
func TestRefusedOutput(t *testing.T) {
	badName := func(w *Work) { w.EmitTo("no topic", record.Record{}) }
	for _, c := range []struct {
		code  string
		lanes int
		emit  func(w *Work)
	}{
		{"invalid_topic_format", 1, badName},
		{"invalid_topic_format", 2, badName},
		{"too_large", 1, func(w *Work) { w.EmitRecord(record.Record{Key: make([]byte, segment.MaxRaw/8+1)}) }},
	} {
		t.Run(fmt.Sprintf("%s with %d lanes", c.code, c.lanes), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := newFake(t)
				p := New(f, Options{Concurrency: 1})
				defer closePool(t, p)
				f.add("a", "1", "2")
				add(t, p, Job{Proc: "a", To: []string{"x"}, Count: 2, Lanes: c.lanes, Fn: func(_ context.Context, w *Work) error {
					w.Emit([]byte("good"))
					if w.Attempt() == 1 {
						c.emit(w)
					}
					return nil
				}})
				synctest.Wait()
				calls := f.trace()
				if len(calls) != 4 || !strings.HasPrefix(calls[1], "reclaim a: "+c.code) || calls[3] != "ack a" {
					t.Errorf("%q", calls)
				}
				if len(f.out) != c.lanes {
					t.Errorf("%q", f.out)
				}
			})
		})
	}
}

// TestReplace: a claim that runs is finished by the old job, the next one is
// the new one's, and there is never more than one.
func TestReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{Concurrency: 4})
		defer closePool(t, p)
		f.numbered("a", 3)
		gate := make(chan struct{})
		emit := func(s string) Processor {
			return func(_ context.Context, w *Work) error {
				if s == "old" {
					<-gate
				}
				w.Emit(append([]byte(s), w.Records()[0].Body...))
				return nil
			}
		}
		add(t, p, Job{Proc: "a", To: []string{"x"}, Fn: emit("old")})
		synctest.Wait()
		add(t, p, Job{Proc: "a", To: []string{"x"}, Fn: emit("new")})
		synctest.Wait()
		f.expect(t, "claim a 0-0")
		if n := f.watched(); n != 1 {
			t.Errorf("%d watches", n)
		}
		close(gate)
		synctest.Wait()
		f.expect(t, "ack a", "claim a 1-1", "ack a", "claim a 2-2", "ack a")
		if want := []string{"x  old0", "x  new1", "x  new2"}; !slices.Equal(f.out, want) {
			t.Errorf("%q", f.out)
		}
	})
}

// TestRemove: the claim that runs is finished, none follows; a proc that is
// removed and added again while it runs still has one claim at a time.
func TestRemove(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{Concurrency: 4})
		defer closePool(t, p)
		f.numbered("a", 3)
		gate := make(chan struct{})
		job := Job{Proc: "a", Fn: func(context.Context, *Work) error { <-gate; return nil }}
		add(t, p, job)
		synctest.Wait()
		p.Remove("a")
		if n := f.watched(); n != 0 || p.Has("a") {
			t.Errorf("%d watches, Has %v", n, p.Has("a"))
		}
		add(t, p, job)
		synctest.Wait()
		f.expect(t, "claim a 0-0")
		p.Remove("a")
		close(gate)
		synctest.Wait()
		f.expect(t, "ack a")
		f.add("a", "more")
		synctest.Wait()
		f.expect(t)
		if len(p.procs) != 0 {
			t.Errorf("%d procs are remembered", len(p.procs))
		}
	})
}

// TestRemoveDuringClaim: a claim that arrives for a job that is gone is given
// back uncounted; for one that was replaced, the new job has it.
func TestRemoveDuringClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		p := New(f, Options{})
		defer closePool(t, p)
		gate := make(chan struct{})
		f.onClaim = func(string) error { <-gate; return nil }
		f.add("a", "1")
		never := func(context.Context, *Work) error { t.Error("it ran"); return nil }
		add(t, p, Job{Proc: "a", Fn: never})
		synctest.Wait()
		p.Remove("a")
		gate <- struct{}{}
		synctest.Wait()
		f.expect(t, "claim a 0-0", "release a")
		add(t, p, Job{Proc: "a", Fn: never})
		synctest.Wait()
		add(t, p, Job{Proc: "a", Fn: pass})
		close(gate)
		synctest.Wait()
		f.expect(t, "claim a 0-0", "ack a")
	})
}
