package pipeproc_test

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

// With the last reclaim that is allowed the records go to topic__dead, with all
// that they had and why, and the proc moves on.
func TestDeadLetterHoldsAllThatThereWas(t *testing.T) {
	n := newLab(t, nil)
	rec := pipeproc.Record{Topic: "t", Key: []byte("k"), Headers: []pipeproc.Header{{Name: "h", Value: []byte("v")}}, Body: []byte("0")}
	ids, err := n.Commit(t.Context(), rec)
	n.ok(err)
	ids = append(ids, n.commit("t", "1", "2")...)
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 2, MaxReclaims: 3, OnMaxReclaims: pipeproc.DeadLetter}
	for i := range 3 {
		n.wantTopic("t__dead")
		c := n.want(o, "0", "1")
		_, err := n.Reclaim(t.Context(), "p", c.Token, fmt.Sprint("reason ", i))
		n.ok(err)
	}
	dead := n.records("t__dead")
	if len(dead) != 2 {
		t.Fatalf("%d dead letters", len(dead))
	}
	for i, r := range dead {
		if string(r.Body) != fmt.Sprint(i) || header(r, pipeproc.DeadProc) != "p" || header(r, pipeproc.DeadTopic) != "t" ||
			header(r, pipeproc.DeadID) != ids[i].String() || header(r, pipeproc.DeadAttempts) != "3" || header(r, pipeproc.DeadReason) != "reason 2" {
			t.Errorf("%s %s", r.Body, r.Headers)
		}
	}
	if string(dead[0].Key) != "k" || header(dead[0], "h") != "v" {
		t.Errorf("the key or the headers that it had are gone: %q %s", dead[0].Key, dead[0].Headers)
	}
	i := n.info("p")
	if i.Disabled || i.Reclaims != 0 || i.LastAcked.First != ids[0] || i.LastAcked.Last != ids[1] || i.Next != 2 {
		t.Errorf("%+v", i)
	}
	if c := n.want(o, "2"); c.Attempt != 1 {
		t.Errorf("attempt %d", c.Attempt)
	}
}

// One failure is enough with a limit of 1, and the topic can be chosen.
func TestDeadLetterTopicOfItsOwn(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1")
	n.commit("morgue", "old")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: 1, OnMaxReclaims: pipeproc.DeadLetter, DeadLetterTopic: "morgue"}
	n.want(o, "0")
	n.reclaim("p")
	n.wantTopic("morgue", "old", "0")
	if r := n.records("morgue")[1]; header(r, pipeproc.DeadAttempts) != "1" || header(r, pipeproc.DeadReason) == "" {
		t.Errorf("%s", r.Headers)
	}
	n.want(o, "1")
	if topics, err := n.Topics(t.Context()); err != nil || len(topics) != 2 {
		t.Error("more topics than two", topics, err)
	}
}

// A timeout is a reason as well.
func TestDeadLetterAfterTimeout(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: 2, ReclaimTimeout: time.Second, OnMaxReclaims: pipeproc.DeadLetter}
		n.want(o, "0")
		pass(time.Second)
		c := n.want(o, "0")
		pass(time.Second)
		n.wantTopic("t__dead", "0")
		if r := n.records("t__dead")[0]; !strings.Contains(header(r, pipeproc.DeadReason), "1s") || header(r, pipeproc.DeadAttempts) != "2" {
			t.Errorf("%s", r.Headers)
		}
		n.stale("p", c.Token)
		n.want(o, "1")
	})
}

// The records are in one place, whenever the process is killed.
func TestDeadLetterAtomically(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: 2, OnMaxReclaims: pipeproc.DeadLetter}
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

// A reader sees the dead letter no later than that the proc has moved on.
func TestDeadLetterIsSeenWithTheAck(t *testing.T) {
	n := newLab(t, nil)
	const total = 200
	for i := range total {
		n.commit("t", fmt.Sprint(i))
	}
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: 1, OnMaxReclaims: pipeproc.DeadLetter}
	n.ensure(o)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range total {
			c, err := n.Proc(t.Context(), o)
			if err == nil {
				_, err = n.Reclaim(t.Context(), "p", c.Token, "")
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	for {
		next := n.info("p").Next
		if length, err := n.Length(t.Context(), "t__dead"); next > 0 && (err != nil || length < next) {
			t.Fatalf("the proc is at %d and there are %d dead letters, %v", next, length, err)
		}
		select {
		case <-done:
			n.wantTopic("t__dead", n.bodies("t")...)
			return
		default:
		}
	}
}

// A reason of any length does no harm.
func TestDeadLetterLongReason(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: 1, OnMaxReclaims: pipeproc.DeadLetter}
	c := n.want(o, "0")
	_, err := n.Reclaim(t.Context(), "p", c.Token, strings.Repeat("why ", 1<<20))
	n.ok(err)
	if r := n.records("t__dead")[0]; !strings.HasPrefix(header(r, pipeproc.DeadReason), "why why") || len(header(r, pipeproc.DeadReason)) > 1<<16 {
		t.Errorf("a reason of %d bytes", len(header(r, pipeproc.DeadReason)))
	}
}

// Records that were pruned under the claim leave a word about them.
func TestDeadLetterOfPrunedRecords(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1", "2", "3")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 2, MaxReclaims: 1, OnMaxReclaims: pipeproc.DeadLetter}
	n.want(o, "0", "1")
	n.ok(n.Prune(t.Context(), "t", 1))
	n.reclaim("p")
	n.wantTopic("t__dead", "1")
	n.want(o, "2", "3")
	n.ok(n.Prune(t.Context(), "t", 4))
	n.reclaim("p")
	dead := n.records("t__dead")
	if len(dead) != 2 || !strings.Contains(header(dead[1], pipeproc.DeadReason), "pruned") {
		t.Errorf("%d dead letters, %s", len(dead), dead[len(dead)-1].Headers)
	}
	if i := n.info("p"); i.Next != 4 || i.Claim != (pipeproc.Token{}) {
		t.Errorf("%+v", i)
	}
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
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: -1, MaxReclaims: 1, OnMaxReclaims: pipeproc.DeadLetter}
	for range 30 {
		if c := n.claim(o); c.Empty() {
			break
		}
		_, err := n.Reclaim(t.Context(), "p", pipeproc.Token{}, "")
		n.ok(err)
	}
	n.wantTopic("t__dead", want...)
}

// A record whose headers do not fit beside it any more is no dead end either.
func TestDeadLetterOfTheLargestRecord(t *testing.T) {
	n := newLab(t, &pipeproc.Options{MaxBody: 10_000, MaxBatch: 10_010})
	body := strings.Repeat(".", 10_000)
	n.commit("t", body)
	n.commit("t", "1")
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", MaxReclaims: 1, OnMaxReclaims: pipeproc.DeadLetter}
	n.want(o, body)
	_, err := n.Reclaim(t.Context(), "p", pipeproc.Token{}, "")
	n.ok(err)
	n.want(o, "1")
}
