package behaviour_test

import (
	"fmt"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// available claims for a list and returns the name of the proc, "" for none.
func (n *lab) available(list ...pipeproc.ProcOptions) string {
	n.t.Helper()
	c, err := n.ClaimAny(n.t.Context(), list...)
	n.ok(err)
	if c.Empty() != (c.Proc == "") {
		n.t.Errorf("a claim of nobody, or of nothing: %+v", c)
	}
	return c.Proc
}

func listOf(topic string, names ...string) (list []pipeproc.ProcOptions) {
	for _, name := range names {
		list = append(list, pipeproc.ProcOptions{Name: name, Topic: topic})
	}
	return list
}

// The procs of a caller take turns, also if callers with other lists ask in between.
func TestAvailableProcIsFairToEachCaller(t *testing.T) {
	n := newLab(t, nil)
	for i := range 40 {
		n.commit("t", fmt.Sprint(i))
	}
	turns := map[string]int{}
	for range 20 {
		for _, list := range [][]pipeproc.ProcOptions{listOf("t", "a", "b"), listOf("t", "x", "y")} {
			name := n.available(list...)
			n.ack(name)
			turns[name]++
		}
	}
	for _, name := range []string{"a", "b", "x", "y"} {
		if turns[name] < 5 {
			t.Errorf("%v, want about ten each", turns)
			break
		}
	}
}
