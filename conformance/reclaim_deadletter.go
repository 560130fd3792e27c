package conformance

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pipeproc/pipeproc"
)

var deadLetterTests = []test{
	{name: "dead letters hold all that there was", run: func(l *lab) {
		ids, err := l.Commit(l.ctx, pipeproc.Record{Topic: "t", Key: []byte("k"), Headers: []pipeproc.Header{{Name: "h", Value: []byte("v")}}, Body: []byte("0")})
		l.ok(err)
		ids = append(ids, l.commit("t", "1", "2")...)
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 2, Retry: pipeproc.RetryPolicy{MaxReclaims: 3, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
		for i := range 3 {
			l.wantTopic("t__dead")
			c := l.want(o, "0", "1")
			_, err := l.Reclaim(l.ctx, "p", c.Token, fmt.Sprint("reason ", i))
			l.ok(err)
		}
		dead := l.records("t__dead")
		if len(dead) != 2 {
			l.t.Fatalf("%d dead letters", len(dead))
		}
		for i, r := range dead {
			if string(r.Body) != fmt.Sprint(i) || header(r, pipeproc.HeaderDeadProc) != "p" || header(r, pipeproc.HeaderDeadTopic) != "t" ||
				header(r, pipeproc.HeaderDeadID) != ids[i].String() || header(r, pipeproc.HeaderDeadAttempts) != "3" || header(r, pipeproc.HeaderDeadReason) != "reason 2" {
				l.t.Errorf("%s %s", r.Body, r.Headers)
			}
		}
		if string(dead[0].Key) != "k" || header(dead[0], "h") != "v" {
			l.t.Errorf("the key or the headers that it had are gone: %q %s", dead[0].Key, dead[0].Headers)
		}
		i := l.info("p")
		if i.Disabled || i.Reclaims != 0 || i.LastAcked.First != ids[0] || i.LastAcked.Last != ids[1] || i.Next != 2 {
			l.t.Errorf("%+v", i)
		}
		if c := l.want(o, "2"); c.Attempt != 1 {
			l.t.Errorf("attempt %d", c.Attempt)
		}
	}},
	{name: "dead letters in a topic of their own", run: func(l *lab) {
		l.commit("t", "0", "1")
		l.commit("morgue", "old")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter, DeadLetterTopic: "morgue"}}
		l.want(o, "0")
		l.reclaim("p")
		l.wantTopic("morgue", "old", "0")
		if r := l.records("morgue")[1]; header(r, pipeproc.HeaderDeadAttempts) != "1" || header(r, pipeproc.HeaderDeadReason) == "" {
			l.t.Errorf("%s", r.Headers)
		}
		l.want(o, "1")
		if names := l.topicNames(); len(names) != 2 {
			l.t.Errorf("%q", names)
		}
	}},
	{name: "dead letters after a timeout", run: func(l *lab) {
		l.commit("t", "0", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 1, ReclaimTimeout: short, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
		c := l.want(o, "0")
		l.eventually("a dead letter", func() bool { return len(l.records("t__dead")) == 1 })
		if r := l.records("t__dead")[0]; !strings.Contains(header(r, pipeproc.HeaderDeadReason), short.String()) || header(r, pipeproc.HeaderDeadAttempts) != "1" {
			l.t.Errorf("%s", r.Headers)
		}
		_, err := l.Ack(l.ctx, "p", c.Token)
		l.wantErr(err, pipeproc.ErrClaimLost)
		l.want(o, "1")
	}},
	{name: "dead letters with a reason of any length", run: func(l *lab) {
		l.commit("t", "0")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
		c := l.want(o, "0")
		_, err := l.Reclaim(l.ctx, "p", c.Token, strings.Repeat("why ", 1<<18))
		l.ok(err)
		if r := l.records("t__dead")[0]; !strings.HasPrefix(header(r, pipeproc.HeaderDeadReason), "why why") || len(header(r, pipeproc.HeaderDeadReason)) > 1<<16 {
			l.t.Errorf("a reason of %d bytes", len(header(r, pipeproc.HeaderDeadReason)))
		}
	}},
	{name: "dead letters of pruned records", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: 2, Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
		l.want(o, "0", "1")
		l.ok(l.Prune(l.ctx, "t", 1))
		l.reclaim("p")
		l.wantTopic("t__dead", "1")
		l.want(o, "2", "3")
		l.ok(l.Prune(l.ctx, "t", 4))
		l.reclaim("p")
		dead := l.records("t__dead")
		if len(dead) != 2 || !strings.Contains(header(dead[1], pipeproc.HeaderDeadReason), "pruned") {
			l.t.Errorf("%d dead letters, %s", len(dead), dead[len(dead)-1].Headers)
		}
		if i := l.info("p"); i.Next != 4 || i.Claim != (pipeproc.Token{}) {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "dead letters of a claim larger than a batch", o: Options{MaxBody: 1000, MaxBatch: 10_000}, run: func(l *lab) {
		var want []string
		for i := range 30 {
			want = append(want, fmt.Sprintf("%03d%s", i, strings.Repeat(".", 900)))
			l.commit("t", want[i])
		}
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Count: -1, Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
		for range 30 {
			if c := l.claim(o); c.Empty() {
				break
			}
			l.reclaim("p")
		}
		l.wantTopic("t__dead", want...)
	}},
	{name: "dead letters of the largest record", o: Options{MaxBody: 10_000, MaxBatch: 10_010}, run: func(l *lab) {
		body := strings.Repeat(".", 10_000)
		l.commit("t", body)
		l.commit("t", "1")
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
		l.want(o, body)
		l.reclaim("p")
		l.want(o, "1")
	}},
	{name: "dead letters are there when the proc has moved on", run: func(l *lab) {
		const total = 50
		for i := range total {
			l.commit("t", fmt.Sprint(i))
		}
		o := pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter}}
		l.ensure(o)
		worker := l.start(func() error {
			for range total {
				c, err := l.Claim(l.ctx, o)
				if err == nil {
					_, err = l.Reclaim(l.ctx, "p", c.Token, "")
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		l.eventually("all of it is dead", func() bool {
			next := l.info("p").Next
			length, err := l.Length(l.ctx, "t__dead")
			if next > 0 && (err != nil || length < next) || err != nil && !errors.Is(err, pipeproc.ErrInvalidTopic) {
				l.t.Fatalf("the proc is at %d and there are %d dead letters, %v", next, length, err)
			}
			return next == total
		})
		l.ok(worker.wait())
		l.wantTopic("t__dead", l.bodies("t")...)
	}},
}
