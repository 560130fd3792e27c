package conformance

import (
	"fmt"
	"strings"

	"github.com/pipeproc/pipeproc"
)

var limitTests = []test{
	{name: "a body over the limit", o: Options{MaxBody: 1000, MaxBatch: 5000}, run: func(l *lab) {
		l.commit("t", strings.Repeat("x", 1000))
		_, err := l.Commit(l.ctx, recordsOf("t", strings.Repeat("x", 1001))...)
		l.wantErr(err, pipeproc.ErrTooLarge)
		_, err = l.Commit(l.ctx, recordsOf("fresh", "small", strings.Repeat("x", 1001))...)
		l.wantErr(err, pipeproc.ErrTooLarge)
		if n := l.length("t"); n != 1 {
			l.t.Errorf("%d records", n)
		}
		l.wantTopic("fresh")
		if id := l.commit("t", "y")[0]; id.Seq != 1 {
			l.t.Errorf("a failed commit left a gap: %v", id)
		}
	}},
	{name: "a batch over the limit", o: Options{MaxBody: 1000, MaxBatch: 5000}, run: func(l *lab) {
		var b pipeproc.Batch
		for range 10 {
			l.ok(b.Add("t", make([]byte, 900)))
		}
		l.wantErr(l.CommitBatch(l.ctx, &b), pipeproc.ErrTooLarge)
		l.wantTopic("t")
		b.Reset()
		for range 4 {
			l.ok(b.Add("t", make([]byte, 900)))
		}
		l.ok(l.CommitBatch(l.ctx, &b))
		if n := l.length("t"); n != 4 {
			l.t.Errorf("%d records", n)
		}
	}},
	{name: "a body over the default limit", run: func(l *lab) {
		_, err := l.Commit(l.ctx, pipeproc.Record{Topic: "t", Body: make([]byte, 16<<20+1)})
		l.wantErr(err, pipeproc.ErrTooLarge)
		l.wantTopic("t")
	}},
	{name: "a batch that is too large fails alone", o: Options{MaxBody: 1024, MaxBatch: 6000}, run: func(l *lab) {
		var big pipeproc.Batch
		for i := range 5000 {
			l.ok(big.Add(fmt.Sprintf("%0250d", i), nil))
		}
		stop := make(chan struct{})
		innocent := l.start(func() error {
			for {
				select {
				case <-stop:
					return nil
				default:
				}
				if _, err := l.Commit(l.ctx, recordsOf("x", "x")...); err != nil {
					return err
				}
			}
		})
		for range 5 {
			l.wantErr(l.CommitBatch(l.ctx, &big), pipeproc.ErrTooLarge)
		}
		close(stop)
		l.ok(innocent.wait())
	}},
	{name: "long keys and headers", run: func(l *lab) {
		key, value := strings.Repeat("k", 10_000), strings.Repeat("v", 50_000)
		_, err := l.Commit(l.ctx, pipeproc.Record{Topic: "t", Key: []byte(key), Headers: []pipeproc.Header{{Name: "h", Value: []byte(value)}}, Body: []byte("b")})
		l.ok(err)
		if r := l.get("t", 0); string(r.Key) != key || header(r, "h") != value || string(r.Body) != "b" {
			l.t.Errorf("a key of %d, a header of %d, body %q", len(r.Key), len(header(r, "h")), r.Body)
		}
	}},
	{name: "many topics", run: func(l *lab) {
		const total = 300
		var b pipeproc.Batch
		for i := range total {
			l.ok(b.Add(fmt.Sprintf("t%03d", i), fmt.Append(nil, i)))
		}
		l.ok(l.CommitBatch(l.ctx, &b))
		names := l.topicNames()
		if len(names) != total || names[0] != "t000" || names[total-1] != "t299" {
			l.t.Errorf("%d topics", len(names))
		}
		l.wantTopic("t123", "123")
	}},
	{name: "many procs", run: func(l *lab) {
		const total = 100
		for i := range total {
			l.ensure(pipeproc.ProcOptions{Name: fmt.Sprintf("p%03d", i), Topic: "t"})
		}
		list := l.procs()
		if len(list) != total || list[0].Name != "p000" || list[total-1].Name != "p099" {
			l.t.Errorf("%d procs", len(list))
		}
	}},
	{name: "large claims and large output", run: func(l *lab) {
		body := strings.Repeat("x", 1<<20)
		for range 3 {
			l.commit("t", body)
		}
		o := procOn("t")
		o.Count = 3
		l.want(o, body, body, body)
		l.ackCommit("p", "out", body, body)
		l.wantTopic("out", body, body)
	}},
}
