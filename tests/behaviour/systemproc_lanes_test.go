package behaviour_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

func keyed(topic, key, body string) pipeproc.Record {
	r := pipeproc.Record{Topic: topic, Body: []byte(body)}
	if key != "" {
		r.Key = []byte(key)
	}
	return r
}

// Lanes run side by side, and each key keeps its order; so does the output.
func TestLanesKeepOrderPerKey(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		const keys, each = 8, 20
		var recs []pipeproc.Record
		for i := range keys * each {
			recs = append(recs, keyed("t", fmt.Sprint("k", i%keys), fmt.Sprint(i/keys)))
		}
		_, err := n.Commit(t.Context(), recs...)
		n.ok(err)
		var mu sync.Mutex
		running, most := 0, 0
		next := map[string]int{}
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Count: 50, Lanes: 4,
			Processor: pipeproc.Each(func(_ context.Context, r pipeproc.Record, w *pipeproc.Work) error {
				mu.Lock()
				running++
				most = max(most, running)
				if string(r.Body) != fmt.Sprint(next[string(r.Key)]) {
					t.Errorf("key %s: %s, want %d", r.Key, r.Body, next[string(r.Key)])
				}
				next[string(r.Key)]++
				mu.Unlock()
				time.Sleep(time.Millisecond)
				mu.Lock()
				running--
				mu.Unlock()
				w.EmitRecord(r)
				return nil
			})})
		n.ok(n.WaitForProcs(t.Context()))
		if most < 2 || most > 4 {
			t.Errorf("%d at once", most)
		}
		out := map[string][]string{}
		for _, r := range n.records("u") {
			out[string(r.Key)] = append(out[string(r.Key)], string(r.Body))
		}
		if len(out) != keys {
			t.Errorf("%d keys", len(out))
		}
		for key, list := range out {
			for i, body := range list {
				if len(list) != each || body != fmt.Sprint(i) {
					t.Fatalf("key %s: %q", key, list)
				}
			}
		}
	})
}

// Records without a key are spread over the lanes. Each lane is called once, with
// its own records.
func TestLanesOfRecordsWithoutKey(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		var c calls
		n.commit("t", "0", "1", "2", "3", "4", "5", "6")
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Count: 7, Lanes: 3, Processor: c.note})
		n.settled()
		got := c.take()
		slices.Sort(got)
		if !slices.Equal(got, []string{"0 3 6", "1 4", "2 5"}) {
			t.Errorf("%q", got)
		}
	})
}

// One claim is acknowledged whole, or given back whole: when a lane fails, the
// others are told to stop, and nothing of the output is committed.
func TestLanesFailTogether(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		var mu sync.Mutex
		stopped := 0
		_, err := n.Commit(t.Context(), recordsOf("t", "0", "1", "2")...)
		n.ok(err)
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Count: 3, Lanes: 3,
			Processor: func(ctx context.Context, w *pipeproc.Work) error {
				w.Emit(w.Records()[0].Body)
				if w.Attempt() == 2 {
					return nil
				}
				if string(w.Records()[0].Body) == "1" {
					return errors.New("no good")
				}
				<-ctx.Done()
				mu.Lock()
				stopped++
				mu.Unlock()
				return nil
			}})
		pass(0)
		if i := n.info("s"); i.Reclaims != 1 || i.Next != 0 || stopped != 2 {
			t.Errorf("%d lanes were stopped, %+v", stopped, i)
		}
		n.wantTopic("u")
		pass(time.Second)
		n.wantTopic("u", "0", "1", "2")
		if i := n.info("s"); i.Next != 3 || i.Reclaims != 0 {
			t.Errorf("%+v", i)
		}
	})
}

// More lanes than records do no harm.
func TestLanesMoreThanRecords(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		var c calls
		n.commit("t", "0")
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Lanes: 16, Processor: c.note})
		n.settled()
		if got := c.take(); !slices.Equal(got, []string{"0"}) {
			t.Errorf("%q", got)
		}
	})
}
