package conformance

import (
	"time"

	"github.com/pipeproc/pipeproc"
)

const young = time.Nanosecond // after l.aged, every existing record is at least this old

// aged waits until all existing records have an age above zero.
func (l *lab) aged() {
	l.t.Helper()
	l.later(l.commit("later", "x")[0])
}

func (l *lab) collect(o pipeproc.GCOptions) (pruned []pipeproc.Pruned) {
	l.t.Helper()
	list, err := l.GC(l.ctx, o)
	l.ok(err)
	for _, p := range list { // except the topic that lets time pass
		if p.Topic != "later" {
			pruned = append(pruned, p)
		}
	}
	return pruned
}

// wantLeft collects records of that age and checks what is left of topic t.
func (l *lab) wantLeft(age time.Duration, bodies ...string) {
	l.t.Helper()
	l.collect(pipeproc.GCOptions{MinAge: age})
	l.wantTopic("t", bodies...)
}

var gcTests = []test{
	{name: "without procs what is old goes", run: func(l *lab) {
		l.commit("t", "1", "2", "3")
		l.aged()
		l.wantLeft(young)
		if id := l.commit("t", "4")[0]; id.Seq != 3 {
			l.t.Errorf("sequences do not go on: %v", id)
		}
	}},
	{name: "what is not old stays", run: func(l *lab) {
		l.commit("t", "1", "2", "3")
		l.aged()
		l.wantLeft(time.Hour, "1", "2", "3")
		l.collect(pipeproc.GCOptions{}) // half a minute by default
		l.wantTopic("t", "1", "2", "3")
	}},
	{name: "two claims behind", run: func(l *lab) {
		l.commit("t", "1", "2", "3", "4", "5", "6")
		o := procOn("t")
		o.Count = 2
		l.claimAck(o, 1)
		l.aged()
		l.wantLeft(young, "1", "2", "3", "4", "5", "6")
		l.claimAck(o, 1)
		l.wantLeft(young, "1", "2", "3", "4", "5", "6")
		l.claimAck(o, 1)
		l.wantLeft(time.Hour, "1", "2", "3", "4", "5", "6")
		l.wantLeft(young, "3", "4", "5", "6")
	}},
	{name: "says what went", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3", "4", "5")
		o := procOn("t")
		o.Count = 2
		l.claimAck(o, 2)
		l.claim(o) // need not be acknowledged
		l.aged()
		pruned := l.collect(pipeproc.GCOptions{MinAge: young})
		if len(pruned) != 1 || pruned[0].Topic != "t" || pruned[0].First != 0 || pruned[0].Next != 2 || pruned[0].Reason.String() != "acknowledged" || len(pruned[0].Passed) != 0 {
			l.t.Errorf("%+v", pruned)
		}
		l.wantTopic("t", "2", "3", "4", "5")
		if again := l.collect(pipeproc.GCOptions{MinAge: young}); len(again) != 0 {
			l.t.Errorf("%+v", again)
		}
		l.reclaim("p") // the two latest claims are the same when it is claimed again
		l.wantLeft(young, "2", "3", "4", "5")
		l.want(o, "4", "5")
	}},
	{name: "the slowest proc decides", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3", "4", "5")
		fast, slow := pipeproc.ProcOptions{Name: "fast", Topic: "t"}, pipeproc.ProcOptions{Name: "slow", Topic: "t"}
		l.claimAck(fast, 6)
		l.claimAck(slow, 3)
		l.aged()
		l.wantLeft(young, "1", "2", "3", "4", "5")
		l.claimAck(slow, 2)
		l.wantLeft(young, "3", "4", "5")
		l.destroy("slow")
		l.wantLeft(young, "4", "5")
		l.destroy("fast")
		l.wantLeft(young)
	}},
	{name: "a new proc protects", run: func(l *lab) { l.protects(func(o pipeproc.ProcOptions) { l.ensure(o) }) }},
	{name: "a first claim protects", run: func(l *lab) { l.protects(func(o pipeproc.ProcOptions) { l.claim(o) }) }},
	{name: "a first claim that was given back protects", run: func(l *lab) {
		l.protects(func(o pipeproc.ProcOptions) { l.claim(o); l.reclaim(o.Name) })
	}},
	{name: "a proc at the end holds nobody back", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3")
		l.ensure(pipeproc.ProcOptions{Name: "$", Topic: "t", Offset: "$>"})
		l.claimAck(procOn("t"), 4)
		l.aged()
		l.wantLeft(young, "2", "3")
	}},
	{name: "a disabled proc protects, unless told otherwise", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3", "4", "5")
		l.claimAck(pipeproc.ProcOptions{Name: "disabled", Topic: "t"}, 3)
		l.disable("disabled")
		l.aged()
		l.wantLeft(young, "1", "2", "3", "4", "5")
		l.claimAck(pipeproc.ProcOptions{Name: "active", Topic: "t"}, 5)
		l.wantLeft(young, "1", "2", "3", "4", "5")
		l.collect(pipeproc.GCOptions{MinAge: young, IgnoreDisabled: true})
		l.wantTopic("t", "4", "5")
		l.disable("active")
		l.collect(pipeproc.GCOptions{MinAge: young, IgnoreDisabled: true})
		l.wantTopic("t")
		l.resume("disabled")
		l.commit("t", "6")
		l.skip(pipeproc.ProcOptions{Name: "disabled", Topic: "t"}, 3, "6")
	}},
	{name: "nothing that is not acknowledged goes", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3", "4", "5")
		o := procOn("t")
		l.claimAck(o, 4)
		l.seek("p", ":0") // and back
		l.claim(o)
		l.aged()
		l.wantLeft(young, "0", "1", "2", "3", "4", "5")
		l.ack("p")
		l.claim(o)
		l.wantLeft(young, "1", "2", "3", "4", "5")
	}},
	{name: "by itself, at its interval", o: Options{GC: &pipeproc.GCOptions{Interval: short, MinAge: short}}, run: func(l *lab) {
		for range 2 { // collection continues
			l.commit("t", "x")
			l.eventually("it is collected", func() bool { return l.length("t") == 0 })
		}
	}},
	{name: "not by itself by default", run: func(l *lab) {
		l.commit("t", "0")
		l.aged()
		l.wantTopic("t", "0")
	}},
	{name: "bad options", run: func(l *lab) {
		_, err := l.GC(l.ctx, pipeproc.GCOptions{MinAge: -1})
		l.wantErr(err, pipeproc.ErrInvalidOptions, "MinAge")
		_, err = l.GC(l.ctx, pipeproc.GCOptions{Interval: -1})
		l.wantErr(err, pipeproc.ErrInvalidOptions, "Interval")
	}},
	{name: "a store without topics", run: func(l *lab) {
		if pruned := l.collect(pipeproc.GCOptions{MinAge: young}); len(pruned) != 0 {
			l.t.Errorf("%+v", pruned)
		}
	}},
	{name: "beside claims", run: func(l *lab) {
		stop := make(chan struct{})
		gc := l.start(func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				if _, err := l.GC(l.ctx, pipeproc.GCOptions{MinAge: young}); err != nil {
					return err
				}
			}
		})
		o := procOn("t")
		o.Count = 3
		l.ensure(o)
		next := uint64(0)
		for range 40 {
			l.commit("t", "x", "y")
			c := l.claim(o)
			if c.Skipped != 0 || c.Range.First.Seq != next {
				l.t.Fatalf("%v was claimed, %d is next, %d skipped", c.Range, next, c.Skipped)
			}
			next = c.Range.Last.Seq + 1
			// A proc created meanwhile gets everything from its start on.
			q := l.ensure(pipeproc.ProcOptions{Name: "q", Topic: "t"})
			if d := l.claim(pipeproc.ProcOptions{Name: "q", Topic: "t"}); d.Skipped != 0 || d.Range.First.Seq != q.Next {
				l.t.Fatalf("made at %d, it begins with %v, %d skipped", q.Next, d.Range, d.Skipped)
			}
			l.destroy("q")
			l.ack("p")
		}
		close(stop)
		l.ok(gc.wait())
	}},
}

func (l *lab) protects(begin func(o pipeproc.ProcOptions)) {
	l.t.Helper()
	l.commit("t", "0", "1", "2", "3", "4", "5")
	begin(pipeproc.ProcOptions{Name: "new", Topic: "t", Offset: ":1", Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}})
	l.claimAck(pipeproc.ProcOptions{Name: "ahead", Topic: "t"}, 6)
	l.aged()
	l.wantLeft(young, "2", "3", "4", "5")
}
