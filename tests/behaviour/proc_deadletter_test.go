package behaviour_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// records reads a topic.
func (n *lab) records(topic string) (list []pipeproc.Record) {
	n.t.Helper()
	for r, err := range n.Range(n.t.Context(), topic, pipeproc.RangeOptions{}) {
		n.ok(err)
		list = append(list, r)
	}
	return list
}

func header(r pipeproc.Record, name string) string {
	for _, h := range r.Headers {
		if h.Name == name {
			return string(h.Value)
		}
	}
	return ""
}

// A timeout is a reason as well.
func TestDeadLetterAfterTimeout(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 2, ReclaimTimeout: time.Second, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
		n.want(o, "0")
		pass(time.Second)
		c := n.want(o, "0")
		pass(time.Second)
		n.wantTopic("t__dead", "0")
		if r := n.records("t__dead")[0]; !strings.Contains(header(r, pipeproc.HeaderDeadReason), "1s") || header(r, pipeproc.HeaderDeadAttempts) != "2" {
			t.Errorf("%s", r.Headers)
		}
		n.stale("p", c.Token)
		n.want(o, "1")
	})
}

// The records are in exactly one place, whenever the process is killed.
func TestDeadLetterAtomically(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 2, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
		n.want(o, "0")
		n.reclaim("p")
		n = reopen()
		n.wantTopic("t__dead")
		n.want(o, "0")
		n = reopen()
		n.reclaim("p")
		n = reopen()
		n.wantTopic("t__dead", "0")
		n.want(o, "1")
	})
}

// The strategy takes effect on a claim of any size, also one that is larger than
// a batch may be.
func TestDeadLetterOfALargeClaim(t *testing.T) {
	n := newLab(t, &pipeproc.Options{MaxBody: 1000, MaxBatch: 10_000})
	var want []string
	for i := range 30 {
		want = append(want, fmt.Sprintf("%03d%s", i, strings.Repeat(".", 900)))
		n.commit("t", want[i])
	}
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: -1, Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
	for range 30 {
		if c := n.claim(o); c.Empty() {
			break
		}
		_, err := n.Reclaim(t.Context(), "p", pipeproc.Token{}, "")
		n.ok(err)
	}
	n.wantTopic("t__dead", want...)
}
