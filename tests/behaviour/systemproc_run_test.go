package behaviour_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// through emits what it gets.
func through(_ context.Context, w *pipeproc.Work) error {
	for _, r := range w.Records() {
		w.EmitRecord(r)
	}
	return nil
}

// calls notes what a processor is called with.
type calls struct {
	mu   sync.Mutex
	list []string
}

func (c *calls) add(w *pipeproc.Work) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.list = append(c.list, strings.Join(bodiesOf(w.Records()), " "))
}

func (c *calls) take() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := c.list
	c.list = nil
	return list
}

// note is a processor that notes and does nothing else.
func (c *calls) note(_ context.Context, w *pipeproc.Work) error {
	c.add(w)
	return nil
}

// client/systemProc #1: what one topic gets arrives, changed, in another.
func TestOriginalClientSystemProcSmoke(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.system(pipeproc.SystemProcOptions{Name: "increment", From: []string{"topic_1"}, To: []string{"topic_2"},
			Processor: pipeproc.Each(func(_ context.Context, rec pipeproc.Record, w *pipeproc.Work) error {
				w.Emit([]byte{rec.Body[0] + 1})
				return nil
			})})
		n.commit("topic_1", "1")
		l, err := n.OpenLiveProc(t.Context(), pipeproc.LiveOptions{Topic: "topic_2", Offset: pipeproc.OffsetFirst})
		n.ok(err)
		c, err := nextClaim(t.Context(), l)
		n.ok(err)
		n.wantBodies(c, "2")
	})
}

// client/systemProc #2: 30 records pass in order, with sequences from 0 on.
func TestOriginalClientSystemProcPipeline(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"topic_1"}, To: []string{"topic_2"}, Processor: through})
		l, err := n.OpenLiveProc(t.Context(), pipeproc.LiveOptions{Topic: "topic_2", Offset: pipeproc.OffsetFirst})
		n.ok(err)
		for i := range 30 {
			n.commit("topic_1", fmt.Sprint(i))
		}
		for i := range 30 {
			c, err := nextClaim(t.Context(), l)
			n.ok(err)
			if len(c.Records) != 1 || c.Records[0].ID.Seq != uint64(i) || string(c.Records[0].Body) != fmt.Sprint(i) {
				t.Fatalf("%d: %+v", i, c)
			}
			_, err = l.Ack(t.Context())
			n.ok(err)
		}
	})
}

// The count is honoured, also after a restart.
func TestSystemProcCount(t *testing.T) {
	var c calls
	reopenings(t, pipeproc.Options{Processors: map[string]pipeproc.Processor{"s": c.note}}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1", "2", "3", "4", "5", "6")
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: 3})
		n.settled()
		if got := c.take(); !slices.Equal(got, []string{"0 1 2", "3 4 5", "6"}) {
			t.Errorf("%q", got)
		}
		n = reopen()
		n.commit("t", "7", "8", "9", "10")
		n.settled()
		if got := c.take(); !slices.Equal(got, []string{"7 8 9", "10"}) {
			t.Errorf("%q", got)
		}
	})
}

// Without topics to write to, output is ignored, and the claim is
// acknowledged.
func TestSystemProcOutputWithoutTo(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1")
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Processor: through})
		n.settled()
		if i := n.info("s"); i.Next != 2 || i.Reclaims != 0 || i.Disabled {
			t.Errorf("%+v", i)
		}
		if topics, err := n.Topics(t.Context()); err != nil || len(topics) != 1 {
			t.Error(topics, err)
		}
	})
}

// All topics of To get all of it, also after a restart, and EmitTo goes to
// any topic.
func TestSystemProcOutputTopics(t *testing.T) {
	emit := func(_ context.Context, w *pipeproc.Work) error {
		for _, r := range w.Records() {
			w.Emit(r.Body)
			w.EmitTo("side", pipeproc.Record{Key: []byte("k"), Body: r.Body})
		}
		return nil
	}
	reopenings(t, pipeproc.Options{Processors: map[string]pipeproc.Processor{"s": emit}}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"x", "y", "z"}})
		n.commit("t", "0")
		n.settled()
		n = reopen()
		n.commit("t", "1")
		n.settled()
		for _, topic := range []string{"x", "y", "z", "side"} {
			n.wantTopic(topic, "0", "1")
		}
		if r := n.records("side")[0]; string(r.Key) != "k" {
			t.Errorf("%+v", r)
		}
	})
}

