package conformance

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc"
)

// runS defines a system proc s from t to u.
func (l *lab) runS(p pipeproc.Processor) {
	l.t.Helper()
	l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Processor: p})
}

var runTests = []test{
	{name: "what one topic gets arrives in another", run: func(l *lab) {
		l.runS(pipeproc.Each(func(_ context.Context, rec pipeproc.Record, w *pipeproc.Work) error {
			w.Emit([]byte{rec.Body[0] + 1})
			return nil
		}))
		l.commit("t", "1", "2")
		l.settled()
		l.wantTopic("u", "2", "3")
	}},
	{name: "a chain of processors", run: func(l *lab) {
		for i := range 4 {
			l.system(pipeproc.SystemProcOptions{Name: fmt.Sprint("s", i), From: []string{fmt.Sprint("t", i)}, To: []string{fmt.Sprint("t", i+1)}, Count: 7, Processor: through})
		}
		var want []string
		for i := range 50 {
			want = append(want, fmt.Sprint(i))
			l.commit("t0", want[i])
		}
		l.settled()
		l.wantTopic("t4", want...)
	}},
	{name: "runs and says so", run: func(l *lab) {
		l.runS(nop)
		if i := l.info("s"); i.System != "s" {
			l.t.Errorf("%+v", i)
		}
		l.eventually("it does not wait", func() bool { return l.info("s").Waiting == "" })
		l.eventually("it is running", func() bool { return l.systems()[0].Running })
	}},
	{name: "waits for its processor and says so", run: func(l *lab) {
		var c calls
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}})
		l.commit("t", "0")
		if i := l.info("s"); !strings.Contains(i.Waiting, `"s"`) || i.Pending != 1 || l.systems()[0].Running {
			l.t.Errorf("%+v, %+v", i, l.systems())
		}
		wait := l.start(func() error { return l.WaitForProcs(l.ctx) })
		l.ok(l.Register("other", c.note))
		wait.pending("another processor does not count")
		l.ok(l.Register("s", c.note))
		l.ok(wait.wait())
		if got := c.take(); !slices.Equal(got, []string{"0"}) {
			l.t.Errorf("%q", got)
		}
		l.eventually("it does not wait", func() bool { return l.info("s").Waiting == "" })
	}},
	{name: "the count is honoured", run: func(l *lab) {
		var c calls
		l.commit("t", "0", "1", "2", "3", "4", "5", "6")
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: 3, Processor: c.note})
		l.settled()
		if got := c.take(); !slices.Equal(got, []string{"0 1 2", "3 4 5", "6"}) {
			l.t.Errorf("%q", got)
		}
	}},
	{name: "output without To is ignored", run: func(l *lab) {
		l.commit("t", "0", "1")
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Processor: through})
		l.settled()
		if i := l.info("s"); i.Next != 2 || i.Reclaims != 0 || i.Disabled {
			l.t.Errorf("%+v", i)
		}
		if names := l.topicNames(); len(names) != 1 {
			l.t.Errorf("%q", names)
		}
	}},
	{name: "all of To get all of it, and EmitTo goes anywhere", run: func(l *lab) {
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"x", "y", "z"}, Processor: func(_ context.Context, w *pipeproc.Work) error {
			for _, r := range w.Records() {
				w.Emit(r.Body)
				w.EmitTo("side", pipeproc.Record{Key: []byte("k"), Body: r.Body})
			}
			return nil
		}})
		l.commit("t", "0")
		l.commit("t", "1")
		l.settled()
		for _, topic := range []string{"x", "y", "z", "side"} {
			l.wantTopic(topic, "0", "1")
		}
		if r := l.records("side")[0]; string(r.Key) != "k" {
			l.t.Errorf("%+v", r)
		}
	}},
	{name: "a record passes whole", run: func(l *lab) {
		l.runS(through)
		_, err := l.Commit(l.ctx, pipeproc.Record{Topic: "t", Key: []byte("k"), Headers: []pipeproc.Header{{Name: "h", Value: []byte("v")}}, Body: []byte("b")})
		l.ok(err)
		l.settled()
		if r := l.records("u"); len(r) != 1 || string(r[0].Key) != "k" || header(r[0], "h") != "v" || string(r[0].Body) != "b" {
			l.t.Errorf("%+v", r)
		}
	}},
	{name: "output and acknowledgement are one commit", run: func(l *lab) {
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Count: 3, Processor: through})
		const total = 60
		for i := range total {
			l.commit("t", fmt.Sprint(i))
			next := l.info("s").Next
			if out := uint64(len(l.bodies("u"))); out < next {
				l.t.Fatalf("%d are acknowledged and %d records came of them", next, out)
			}
		}
		l.settled()
		l.wantTopic("u", l.bodies("t")...)
	}},
	{name: "what a processor is told", run: func(l *lab) {
		var mu sync.Mutex
		var told []string
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t", "u"}, Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Hour, Backoff: -1}, Processor: func(ctx context.Context, w *pipeproc.Work) error {
			deadline, ok := ctx.Deadline()
			left := time.Until(deadline)
			mu.Lock()
			defer mu.Unlock()
			told = append(told, fmt.Sprint(w.Proc(), " ", w.Topic(), " ", w.Attempt(), w.Skipped(), len(w.Records()), ok && left > 50*time.Minute && left <= time.Hour))
			if w.Attempt() < 3 {
				return errors.New("not yet")
			}
			return nil
		}})
		l.commit("u", "0")
		l.settled()
		mu.Lock()
		defer mu.Unlock()
		want := []string{"s__u u 1 0 1 true", "s__u u 2 0 1 true", "s__u u 3 0 1 true"}
		if !slices.Equal(told, want) {
			l.t.Errorf("%q, want %q", told, want)
		}
	}},
	{name: "a processor is told what was skipped", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3")
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}})
		l.ok(l.Prune(l.ctx, "t", 2))
		told := make(chan uint64, 9)
		l.ok(l.Register("s", func(_ context.Context, w *pipeproc.Work) error { told <- w.Skipped(); return nil }))
		l.settled()
		if a, b := <-told, <-told; a != 2 || b != 0 {
			l.t.Errorf("told %d and %d", a, b)
		}
	}},
	{name: "never beside itself", o: Options{Workers: 8}, run: func(l *lab) {
		var mu sync.Mutex
		running := map[string]int{}
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b", "c"}, Processor: func(_ context.Context, w *pipeproc.Work) error {
			count := func(n int) {
				mu.Lock()
				defer mu.Unlock()
				if running[w.Proc()] += n; running[w.Proc()] > 1 {
					l.t.Error("beside itself")
				}
			}
			count(1)
			time.Sleep(time.Millisecond) // work that takes a while
			count(-1)
			return nil
		}})
		for i := range 5 {
			for _, topic := range []string{"a", "b", "c"} {
				l.commit(topic, fmt.Sprint(i))
			}
		}
		l.settled()
	}},
	{name: "several procs side by side", o: Options{Workers: 3}, run: func(l *lab) {
		var together sync.WaitGroup // each waits for the others
		together.Add(3)
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b", "c"}, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}, Processor: func(context.Context, *pipeproc.Work) error {
			together.Done()
			together.Wait()
			return nil
		}})
		for _, topic := range []string{"a", "b", "c"} {
			l.commit(topic, "x")
		}
		l.settled()
	}},
	{name: "a processor takes another's place", run: func(l *lab) {
		var old, young calls
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t", "u"}, Processor: old.note})
		l.commit("t", "0")
		l.settled()
		l.ok(l.Register("s", young.note))
		l.commit("t", "1")
		l.commit("u", "2")
		l.settled()
		if got := old.take(); !slices.Equal(got, []string{"0"}) {
			l.t.Errorf("the old one got %q", got)
		}
		if got := young.take(); len(got) != 2 {
			l.t.Errorf("the new one got %q", got)
		}
	}},
	{name: "one processor of several, registered before", run: func(l *lab) {
		var c calls
		l.ok(l.Register("fn", c.note))
		for _, name := range []string{"a", "b"} {
			l.system(pipeproc.SystemProcOptions{Name: name, From: []string{"t"}, ProcessorName: "fn"})
		}
		l.commit("t", "0")
		l.settled()
		if got := c.take(); !slices.Equal(got, []string{"0", "0"}) {
			l.t.Errorf("%q", got)
		}
	}},
	{name: "topics come and go", run: func(l *lab) {
		var c calls
		o := pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}, Processor: c.note}
		l.system(o)
		o.From = []string{"a", "b", "c"}
		l.system(o)
		for _, topic := range o.From {
			l.commit(topic, topic)
		}
		l.settled()
		if got := c.take(); len(got) != 3 {
			l.t.Errorf("%q", got)
		}
		o.From, o.Replace = []string{"b", "d"}, true
		l.system(o)
		for _, topic := range []string{"a", "b", "c", "d"} {
			l.commit(topic, topic)
		}
		l.settled()
		got := c.take()
		slices.Sort(got)
		if !slices.Equal(got, []string{"b", "d"}) {
			l.t.Errorf("%q", got)
		}
	}},
	{name: "a processor may use the store", o: Options{Workers: 1}, run: func(l *lab) {
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Processor: func(ctx context.Context, w *pipeproc.Work) error {
			if _, err := l.Commit(ctx, recordsOf("side", string(w.Records()[0].Body))...); err != nil {
				return err
			}
			if i, err := l.InspectProc(ctx, w.Proc()); err != nil || i.Claim == (pipeproc.Token{}) {
				return fmt.Errorf("%+v, %w", i, err)
			}
			if err := l.Register("late", through); err != nil {
				return err
			}
			_, err := l.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "late", From: []string{"side"}, To: []string{"u"}})
			return err
		}})
		l.commit("t", "0", "1")
		l.settled()
		l.wantTopic("u", "0", "1")
	}},
}
