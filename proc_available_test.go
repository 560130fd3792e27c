package pipeproc_test

import (
	"fmt"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// available claims for a list and returns the name of the proc, "" for none.
func (n *lab) available(list ...pipeproc.ProcOptions) string {
	n.t.Helper()
	c, err := n.AvailableProc(n.t.Context(), list...)
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

// Q12: it is not only one proc that is tried: those that have an open claim, or
// nothing to do, are passed over, also with counts above 1.
func TestAvailableProcFindsTheOneWithWork(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1", "2")
	list := listOf("t", "drained", "claimed", "disabled", "works")
	for i := range list {
		list[i].Count = 3
		n.ensure(list[i])
	}
	n.claim(list[0])
	n.ack("drained")
	n.claim(list[1])
	n.disable("disabled")
	list = append(list, pipeproc.ProcOptions{Name: "no topic", Topic: "nowhere"})
	for range 7 {
		if name := n.available(list...); name != "works" {
			t.Errorf("claimed for %q", name)
		}
		n.reclaim("works")
	}
	n.claim(list[3])
	n.ack("works")
	for range 7 {
		if name := n.available(list...); name != "" {
			t.Errorf("claimed for %q, which has nothing", name)
		}
	}
}

// All of the list are made, with their options; the count of each is its own.
func TestAvailableProcMakesThem(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0", "1", "2")
	c, err := n.AvailableProc(t.Context(), pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 2, MaxReclaims: 3})
	n.ok(err)
	n.wantBodies(c, "0", "1")
	if i := n.info("p"); i.MaxReclaims != 3 || c.Token != i.Claim || c.Topic != "t" {
		t.Errorf("%+v", i)
	}
	_, err = n.AvailableProc(t.Context())
	wantCode(t, err, "invalid_proc_options")
	_, err = n.AvailableProc(t.Context(), pipeproc.ProcOptions{Name: "q", Topic: "t", Offset: "x"})
	wantCode(t, err, "invalid_range_offset")
}

// A list may hold a proc twice; it is claimed once.
func TestAvailableProcTwiceInTheList(t *testing.T) {
	n := newLab(t, nil)
	n.commit("t", "0")
	list := listOf("t", "p", "p")
	if first, second := n.available(list...), n.available(list...); first != "p" || second != "" {
		t.Errorf("%q, %q", first, second)
	}
}

// Nobody is starved by those before it in the list.
func TestAvailableProcIsFair(t *testing.T) {
	n := newLab(t, nil)
	names := []string{"a", "b", "c"}
	for i := range 30 {
		n.commit("t", fmt.Sprint(i))
	}
	turns := map[string]int{}
	for range 30 {
		name := n.available(listOf("t", names...)...)
		n.ack(name)
		turns[name]++
	}
	for _, name := range names {
		if turns[name] != 10 {
			t.Errorf("%v, want ten each", turns)
		}
	}
}

// Nor by callers with other lists that ask in between.
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

// Many callers share the work without taking any of it twice.
func TestAvailableProcAtOnce(t *testing.T) {
	n := newLab(t, nil)
	const procs, records = 5, 40
	var list []pipeproc.ProcOptions
	for p := range procs {
		topic := fmt.Sprint("t", p)
		for i := range records {
			n.commit(topic, fmt.Sprint(i))
		}
		list = append(list, pipeproc.ProcOptions{Name: topic, Topic: topic})
	}
	seen := make(chan string, procs*records+1)
	for range 4 {
		go func() {
			for {
				c, err := n.AvailableProc(t.Context(), list...)
				if err == nil && !c.Empty() {
					seen <- c.Proc + " " + string(c.Records[0].Body)
					_, err = n.Ack(t.Context(), c.Proc, c.Token)
				}
				if err != nil {
					return // the test is over
				}
			}
		}()
	}
	got := map[string]int{}
	for range procs * records {
		got[<-seen]++
	}
	if len(got) != procs*records {
		t.Errorf("%d different records, want %d", len(got), procs*records)
	}
}
