package conformance

import (
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc"
)

var procClaimTests = []test{
	{name: "count", run: func(l *lab) {
		ids := l.commit("t", "0", "1", "2", "3", "4")
		for k, c := range []struct{ count, want int }{{0, 1}, {1, 1}, {2, 2}, {3, 3}, {5, 5}, {6, 5}, {1 << 30, 5}, {-1, 5}, {-99, 5}} {
			claim := l.claim(pipeproc.ProcOptions{Name: fmt.Sprint("p", k), Topic: "t", Count: c.count})
			if len(claim.Records) != c.want {
				l.t.Errorf("count %d: %d records, want %d", c.count, len(claim.Records), c.want)
				continue
			}
			for i, r := range claim.Records {
				if r.ID != ids[i] || r.Topic != "t" || string(r.Body) != fmt.Sprint(i) {
					l.t.Errorf("record %d is %+v", i, r)
				}
			}
			if r := claim.Range; r.First != ids[0] || r.Last != ids[c.want-1] || r.Count != uint64(c.want) {
				l.t.Errorf("count %d: range %v of %d", c.count, r, r.Count)
			}
		}
	}},
	{name: "count is of one call", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3")
		for _, c := range []struct {
			count int
			want  []string
		}{{2, []string{"0", "1"}}, {0, []string{"2"}}, {-1, []string{"3"}}} {
			l.want(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: c.count}, c.want...)
			l.ack("p")
		}
	}},
	{name: "a claim is bounded by 16 MiB", run: func(l *lab) {
		_, err := l.Commit(l.ctx, pipeproc.Record{Topic: "t", Body: make([]byte, 16<<20)})
		l.ok(err)
		l.commit("t", "1", "2")
		for _, want := range []int{1, 2} {
			if c := l.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: -1, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}}); len(c.Records) != want {
				l.t.Errorf("%d records, want %d", len(c.Records), want)
			}
			l.ack("p")
		}
	}},
	{name: "all that there is to know of a claim", run: func(l *lab) {
		ids, err := l.Commit(l.ctx,
			pipeproc.Record{Topic: "t", Key: []byte("k"), Headers: []pipeproc.Header{{Name: "h", Value: []byte("v")}, {Name: "", Value: nil}}, Body: []byte("b")},
			pipeproc.Record{Topic: "t"})
		l.ok(err)
		c := l.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 2, Retry: pipeproc.RetryPolicy{ReclaimTimeout: time.Hour + 1500*time.Millisecond}})
		if c.Proc != "p" || c.Topic != "t" || c.Attempt != 1 || c.Timeout != time.Hour+1500*time.Millisecond || c.Skipped != 0 || c.Token == (pipeproc.Token{}) || c.Empty() {
			l.t.Errorf("%+v", c)
		}
		r := c.Records[0]
		if r.ID != ids[0] || r.Topic != "t" || string(r.Key) != "k" || string(r.Body) != "b" || fmt.Sprintf("%s", r.Headers) != "[{h v} { }]" {
			l.t.Errorf("%+v", r)
		}
		if r := c.Records[1]; r.ID != ids[1] || r.Key != nil || r.Body == nil || len(r.Headers)+len(r.Body) != 0 {
			l.t.Errorf("%#v", r)
		}
		i := l.info("p")
		if i.Claim != c.Token || i.LastClaimed != c.Range || i.Pending != 2 || i.Next != 0 {
			l.t.Errorf("%+v", i)
		}
		if back, err := pipeproc.ParseToken(c.Token.String()); err != nil || back != c.Token {
			l.t.Errorf("the token's text form: %v, %v", back, err)
		}
	}},
	{name: "nothing to claim", run: func(l *lab) {
		o := procOn("t")
		empty := func() {
			l.t.Helper()
			if c := l.claim(o); !c.Empty() || c.Token != (pipeproc.Token{}) || c.Range.Count != 0 || c.Attempt > 1 {
				l.t.Errorf("%+v", c)
			}
		}
		empty()
		l.create("t")
		empty()
		l.commit("t", "0")
		l.want(o, "0")
		l.ack("p")
		empty()
		if i := l.info("p"); i.Pending != 0 || i.Next != 1 {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "order of checks", run: func(l *lab) {
		l.commit("t", "0", "1")
		l.want(procOn("t"), "0")
		l.disable("p")
		_, err := l.Claim(l.ctx, procOn("u"))
		l.wantErr(err, pipeproc.ErrProcNameNotUnique)
		_, err = l.Claim(l.ctx, procOn("t"))
		l.wantErr(err, pipeproc.ErrProcDisabled)
		l.ack("p")
		_, err = l.Claim(l.ctx, procOn("t"))
		l.wantErr(err, pipeproc.ErrProcDisabled)
		l.ensure(pipeproc.ProcOptions{Name: "q", Topic: "nowhere"})
		l.disable("q")
		_, err = l.Claim(l.ctx, pipeproc.ProcOptions{Name: "q", Topic: "nowhere"})
		l.wantErr(err, pipeproc.ErrProcDisabled)
	}},
	{name: "ranges of the latest claim and of the one before", run: func(l *lab) {
		text := idsOf(l.commit("t", "0", "1", "2", "3", "4", "5"))
		check := func(claimed, previous, acked string) {
			l.t.Helper()
			i := l.info("p")
			if i.LastClaimed.String() != claimed || i.PreviousClaimed.String() != previous || i.LastAcked.String() != acked {
				l.t.Errorf("claimed %q, before %q, acked %q; want %q, %q, %q", i.LastClaimed, i.PreviousClaimed, i.LastAcked, claimed, previous, acked)
			}
		}
		o := procOn("t")
		o.Count = 2
		l.ensure(o)
		check("", "", "")
		l.claim(o)
		check(text(0, 1), "", "")
		l.ack("p")
		check(text(0, 1), "", text(0, 1))
		l.claim(o)
		check(text(2, 3), text(0, 1), text(0, 1))
		l.reclaim("p")
		check(text(0, 1), text(0, 1), text(0, 1))
		l.claim(o)
		check(text(2, 3), text(0, 1), text(0, 1))
		l.ack("p")
		l.claim(o)
		check(text(4, 5), text(2, 3), text(2, 3))
	}},
	{name: "one claim at a time from any offset", run: func(l *lab) {
		for i, offset := range []string{">", "0", "$>", ":0"} {
			topic := fmt.Sprint("t", i)
			o := pipeproc.ProcOptions{Name: topic, Topic: topic, Offset: offset, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}}
			l.commit(topic, "old")
			l.ensure(o)
			l.commit(topic, "0", "1", "2")
			if c := l.claim(o); c.Empty() {
				l.t.Fatal("nothing to claim with", offset)
			}
			o.Count = -1
			for range 3 {
				if c := l.claim(o); !c.Empty() || c.Token != (pipeproc.Token{}) {
					l.t.Errorf("offset %s: a second claim %+v", offset, c)
				}
			}
		}
	}},
	{name: "claims keep what they hold", run: func(l *lab) {
		l.commit("t", "0", "1")
		o := procOn("t")
		first := l.want(o, "0")
		l.ack("p")
		second := l.want(o, "1")
		copy(second.Records[0].Body, "x")
		l.wantBodies(first, "0")
		l.reclaim("p")
		l.want(o, "1")
	}},
	{name: "a whole topic, claim by claim", run: func(l *lab) {
		const total = 500
		recs := make([]pipeproc.Record, total)
		for i := range recs {
			recs[i] = pipeproc.Record{Topic: "t", Body: fmt.Append(nil, i)}
		}
		_, err := l.Commit(l.ctx, recs...)
		l.ok(err)
		o := procOn("t")
		o.Count = 37
		next := 0
		for next < total {
			c := l.claim(o)
			for _, r := range c.Records {
				if r.ID.Seq != uint64(next) || string(r.Body) != fmt.Sprint(next) {
					l.t.Fatalf("%v %s, want %d", r.ID, r.Body, next)
				}
				next++
			}
			if i := l.info("p"); i.Pending != uint64(total-next+len(c.Records)) {
				l.t.Errorf("%d pending", i.Pending)
			}
			l.ack("p")
		}
		l.want(o)
	}},
}

// idsOf returns a function that formats a range of ids.
func idsOf(ids []pipeproc.ID) func(first, last int) string {
	return func(first, last int) string { return ids[first].String() + ".." + ids[last].String() }
}