// A record passes with its key and headers.
func TestSystemProcOutputIsWhole(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Processor: through})
		_, err := n.Commit(t.Context(), pipeproc.Record{Topic: "t", Key: []byte("k"), Headers: []pipeproc.Header{{Name: "h", Value: []byte("v")}}, Body: []byte("b")})
		n.ok(err)
		n.settled()
		if r := n.records("u"); len(r) != 1 || string(r[0].Key) != "k" || header(r[0], "h") != "v" || string(r[0].Body) != "b" {
			t.Errorf("%+v", r)
		}
	})
}

// What a processor is told.
func TestSystemProcWork(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		var told []string
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t", "u"}, Processor: func(ctx context.Context, w *pipeproc.Work) error {
			deadline, ok := ctx.Deadline()
			told = append(told, fmt.Sprint(w.Proc(), w.Topic(), w.Attempt(), w.Skipped(), len(w.Records()), ok, time.Until(deadline)))
			if w.Attempt() < 3 {
				return fmt.Errorf("not yet")
			}
			return nil
		}})
		n.commit("u", "0")
		pass(time.Minute)
		want := []string{"s__uu1 0 1 true 10s", "s__uu2 0 1 true 10s", "s__uu3 0 1 true 10s"}
		if !slices.Equal(told, want) {
			t.Errorf("%q, want %q", told, want)
		}
	})
}

// A proc has one claim at a time, whatever the number of workers.
func TestSystemProcNeverBesideItself(t *testing.T) {
	bubble(t, &pipeproc.Options{Workers: 8}, func(t *testing.T, n *lab) {
		var mu sync.Mutex
		running, most := map[string]int{}, 0
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b", "c"}, Processor: func(_ context.Context, w *pipeproc.Work) error {
			mu.Lock()
			running[w.Proc()]++
			if running[w.Proc()] > 1 {
				t.Error("beside itself")
			}
			all := 0
			for _, k := range running {
				all += k
			}
			most = max(most, all)
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			running[w.Proc()]--
			mu.Unlock()
			return nil
		}})
		for i := range 10 {
			for _, topic := range []string{"a", "b", "c"} {
				n.commit(topic, fmt.Sprint(i))
			}
		}
		begin := time.Now()
		n.ok(n.WaitForProcs(t.Context()))
		if most != 3 || time.Since(begin) != 10*time.Second {
			t.Errorf("%d at once, in %v; want all three side by side", most, time.Since(begin))
		}
	})
}

// Workers bound how many run at once, and none is starved: procs with endless
// work leave others their turn.
func TestSystemProcFairness(t *testing.T) {
	bubble(t, &pipeproc.Options{Workers: 1}, func(t *testing.T, n *lab) {
		var c calls
		slow := func(ctx context.Context, w *pipeproc.Work) error {
			time.Sleep(time.Second)
			return c.note(ctx, w)
		}
		for _, topic := range []string{"a", "b", "c"} {
			for i := range 4 {
				n.commit(topic, fmt.Sprint(topic, i))
			}
			n.system(pipeproc.SystemProcOptions{Name: topic, From: []string{topic}, Processor: slow})
		}
		n.ok(n.WaitForProcs(t.Context()))
		list := c.take()
		if len(list) != 12 {
			t.Fatalf("%q", list)
		}
		for i := 0; i < 12; i += 3 { // each round has each of them
			round := slices.Sorted(slices.Values(list[i : i+3]))
			if round[0] != fmt.Sprint("a", i/3) || round[1] != fmt.Sprint("b", i/3) || round[2] != fmt.Sprint("c", i/3) {
				t.Errorf("round %d: %q", i/3, round)
			}
		}
	})
}
