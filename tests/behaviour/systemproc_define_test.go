package behaviour_test

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// system defines a system proc.
func (n *lab) system(o pipeproc.SystemProcOptions) []pipeproc.ProcInfo {
	n.t.Helper()
	list, err := n.DefineSystemProc(n.t.Context(), o)
	n.ok(err)
	return list
}

func namesOf(list []pipeproc.ProcInfo) (names []string) {
	for _, i := range list {
		names = append(names, i.Name)
	}
	return names
}

// settled waits until the node does nothing, in a bubble.
func (n *lab) settled() {
	n.t.Helper()
	pass(0)
	n.ok(n.WaitForProcs(n.t.Context()))
}

// With several topics, procs that exist keep their position, missing ones are made,
// and all are returned.
func TestSystemProcKeepsExistingMakesMissing(t *testing.T) {
	for _, existing := range [][]string{{"a"}, {"b"}, {"a", "b"}, {"b", "c"}, {"a", "b", "c"}} {
		reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
			for _, topic := range []string{"a", "b", "c"} {
				n.commit(topic, "0", "1")
			}
			made := map[string]time.Time{}
			for _, topic := range existing {
				o := pipeproc.ProcOptions{Name: "s__" + topic, Topic: topic, Retry: pipeproc.RetryPolicy{MaxReclaims: 3}}
				n.claim(o)
				n.ack(o.Name)
				made[o.Name] = n.info(o.Name).CreatedAt
			}
			pass(time.Hour)
			list := n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"c", "a", "b"}})
			if !slices.Equal(namesOf(list), []string{"s__a", "s__b", "s__c"}) {
				t.Errorf("%q", namesOf(list))
			}
			n = reopen()
			if all, err := n.Procs(t.Context()); err != nil || len(all) != 3 {
				t.Errorf("%q, %v", namesOf(all), err)
			}
			for _, topic := range []string{"a", "b", "c"} {
				i := n.info("s__" + topic)
				if slices.Contains(existing, topic) && (i.Next != 1 || !i.CreatedAt.Equal(made[i.Name]) || i.Retry.MaxReclaims != 3) {
					t.Errorf("not kept: %+v", i)
				}
				if !slices.Contains(existing, topic) && (i.Next != 0 || i.Retry.MaxReclaims != 10) {
					t.Errorf("not made: %+v", i)
				}
				if i.System != "s" {
					t.Errorf("%+v", i)
				}
			}
		})
	}
}

// The same definition again is returned and changes nothing, whatever the order of
// its topics; new topics are added.
func TestSystemProcSameDefinition(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		o := pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}, To: []string{"x", "y"}, Count: 3, Lanes: 2,
			Offset: "$>", Retry: pipeproc.RetryPolicy{MaxReclaims: 4, ReclaimTimeout: time.Minute, OnMaxReclaims: pipeproc.StrategyDeadLetter, Backoff: time.Second}}
		first := n.system(o)
		pass(time.Hour)
		n = reopen()
		o.From = []string{"b", "a"}
		if again := n.system(o); !slices.Equal(again, first) {
			t.Errorf("%+v became %+v", first, again)
		}
		o.From = []string{"c", "b", "a"}
		more := n.system(o)
		if len(more) != 3 || more[0] != first[0] || more[1] != first[1] || more[2].Name != "s__c" {
			t.Errorf("%+v", more)
		}
		if s, err := n.SystemProcs(t.Context()); err != nil || len(s) != 1 || len(s[0].From) != 3 || s[0].CreatedAt != first[0].CreatedAt {
			t.Error(s, err)
		}
	})
}

