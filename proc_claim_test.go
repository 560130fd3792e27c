package pipeproc_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// Count: one by default, at most what there is, all when negative. Q15: always
// a slice, whatever the number. client/proc #1, #2; node/proc #1, #2.
func TestProcCount(t *testing.T) {
	for _, c := range []struct{ count, want int }{{0, 1}, {1, 1}, {2, 2}, {3, 3}, {5, 5}, {6, 5}, {1 << 40, 5}, {-1, 5}, {-99, 5}} {
		n := newLab(t, nil)
		ids := n.commit("t", "0", "1", "2", "3", "4")
		claim := n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: c.count})
		if len(claim.Records) != c.want {
			t.Errorf("count %d: %d records, want %d", c.count, len(claim.Records), c.want)
			continue
		}
		for i, r := range claim.Records {
			if r.ID != ids[i] || r.Topic != "t" || string(r.Body) != fmt.Sprint(i) {
				t.Errorf("record %d is %+v", i, r)
			}
		}
		if r := claim.Range; r.First != ids[0] || r.Last != ids[c.want-1] || r.Count != uint64(c.want) {
			t.Errorf("count %d: range %v of %d", c.count, r, r.Count)
		}
	}
}

// The count is of one call.
func TestProcCountIsPerCall(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1", "2", "3")
	for _, c := range []struct {
		count int
		want  []string
	}{{2, []string{"0", "1"}}, {0, []string{"2"}}, {-1, []string{"3"}}} {
		n.want(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: c.count}, c.want...)
		n.ack("p")
	}
}

// A claim of all there is ends with the record that brings it to 16 MiB.
func TestProcClaimIsBounded(t *testing.T) {
	n := newLab(t, &pipeproc.Options{WALSize: 32 << 20})
	_, err := n.Commit(t.Context(), pipeproc.Record{Topic: "t", Body: make([]byte, 16<<20)})
	n.ok(err)
	n.commit("t", "1", "2")
	for _, want := range []int{1, 2} {
		if c := n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: -1}); len(c.Records) != want {
			t.Errorf("%d records, want %d", len(c.Records), want)
		}
		n.ack("p")
	}
}

// A claim says all that there is to know of it.
func TestProcClaimFields(t *testing.T) {
	n := newLab(t, nil)
	ids, err := n.Commit(t.Context(),
		pipeproc.Record{Topic: "t", Key: []byte("k"), Headers: []pipeproc.Header{{Name: "h", Value: []byte("v")}, {Name: "", Value: nil}}, Body: []byte("b")},
		pipeproc.Record{Topic: "t"})
	n.ok(err)
	c := n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 2, ReclaimTimeout: 1500 * time.Millisecond})
	if c.Proc != "p" || c.Topic != "t" || c.Attempt != 1 || c.Timeout != 1500*time.Millisecond || c.Skipped != 0 || c.Token == (pipeproc.Token{}) {
		t.Errorf("%+v", c)
	}
	r := c.Records[0]
	if r.ID != ids[0] || string(r.Key) != "k" || string(r.Body) != "b" || fmt.Sprintf("%s", r.Headers) != "[{h v} { }]" {
		t.Errorf("%s", fmt.Sprint(r))
	}
	if r := c.Records[1]; r.ID != ids[1] || len(r.Key)+len(r.Headers)+len(r.Body) != 0 {
		t.Errorf("%+v", r)
	}
	i := n.info("p")
	if i.Claim != c.Token || i.LastClaimed != c.Range || i.Pending != 2 || i.Next != 0 {
		t.Errorf("%+v", i)
	}
}

// What a claim holds is the caller's: it stays as it is, and may be changed.
func TestProcClaimIsTheCallers(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1")
	first := n.want(pipeproc.ProcOptions{Name: "p", Topic: "t"}, "0")
	n.ack("p")
	second := n.want(pipeproc.ProcOptions{Name: "p", Topic: "t"}, "1")
	copy(second.Records[0].Body, "x")
	n.wantBodies(first, "0")
	n.reclaim("p")
	n.want(pipeproc.ProcOptions{Name: "p", Topic: "t"}, "1")
}

// While a claim is open there is no other. client/proc #3; node/proc #4, #13,
// #16.
func TestProcOneOutstandingClaim(t *testing.T) {
	for _, offset := range []string{">", "0", "$>", ":0"} {
		n := newLab(t, nil)
		n.commit("t", "old")
		n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t", Offset: offset})
		n.commit("t", "0", "1", "2")
		if c := n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t"}); c.Empty() {
			t.Fatal("nothing to claim with", offset)
		}
		for range 3 {
			if c := n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: -1}); !c.Empty() || c.Token != (pipeproc.Token{}) {
				t.Errorf("offset %s: a second claim %+v", offset, c)
			}
		}
	}
}

