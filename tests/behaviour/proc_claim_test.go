package behaviour_test

import (
	"fmt"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// The records that a claim names can be read, with commits and claims at the same
// time.
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
