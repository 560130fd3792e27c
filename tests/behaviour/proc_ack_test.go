package behaviour_test

import (
	"testing"

	"github.com/pipeproc/pipeproc"
)

// Both or neither across a crash, too: after each AckCommit of a chain of procs
// the disk holds each record in exactly one place.
func TestAckCommitBothOrNeitherAfterKill(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1", "2", "3")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t"}
		for i := range 4 {
			c := n.claim(o)
			_, _, err := n.AckCommit(t.Context(), "p", c.Token, pipeproc.Record{Topic: "out", Body: c.Records[0].Body})
			n.ok(err)
			n = reopen()
			if p := n.info("p"); p.Next != uint64(i+1) || p.LastAcked != c.Range {
				t.Errorf("%+v", p)
			}
		}
		n.wantTopic("out", "0", "1", "2", "3")
		n.want(o)
	})
}
