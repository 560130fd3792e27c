package behaviour_test

import (
	"testing"

	"github.com/pipeproc/pipeproc"
)

// node/destroyProc #3: destroying a proc removes that one and no other, on
// disk, too.
func TestDestroyRemovesOneProc(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0", "1")
		for _, name := range []string{"a", "ab", "b", "c", "z"} {
			n.claim(pipeproc.ProcOptions{Name: name, Topic: "t"})
			n.ack(name)
		}
		_, err := n.DefineSystemProc(t.Context(), pipeproc.SystemProcOptions{Name: "sys", From: []string{"t", "u"}})
		n.ok(err)
		n.destroy("a")
		n.destroy("c")
		n = reopen()
		list, err := n.Procs(t.Context())
		n.ok(err)
		names := ""
		for _, i := range list {
			names += " " + i.Name
			if i.System == "" && i.Next != 1 {
				t.Errorf("%+v", i)
			}
		}
		if names != " ab b sys__t sys__u z" {
			t.Errorf("procs%s", names)
		}
		if s, err := n.SystemProcs(t.Context()); err != nil || len(s) != 1 {
			t.Error(s, err)
		}
	})
}
