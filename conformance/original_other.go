package conformance

import (
	"errors"
	"fmt"
	"slices"

	"github.com/pipeproc/pipeproc"
)

var originalOtherTests = []test{
	{name: "node availableProc #1 first a proc that hasn't been created yet", run: func(l *lab) {
		l.logs()
		for i := range 2 {
			if name := l.available(listOf("my_topic_0", "my_proc_0", "my_proc_1")...); name != fmt.Sprint("my_proc_", i) {
				l.t.Errorf("%d: %q", i, name)
			}
		}
	}},
	{name: "node availableProc #2 nothing if there is no proc with work", run: func(l *lab) {
		l.commit("my_topic_0", "1")
		l.claimAck(myProc, 1)
		if name := l.available(myProc); name != "" {
			l.t.Error(name)
		}
	}},
	{name: "node availableProc #3 round robin works", run: func(l *lab) {
		l.logs()
		for i := range 6 {
			name := l.available(listOf("my_topic_0", "my_proc_0", "my_proc_1")...)
			if name != fmt.Sprint("my_proc_", i%2) {
				l.t.Fatalf("%d: %q", i, name)
			}
			l.ack(name)
		}
	}},
	{name: "node availableProc #4 no procs that are disabled", run: func(l *lab) {
		list := listOf("my_topic_0", "my_proc_0", "my_proc_1")
		l.logs()
		for range 2 {
			l.ack(l.available(list...))
		}
		l.disable("my_proc_0")
		for range 2 {
			if name := l.available(list...); name != "my_proc_1" {
				l.t.Fatal(name)
			}
			l.ack("my_proc_1")
		}
	}},
	{name: "node destroyProc #1 #2 #4 the proc is gone and returned", run: func(l *lab) {
		l.claim(myProc)
		if i := l.destroy("my_proc_0"); i.Name != "my_proc_0" {
			l.t.Errorf("%+v", i)
		}
		if len(l.procs()) != 0 {
			l.t.Errorf("%q", namesOf(l.procs()))
		}
		_, err := l.DestroyProc(l.ctx, "my_proc_0")
		l.wantErr(err, pipeproc.ErrInvalidProc)
	}},
	{name: "node resumeDisableProc #1 #3 #4 disable", run: func(l *lab) {
		l.claim(myProc)
		if i := l.disable("my_proc_0"); !i.Disabled || i != l.info("my_proc_0") {
			l.t.Errorf("%+v", i)
		}
		_, err := l.DisableProc(l.ctx, "my_proc_0")
		l.wantErr(err, pipeproc.ErrProcAlreadyDisabled)
		if _, err := l.Claim(l.ctx, myProc); !errors.Is(err, pipeproc.ErrProcDisabled) {
			l.t.Error(err)
		}
	}},
	{name: "node resumeDisableProc #2 #6 unknown", run: func(l *lab) {
		_, err := l.DisableProc(l.ctx, "my_proc_0")
		l.wantErr(err, pipeproc.ErrInvalidProc)
		_, err = l.ResumeProc(l.ctx, "my_proc_0")
		l.wantErr(err, pipeproc.ErrInvalidProc)
	}},
	{name: "node resumeDisableProc #5 #7 resume", run: func(l *lab) {
		l.claim(myProc)
		l.disable("my_proc_0")
		if i := l.resume("my_proc_0"); i.Status() != "active" || i.Reclaims != 0 {
			l.t.Errorf("%+v", i)
		}
		_, err := l.ResumeProc(l.ctx, "my_proc_0")
		l.wantErr(err, pipeproc.ErrProcAlreadyActive)
	}},
	{name: "client systemProc #2 multiple log pipeline", run: func(l *lab) {
		l.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"topic_1"}, To: []string{"topic_2"}, Processor: through})
		p := l.live(pipeproc.LiveOptions{Topic: "topic_2", Offset: pipeproc.OffsetFirst})
		for i := range 30 {
			l.commit("topic_1", fmt.Sprint(i))
		}
		for i := range 30 {
			c, err := nextClaim(l.ctx, p)
			l.ok(err)
			if len(c.Records) != 1 || c.Records[0].ID.Seq != uint64(i) || string(c.Records[0].Body) != fmt.Sprint(i) {
				l.t.Fatalf("%d: %+v", i, c)
			}
			_, err = p.Ack(l.ctx)
			l.ok(err)
		}
	}},
	{name: "node systemProc #1 #2 #7 #8 #9 #11 #13 a single from", run: func(l *lab) {
		before := l.ensure(pipeproc.ProcOptions{Name: "exists", Topic: "a"})
		for i, o := range []pipeproc.SystemProcOptions{
			{Name: "new", Processor: nop}, {Name: "exists", Processor: nop}, {Name: "one to", To: []string{"x"}, Processor: nop},
			{Name: "two to", To: []string{"x", "y"}, Processor: nop}, {Name: "elsewhere", ProcessorName: "elsewhere"},
		} {
			o.From = []string{"a"}
			list := l.system(o)
			if !slices.Equal(namesOf(list), []string{o.Name}) || o.Name == "exists" && list[0].CreatedAt != before.CreatedAt {
				l.t.Errorf("%+v", list)
			}
			again := l.system(o)
			again[0].Waiting = list[0].Waiting
			if !slices.Equal(again, list) || len(l.systems()) != i+1 {
				l.t.Errorf("%+v became %+v, of %d", list, again, len(l.systems()))
			}
		}
	}},
	{name: "node systemProc #3 #6 not unique", run: func(l *lab) {
		l.ensure(pipeproc.ProcOptions{Name: "my_proc", Topic: "other"})
		l.ensure(pipeproc.ProcOptions{Name: "my_proc__b", Topic: "other"})
		_, err := l.DefineSystemProc(l.ctx, pipeproc.SystemProcOptions{Name: "my_proc", From: []string{"a"}, Processor: nop})
		l.wantErr(err, pipeproc.ErrProcNameNotUnique)
		_, err = l.DefineSystemProc(l.ctx, pipeproc.SystemProcOptions{Name: "my_proc", From: []string{"a", "b"}, Processor: nop})
		l.wantErr(err, pipeproc.ErrProcNameNotUnique)
		if len(l.procs()) != 2 || len(l.systems()) != 0 {
			l.t.Errorf("%q, %+v", namesOf(l.procs()), l.systems())
		}
	}},
	{name: "node systemProc #4 #5 #10 #14 #15 #16 #17 multiple from", run: func(l *lab) {
		l.commit("b", "0")
		l.claimAck(pipeproc.ProcOptions{Name: "my_proc__b", Topic: "b"}, 1)
		o := pipeproc.SystemProcOptions{Name: "my_proc", From: []string{"a", "b"}, To: []string{"x", "y"}, ProcessorName: "elsewhere"}
		list := l.system(o)
		if !slices.Equal(namesOf(list), []string{"my_proc__a", "my_proc__b"}) || list[0].Next != 0 || list[1].Next != 1 {
			l.t.Errorf("%+v", list)
		}
		if again := l.system(o); !slices.Equal(again, list) || len(l.procs()) != 2 || len(l.systems()) != 1 {
			l.t.Errorf("%+v became %+v", list, again)
		}
	}},
}