// Procs do not hinder each other.
func TestProcsAreIndependent(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1")
	a, b := pipeproc.ProcOptions{Name: "a", Topic: "t"}, pipeproc.ProcOptions{Name: "b", Topic: "t"}
	n.want(a, "0")
	n.want(b, "0")
	n.ack("a")
	n.want(a, "1")
	n.want(b)
	n.ack("b")
	n.want(b, "1")
}

// Nothing to claim is an empty claim without an error: no topic, an empty one,
// and everything seen.
func TestProcNothingToClaim(t *testing.T) {
	n := newLab(t, nil)
	o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
	empty := func() {
		t.Helper()
		if c := n.claim(o); !c.Empty() || c.Token != (pipeproc.Token{}) {
			t.Errorf("%+v", c)
		}
	}
	empty()
	n.ok(n.CreateTopic(t.Context(), "t", pipeproc.TopicOptions{}))
	empty()
	n.commit("t", "0")
	n.want(o, "0")
	n.ack("p")
	empty()
	if i := n.info("p"); i.Pending != 0 || i.Next != 1 {
		t.Errorf("%+v", i)
	}
}

// The order of checks: the name, then the state of the proc, and only then
// whether there is anything. node/resumeDisable #4
func TestProcOrderOfChecks(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1")
	n.want(pipeproc.ProcOptions{Name: "p", Topic: "t"}, "0")
	n.disable("p")
	_, err := n.Proc(t.Context(), pipeproc.ProcOptions{Name: "p", Topic: "u"})
	wantCode(t, err, "proc_name_not_unique")
	_, err = n.Proc(t.Context(), pipeproc.ProcOptions{Name: "p", Topic: "t"})
	wantCode(t, err, "proc_is_disabled")
	n.ack("p")
	_, err = n.Proc(t.Context(), pipeproc.ProcOptions{Name: "p", Topic: "t"})
	wantCode(t, err, "proc_is_disabled")
	n.ensure(pipeproc.ProcOptions{Name: "q", Topic: "nowhere"})
	n.disable("q")
	_, err = n.Proc(t.Context(), pipeproc.ProcOptions{Name: "q", Topic: "nowhere"})
	wantCode(t, err, "proc_is_disabled")
}

// The claimed ranges: of the latest claim, the one before, and the acknowledged
// one. node/proc #3; client/proc #4
func TestProcRanges(t *testing.T) {
	n := newLab(t, nil)
	ids := n.commit("t", "0", "1", "2", "3", "4", "5")
	text := func(a, b int) string { return ids[a].String() + ".." + ids[b].String() }
	check := func(claimed, previous, acked string) {
		t.Helper()
		i := n.info("p")
		if i.LastClaimed.String() != claimed || i.PreviousClaimed.String() != previous || i.LastAcked.String() != acked {
			t.Errorf("claimed %q, before %q, acked %q; want %q, %q, %q", i.LastClaimed, i.PreviousClaimed, i.LastAcked, claimed, previous, acked)
		}
	}
	o := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 2}
	n.ensure(o)
	check("", "", "")
	n.claim(o)
	check(text(0, 1), "", "")
	n.ack("p")
	check(text(0, 1), "", text(0, 1))
	n.claim(o)
	check(text(2, 3), text(0, 1), text(0, 1))
	n.reclaim("p")
	check(text(0, 1), text(0, 1), text(0, 1))
	n.claim(o)
	check(text(2, 3), text(0, 1), text(0, 1))
	n.ack("p")
	n.claim(o)
	check(text(4, 5), text(2, 3), text(2, 3))
}

// Q31: what a claim is told of is there to be read, with commits and claims at
// the same time.
func TestProcClaimsBesideCommits(t *testing.T) {
	n := newLab(t, nil)
	const total = 2000
	go func() {
		for i := range total {
			if _, err := n.Commit(t.Context(), recordsOf("t", fmt.Sprint(i))...); err != nil {
				t.Error(err)
			}
		}
	}()
	for next := 0; next < total; {
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 7}
		n.ensure(o)
		n.ok(n.WaitForWork(t.Context(), "p"))
		c := n.claim(o)
		if c.Empty() {
			t.Fatal("told of records that are not there")
		}
		for _, r := range c.Records {
			if string(r.Body) != fmt.Sprint(next) || r.ID.Seq != uint64(next) {
				t.Fatalf("record %v %s, want %d", r.ID, r.Body, next)
			}
			next++
		}
		n.ack("p")
	}
}