// Any other definition is refused and has no effect; with Replace it is accepted.
func TestSystemProcOtherDefinition(t *testing.T) {
	base := pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}, To: []string{"x"}, ProcessorName: "fn", Count: 2}
	for name, change := range map[string]func(o *pipeproc.SystemProcOptions){
		"less From":      func(o *pipeproc.SystemProcOptions) { o.From = []string{"a"}; o.PerTopic = true },
		"another From":   func(o *pipeproc.SystemProcOptions) { o.From = []string{"a", "c"} },
		"more To":        func(o *pipeproc.SystemProcOptions) { o.To = []string{"x", "y"} },
		"no To":          func(o *pipeproc.SystemProcOptions) { o.To = nil },
		"Processor":      func(o *pipeproc.SystemProcOptions) { o.ProcessorName = "other" },
		"Count":          func(o *pipeproc.SystemProcOptions) { o.Count = 3 },
		"Lanes":          func(o *pipeproc.SystemProcOptions) { o.Lanes = 2 },
		"MaxReclaims":    func(o *pipeproc.SystemProcOptions) { o.Retry.MaxReclaims = -1 },
		"ReclaimTimeout": func(o *pipeproc.SystemProcOptions) { o.Retry.ReclaimTimeout = time.Hour },
		"OnMaxReclaims":  func(o *pipeproc.SystemProcOptions) { o.Retry.OnMaxReclaims = pipeproc.StrategyContinue },
		"DeadLetterTopic": func(o *pipeproc.SystemProcOptions) {
			o.Retry.OnMaxReclaims, o.Retry.DeadLetterTopic = pipeproc.StrategyDeadLetter, "d"
		},
		"Backoff": func(o *pipeproc.SystemProcOptions) { o.Retry.Backoff = time.Minute },
		"Offset":  func(o *pipeproc.SystemProcOptions) { o.Offset = "$>" },
	} {
		t.Run(name, func(t *testing.T) {
			reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
				n.commit("a", "0", "1")
				n.system(base)
				n.claim(pipeproc.ProcOptions{Name: "s__a", Topic: "a"})
				n.ack("s__a")
				n = reopen()
				before, err := n.Procs(t.Context())
				n.ok(err)
				o := base
				change(&o)
				_, err = n.DefineSystemProc(t.Context(), o)
				wantCode(t, err, "proc_definition_differs", `"s"`)
				if after, err := n.Procs(t.Context()); err != nil || !slices.Equal(after, before) {
					t.Errorf("%+v became %+v", before, after)
				}
				o.Replace = true
				list := n.system(o)
				if i := list[0]; i.Name != "s__a" || i.Next != 1 {
					t.Errorf("the position is not kept: %+v", i)
				}
				o.Replace = false
				n = reopen()
				if again := n.system(o); !slices.Equal(again, list) { // it is the definition now
					t.Errorf("%+v became %+v", list, again)
				}
				if _, err = n.DefineSystemProc(t.Context(), base); name == "less From" {
					n.ok(err) // new topics in From are added
				} else {
					wantCode(t, err, "proc_definition_differs")
				}
			})
		})
	}
}

// Replace gives procs the new options, and destroys those whose topic is not
// read any more.
func TestSystemProcReplaceOptionsAndTopics(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}})
		pass(time.Hour)
		list := n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"b", "c"}, Retry: pipeproc.RetryPolicy{MaxReclaims: 2, ReclaimTimeout: time.Hour}, Replace: true})
		for range 2 {
			for _, i := range list {
				if now := n.info(i.Name); now != i || i.Retry.MaxReclaims != 2 || i.Retry.ReclaimTimeout != time.Hour {
					t.Errorf("%+v, %+v", i, now)
				}
			}
			if all, err := n.Procs(t.Context()); err != nil || !slices.Equal(namesOf(all), []string{"s__b", "s__c"}) {
				t.Error(namesOf(all), err)
			}
			n = reopen()
		}
	})
}

// Even if Replace changes all its topics, it is still the same system proc.
func TestSystemProcReplaceAllTopics(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}})
		before, err := n.SystemProcs(t.Context())
		n.ok(err)
		pass(time.Hour)
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"c", "d"}, Replace: true})
		after, err := n.SystemProcs(t.Context())
		n.ok(err)
		if len(after) != 1 || !slices.Equal(after[0].From, []string{"c", "d"}) || after[0].CreatedAt != before[0].CreatedAt {
			t.Errorf("%+v became %+v", before, after)
		}
	})
}

// Replace may also change the one topic that is read.
func TestSystemProcReplaceTheOneTopic(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("b", "0")
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"a"}})
		_, err := n.DefineSystemProc(t.Context(), pipeproc.SystemProcOptions{Name: "s", From: []string{"b"}})
		wantCode(t, err, "proc_definition_differs")
		list, err := n.DefineSystemProc(t.Context(), pipeproc.SystemProcOptions{Name: "s", From: []string{"b"}, Replace: true})
		n.ok(err)
		if len(list) != 1 || list[0].Name != "s" || list[0].Topic != "b" || list[0].Pending != 1 {
			t.Errorf("%+v", list)
		}
	})
}

// Two different definitions at the same time: one is taken, the other refused.
func TestSystemProcDefinedTwiceAtOnce(t *testing.T) {
	for _, existing := range []bool{false, true} {
		for range 100 {
			n := newLab(t, nil)
			if existing {
				n.ensure(pipeproc.ProcOptions{Name: "s__a", Topic: "a"})
				n.ensure(pipeproc.ProcOptions{Name: "s__b", Topic: "b"})
			}
			var wg sync.WaitGroup
			errs := make([]error, 2)
			for i := range errs {
				wg.Go(func() {
					_, errs[i] = n.DefineSystemProc(t.Context(), pipeproc.SystemProcOptions{Name: "s", From: []string{"a", "b"}, Count: i + 1})
				})
			}
			wg.Wait()
			failed := 0
			for i, err := range errs {
				if err != nil {
					failed++
					wantCode(t, err, "proc_definition_differs")
				} else if s, err := n.SystemProcs(t.Context()); err != nil || len(s) != 1 || s[0].Count != i+1 {
					t.Errorf("%d was taken and the definition is %+v, %v", i, s, err)
				}
			}
			n.shut()
			if failed != 1 {
				t.Fatalf("existing procs: %v: %d were refused", existing, failed)
			}
		}
	}
}
