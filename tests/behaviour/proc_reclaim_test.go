package behaviour_test

import (
	"fmt"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// What comes again is what was claimed, however it began.
func TestReclaimOfFirstClaimKeepsTheOffset(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		ids := offsetTopic(n)
		for i, offset := range []string{">", ":1", ids[1].String(), fmt.Sprint(ids[3].Millis), "$>"} {
			o := pipeproc.ProcOptions{Name: fmt.Sprint("p", i), Topic: "t", Offset: offset}
			n.ensure(o)
		}
		n.commit("t", "6")
		for i := range 5 {
			o := pipeproc.ProcOptions{Name: fmt.Sprint("p", i), Topic: "t"}
			first := n.claim(o)
			n.reclaim(o.Name)
			if again := n.claim(o); again.Range != first.Range || first.Empty() {
				t.Errorf("%v came again as %v", first.Range, again.Range)
			}
		}
	})
}
