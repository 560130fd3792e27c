package behaviour_test

import (
	"slices"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// node/systemProc. Inline and external processors (#7, #11, #14, #15) are
// functions that a program registers by name here.
func TestOriginalNodeSystemProc(t *testing.T) {
	single := pipeproc.SystemProcOptions{Name: "my_proc", From: []string{"a"}, Processor: nop}
	multiple := pipeproc.SystemProcOptions{Name: "my_proc", From: []string{"a", "b"}, Processor: nop}
	want := func(t *testing.T, list []pipeproc.ProcInfo, names ...string) {
		t.Helper()
		if !slices.Equal(namesOf(list), names) {
			t.Errorf("%q, want %q", namesOf(list), names)
		}
	}
	count := func(t *testing.T, n *lab, procs, systems int) {
		t.Helper()
		list, err := n.Procs(t.Context())
		n.ok(err)
		defs, err := n.SystemProcs(t.Context())
		n.ok(err)
		if len(list) != procs || len(defs) != systems {
			t.Errorf("%d procs, %d system procs; want %d, %d", len(list), len(defs), procs, systems)
		}
	}
	originals(t, []originalCase{
		{"#1 single 'from': the proc does not already exist", func(t *testing.T, n *lab) {
			want(t, n.system(single), "my_proc")
		}},
		{"#2 should return the proc if the proc already exists", func(t *testing.T, n *lab) {
			before := n.ensure(pipeproc.ProcOptions{Name: "my_proc", Topic: "a"})
			list := n.system(single)
			want(t, list, "my_proc")
			if list[0].CreatedAt != before.CreatedAt || list[0].Next != before.Next {
				t.Errorf("%+v", list[0])
			}
		}},
		{"#3 should return an error if the proc already exists and is not unique", func(t *testing.T, n *lab) {
			n.ensure(pipeproc.ProcOptions{Name: "my_proc", Topic: "other"})
			_, err := n.DefineSystemProc(t.Context(), single)
			wantCode(t, err, "proc_name_not_unique")
			count(t, n, 1, 0)
		}},
		{"#4 multiple 'from': the procs do not already exist", func(t *testing.T, n *lab) {
			want(t, n.system(multiple), "my_proc__a", "my_proc__b")
		}},
		{"#5 should return the procs that already exist", func(t *testing.T, n *lab) {
			n.ensure(pipeproc.ProcOptions{Name: "my_proc__a", Topic: "a"})
			want(t, n.system(multiple), "my_proc__a", "my_proc__b")
		}},
		{"#6 should return an error if some procs already exist and are not unique", func(t *testing.T, n *lab) {
			n.ensure(pipeproc.ProcOptions{Name: "my_proc__b", Topic: "other"})
			_, err := n.DefineSystemProc(t.Context(), multiple)
			wantCode(t, err, "proc_name_not_unique")
			count(t, n, 1, 0)
		}},
		{"#7 single 'from': should be created", func(t *testing.T, n *lab) {
			n.system(single)
			count(t, n, 1, 1)
		}},
		{"#8 should be created (single to)", func(t *testing.T, n *lab) {
			o := single
			o.To = []string{"x"}
			n.system(o)
			count(t, n, 1, 1)
		}},
		{"#9 should be created (multiple to's)", func(t *testing.T, n *lab) {
			o := single
			o.To = []string{"x", "y"}
			n.system(o)
			count(t, n, 1, 1)
		}},
		{"#10 should be created (multiple from, multiple to)", func(t *testing.T, n *lab) {
			o := multiple
			o.To = []string{"x", "y"}
			want(t, n.system(o), "my_proc__a", "my_proc__b")
			count(t, n, 2, 1)
		}},
		{"#11 should be created (a processor that need not be there yet)", func(t *testing.T, n *lab) {
			o := single
			o.Processor, o.ProcessorName = nil, "elsewhere"
			n.system(o)
			count(t, n, 1, 1)
		}},
		{"#13 should just return the proc if it already exists", func(t *testing.T, n *lab) {
			first := n.system(single)
			if again := n.system(single); !slices.Equal(again, first) {
				t.Errorf("%+v became %+v", first, again)
			}
			count(t, n, 1, 1)
		}},
		{"#14 #15 multiple 'from': should be created", func(t *testing.T, n *lab) {
			want(t, n.system(multiple), "my_proc__a", "my_proc__b")
			count(t, n, 2, 1)
		}},
		{"#16 should just return the procs if they already exist", func(t *testing.T, n *lab) {
			first := n.system(multiple)
			if again := n.system(multiple); !slices.Equal(again, first) {
				t.Errorf("%+v became %+v", first, again)
			}
			count(t, n, 2, 1)
		}},
		{"#17 should create only those that do not already exist", func(t *testing.T, n *lab) {
			n.commit("b", "0")
			n.claim(pipeproc.ProcOptions{Name: "my_proc__b", Topic: "b"})
			n.ack("my_proc__b")
			list := n.system(multiple)
			want(t, list, "my_proc__a", "my_proc__b")
			if list[0].Next != 0 || list[1].Next != 1 {
				t.Errorf("%+v", list)
			}
			count(t, n, 2, 1)
		}},
	})
}
