package behaviour_test

import (
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// The first call makes the proc and claims; the next one finds it.
func TestProcCreateOrClaim(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1")
		before := time.Now().UnixMilli()
		n.want(pipeproc.ProcOptions{Name: "p", Topic: "t"}, "0")
		pass(time.Second)
		n.ack("p")
		n.want(pipeproc.ProcOptions{Name: "p", Topic: "t"}, "1")
		if i := n.info("p"); i.CreatedAt.UnixMilli() != before || i.LastClaimedAt.UnixMilli() != before+1000 || i.LastAckedAt.UnixMilli() != before+1000 {
			t.Errorf("created at %v, claimed at %v, acked at %v; want %d and a second later", i.CreatedAt, i.LastClaimedAt, i.LastAckedAt, before)
		}
		if list, err := n.Procs(t.Context()); err != nil || len(list) != 1 {
			t.Errorf("%d procs, %v", len(list), err)
		}
	})
}

// A name may hold any character that can be printed, and comes back.
func TestProcNamesOfAllKinds(t *testing.T) {
	names := []string{"a#b", "#", "~~system~~#proc#t#x#status", "a b", "größe", "日本", "a/b", "..", strings.Repeat("n", 255)}
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1")
		for _, name := range names {
			n.want(pipeproc.ProcOptions{Name: name, Topic: "t"}, "0")
			n.ack(name)
		}
		n = reopen()
		for _, name := range names {
			n.want(pipeproc.ProcOptions{Name: name, Topic: "t"}, "1")
		}
	})
}
