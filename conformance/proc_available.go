package conformance

import (
	"fmt"

	"github.com/pipeproc/pipeproc"
)

var availableTests = []test{
	{name: "finds the one with work", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		list := listOf("t", "drained", "claimed", "disabled", "works")
		for i := range list {
			list[i].Count, list[i].Retry.ReclaimTimeout, list[i].Retry.MaxReclaims = 3, -1, -1
			l.ensure(list[i])
		}
		l.claimAck(list[0], 1)
		l.claim(list[1])
		l.disable("disabled")
		list = append(list, pipeproc.ProcOptions{Name: "no topic", Topic: "nowhere"})
		for range 5 {
			if name := l.available(list...); name != "works" {
				l.t.Errorf("claimed for %q", name)
			}
			l.reclaim("works")
		}
		l.claimAck(list[3], 1)
		for range 5 {
			if name := l.available(list...); name != "" {
				l.t.Errorf("claimed for %q, which has nothing", name)
			}
		}
	}},
	{name: "makes them", run: func(l *lab) {
		l.commit("t", "0", "1", "2")
		c, err := l.ClaimAny(l.ctx, pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 2, Retry: pipeproc.RetryPolicy{MaxReclaims: 3}}, pipeproc.ProcOptions{Name: "q", Topic: "u"})
		l.ok(err)
		l.wantBodies(c, "0", "1")
		if i := l.info("p"); i.Retry.MaxReclaims != 3 || c.Token != i.Claim || c.Topic != "t" || c.Proc != "p" {
			l.t.Errorf("%+v", i)
		}
		if i := l.info("q"); i.Topic != "u" {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "refused", run: func(l *lab) {
		l.commit("t", "0")
		_, err := l.ClaimAny(l.ctx)
		l.wantErr(err, pipeproc.ErrInvalidProcOptions)
		_, err = l.ClaimAny(l.ctx, pipeproc.ProcOptions{Name: "q", Topic: "t", Offset: "x"})
		l.wantErr(err, pipeproc.ErrInvalidRangeOffset)
		l.ensure(procOn("t"))
		l.ensure(pipeproc.ProcOptions{Name: "other", Topic: "u"})
		_, err = l.ClaimAny(l.ctx, procOn("t"), pipeproc.ProcOptions{Name: "other", Topic: "t"})
		l.wantErr(err, pipeproc.ErrProcNameNotUnique)
		if i := l.info("p"); !i.LastClaimedAt.IsZero() {
			l.t.Errorf("claimed all the same: %+v", i)
		}
	}},
	{name: "twice in the list", run: func(l *lab) {
		l.commit("t", "0")
		list := listOf("t", "p", "p")
		if first, second := l.available(list...), l.available(list...); first != "p" || second != "" {
			l.t.Errorf("%q, %q", first, second)
		}
	}},
	{name: "only disabled ones", run: func(l *lab) {
		l.commit("t", "0")
		l.ensure(procOn("t"))
		l.disable("p")
		if name := l.available(procOn("t")); name != "" {
			l.t.Errorf("claimed for %q", name)
		}
	}},
	{name: "starves nobody", run: func(l *lab) {
		names := []string{"a", "b", "c"}
		for i := range 10 {
			l.commit("t", fmt.Sprint(i))
		}
		turns := map[string]int{}
		for range 30 {
			name := l.available(listOf("t", names...)...)
			l.ack(name)
			turns[name]++
		}
		for _, name := range names {
			if turns[name] != 10 {
				l.t.Errorf("%v, want ten each", turns)
			}
		}
	}},
	{name: "starves nobody beside other lists", run: func(l *lab) {
		for i := range 40 {
			l.commit("t", fmt.Sprint(i))
		}
		turns := map[string]int{}
		for range 20 {
			for _, list := range [][]pipeproc.ProcOptions{listOf("t", "a", "b"), listOf("t", "x", "y")} {
				name := l.available(list...)
				l.ack(name)
				turns[name]++
			}
		}
		for _, name := range []string{"a", "b", "x", "y"} {
			if turns[name] < 5 {
				l.t.Errorf("%v, want about ten each", turns)
			}
		}
	}},
	{name: "many callers take nothing twice", run: func(l *lab) {
		const procs, records = 3, 15
		var list []pipeproc.ProcOptions
		for p := range procs {
			topic := fmt.Sprint("t", p)
			for i := range records {
				l.commit(topic, fmt.Sprint(i))
			}
			list = append(list, pipeproc.ProcOptions{Name: topic, Topic: topic, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}})
		}
		seen := make(chan string, 2*procs*records)
		var all []*result
		for range 4 {
			all = append(all, l.start(func() error {
				for len(seen) < procs*records {
					c, err := l.ClaimAny(l.ctx, list...)
					if err != nil {
						return err
					}
					if c.Empty() {
						continue
					}
					seen <- c.Proc + " " + string(c.Records[0].Body)
					if _, err := l.Ack(l.ctx, c.Proc, c.Token); err != nil {
						return err
					}
				}
				return nil
			}))
		}
		for _, r := range all {
			l.ok(r.wait())
		}
		close(seen)
		got := map[string]int{}
		for s := range seen {
			got[s]++
		}
		if len(got) != procs*records {
			l.t.Errorf("%d different records, want %d", len(got), procs*records)
		}
	}},
}

// available claims for a list and returns the name of the proc, "" for none.
func (l *lab) available(list ...pipeproc.ProcOptions) string {
	l.t.Helper()
	c, err := l.ClaimAny(l.ctx, list...)
	l.ok(err)
	if c.Empty() != (c.Proc == "") {
		l.t.Errorf("a claim of nobody, or of nothing: %+v", c)
	}
	return c.Proc
}

func listOf(topic string, names ...string) (list []pipeproc.ProcOptions) {
	for _, name := range names {
		list = append(list, pipeproc.ProcOptions{Name: name, Topic: topic})
	}
	return list
}
