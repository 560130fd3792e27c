package conformance

import (
	"strconv"
	"strings"

	"github.com/pipeproc/pipeproc"
)

// The test cases of the original system, with their file, number and name, as
// far as they are observable here. Sequences count from 0, as its clients see
// them.

// logs commits three records to my_topic_0.
func (l *lab) logs() []pipeproc.ID { return l.commit("my_topic_0", "1", "2", "3") }

var myProc = pipeproc.ProcOptions{Name: "my_proc_0", Topic: "my_topic_0", Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}}

// mine is my_proc_0 with a change.
func mine(change func(o *pipeproc.ProcOptions)) pipeproc.ProcOptions {
	o := myProc
	change(&o)
	return o
}

func originalTests() [][]test {
	return [][]test{originalCommitTests, originalProcTests, originalReclaimTests, originalOtherTests, originalRangeTests()}
}

var originalCommitTests = []test{
	{name: "client commit #1 a simple log has sequence number 0", run: func(l *lab) {
		if id := l.commit("t", "{}")[0]; !strings.HasSuffix(id.String(), "-0") {
			l.t.Error(id)
		}
	}},
	{name: "client commit #2 sequence numbers increase when multiple logs are committed", run: func(l *lab) {
		if ids := l.commit("t", "1", "2"); ids[0].Seq != 0 || ids[1].Seq != 1 {
			l.t.Error(ids)
		}
	}},
	{name: "client commit #3 same timestamps when multiple logs are committed", run: func(l *lab) {
		if ids := l.commit("t", "1", "2"); ids[0].Millis != ids[1].Millis {
			l.t.Error(ids)
		}
	}},
	{name: "client commit #4 sequence numbers begin at zero in different topics", run: func(l *lab) {
		ids, err := l.Commit(l.ctx, pipeproc.Record{Topic: "a"}, pipeproc.Record{Topic: "b"})
		if err != nil || ids[0].Seq != 0 || ids[1].Seq != 0 {
			l.t.Error(ids, err)
		}
	}},
	{name: "client commit #5 an error if the topic name is invalid", run: func(l *lab) {
		_, err := l.Commit(l.ctx, recordsOf("my topic", "1")...)
		l.wantErr(err, pipeproc.ErrInvalidTopicFormat)
	}},
	{name: "node commitLog #1 the log has a valid format", run: func(l *lab) {
		ms, seq, ok := strings.Cut(l.commit("t", "1")[0].String(), "-")
		_, err1 := strconv.ParseInt(ms, 10, 64)
		_, err2 := strconv.ParseUint(seq, 10, 64)
		if !ok || len(ms) != 13 || err1 != nil || err2 != nil {
			l.t.Error(ms, seq)
		}
	}},
	{name: "node commitLog #2 #3 the first and the second log", run: func(l *lab) {
		if a, b := l.commit("t", "1")[0], l.commit("t", "2")[0]; a.Seq != 0 || b.Seq != 1 {
			l.t.Error(a, b)
		}
	}},
	{name: "node commitLog #6 #7 #8 multiple logs to the same topic", run: func(l *lab) {
		if ids := l.commit("t", "1", "2", "3"); ids[0].Seq != 0 || ids[1].Seq != 1 || ids[2].Seq != 2 {
			l.t.Error(ids)
		}
	}},
	{name: "node commitLog #11 multiple logs to the same topic at the same time", run: func(l *lab) { l.atOnce("t", "t", "t", "t") }},
	{name: "node commitLog #12 #13 #14 multiple logs to different topics", run: func(l *lab) {
		ids, err := l.Commit(l.ctx, pipeproc.Record{Topic: "a"}, pipeproc.Record{Topic: "b"}, pipeproc.Record{Topic: "c"})
		if err != nil || len(ids) != 3 || ids[0].Seq != 0 || ids[1].Seq != 0 || ids[2].Seq != 0 {
			l.t.Error(ids, err)
		}
	}},
	{name: "node commitLog #15 interleaved topics retain their numbers", run: func(l *lab) {
		for i := range 3 {
			ids, err := l.Commit(l.ctx, pipeproc.Record{Topic: "a"}, pipeproc.Record{Topic: "b"})
			if err != nil || ids[0].Seq != uint64(i) || ids[1].Seq != uint64(i) {
				l.t.Error(ids, err)
			}
		}
	}},
	{name: "node commitLog #18 multiple logs to different topics at the same time", run: func(l *lab) { l.atOnce("a", "b", "a", "b") }},
}

// atOnce commits one record to each of the topics, at the same time.
func (l *lab) atOnce(topics ...string) {
	l.t.Helper()
	var all []*result
	for _, topic := range topics {
		all = append(all, l.start(func() error { _, err := l.Commit(l.ctx, recordsOf(topic, "x")...); return err }))
	}
	want := map[string]uint64{}
	for i, r := range all {
		l.ok(r.wait())
		want[topics[i]]++
	}
	for topic, n := range want {
		if i := l.topic(topic); i.Next != n || i.Records != n {
			l.t.Errorf("%+v", i)
		}
	}
}

var originalProcTests = []test{
	{name: "node proc #1 > returns the very first log on the first run", run: func(l *lab) {
		text := idsOf(l.logs())
		if c := l.claim(myProc); c.Range.String() != text(0, 0) {
			l.t.Error(c.Range)
		}
	}},
	{name: "node proc #2 multiple logs at a time", run: func(l *lab) {
		l.logs()
		l.want(mine(func(o *pipeproc.ProcOptions) { o.Count = 3 }), "1", "2", "3")
	}},
	{name: "node proc #3 the lastClaimedRange is the range of the logs", run: func(l *lab) {
		text := idsOf(l.logs())
		l.claim(mine(func(o *pipeproc.ProcOptions) { o.Count = 3 }))
		if r := l.info("my_proc_0").LastClaimed; r.String() != text(0, 2) {
			l.t.Error(r)
		}
	}},
	{name: "node proc #4 no log if it is called twice without ack", run: func(l *lab) {
		l.logs()
		l.want(myProc, "1")
		l.want(myProc)
	}},
	{name: "node proc #5 ack returns the range acked", run: func(l *lab) {
		text := idsOf(l.logs())
		l.claim(myProc)
		if r := l.ack("my_proc_0"); r.String() != text(0, 0) {
			l.t.Error(r)
		}
	}},
	{name: "node proc #6 the second log after acking the first one", run: func(l *lab) {
		l.logs()
		l.claimAck(myProc, 1)
		l.want(myProc, "2")
	}},
	{name: "node proc #7 an error if procName is not unique", run: func(l *lab) {
		l.logs()
		l.claim(myProc)
		_, err := l.Claim(l.ctx, mine(func(o *pipeproc.ProcOptions) { o.Topic = "my_topic_1" }))
		l.wantErr(err, pipeproc.ErrProcNameNotUnique)
	}},
	{name: "node proc #11 $> does not return the very first log", run: func(l *lab) {
		l.logs()
		l.want(mine(func(o *pipeproc.ProcOptions) { o.Offset = "$>" }))
	}},
	{name: "node proc #12 the first log after the proc's creation", run: func(l *lab) {
		l.logs()
		l.want(mine(func(o *pipeproc.ProcOptions) { o.Offset = "$>" }))
		l.commit("my_topic_0", "4")
		l.want(myProc, "4")
	}},
	{name: "node proc #13 #14 $> twice without ack, and the second log after it", run: func(l *lab) {
		l.want(mine(func(o *pipeproc.ProcOptions) { o.Offset = "$>" }))
		l.logs()
		l.want(myProc, "1")
		l.want(myProc)
		l.ack("my_proc_0")
		l.want(myProc, "2")
	}},
	{name: "node proc #15 #16 #17 a numeric offset", run: func(l *lab) {
		l.logs()
		second := mine(func(o *pipeproc.ProcOptions) { o.Offset = ":0" })
		l.want(second, "2")
		l.want(second)
		l.ack("my_proc_0")
		l.want(second, "3")
	}},
	{name: "client proc #4 the second log after acking, and what inspect says", run: func(l *lab) {
		text := idsOf(l.logs())
		l.claimAck(myProc, 1)
		l.want(myProc, "2")
		if i := l.info("my_proc_0"); i.LastAcked.String() != text(0, 0) || i.LastClaimed.String() != text(1, 1) {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "client proc #5 the second log after ackCommitting", run: func(l *lab) {
		text := idsOf(l.logs())
		l.claim(myProc)
		r, _, err := l.AckCommit(l.ctx, "my_proc_0", pipeproc.Token{}, recordsOf("my_topic_2", "x")...)
		if err != nil || r.String() != text(0, 0) {
			l.t.Error(r, err)
		}
		l.want(myProc, "2")
	}},
	{name: "client proc #6 the first log again after calling reclaim", run: func(l *lab) {
		l.logs()
		l.claim(myProc)
		if r := l.reclaim("my_proc_0"); r.String() != "" {
			l.t.Error(r)
		}
		l.want(myProc, "1")
	}},
	{name: "client proc #7 a correct reclaimId", run: func(l *lab) {
		text := idsOf(l.logs())
		l.claimAck(myProc, 1)
		l.claim(myProc)
		if r := l.reclaim("my_proc_0"); r.String() != text(0, 0) {
			l.t.Error(r)
		}
	}},
	{name: "client proc #8 inspect a proc", run: func(l *lab) {
		l.claim(myProc)
		if i := l.info("my_proc_0"); i.Name != "my_proc_0" {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "client proc #9 #10 availableProc", run: func(l *lab) {
		l.logs()
		c, err := l.ClaimAny(l.ctx, myProc)
		l.ok(err)
		l.wantBodies(c, "1")
		if c.Proc != "my_proc_0" {
			l.t.Error(c.Proc)
		}
		c, err = l.ClaimAny(l.ctx, pipeproc.ProcOptions{Name: "three", Topic: "my_topic_0", Count: 3})
		l.ok(err)
		l.wantBodies(c, "1", "2", "3")
	}},
	{name: "client proc #11 disable and resume a proc", run: func(l *lab) {
		l.claim(myProc)
		if i := l.disable("my_proc_0"); i.Status() != "disabled" {
			l.t.Errorf("%+v", i)
		}
		if i := l.resume("my_proc_0"); i.Status() != "active" {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "client proc #12 destroy a proc", run: func(l *lab) {
		l.claim(myProc)
		l.destroy("my_proc_0")
		_, err := l.InspectProc(l.ctx, "my_proc_0")
		l.wantErr(err, pipeproc.ErrInvalidProc)
	}},
	{name: "client proc #13 waitForProcs resolves when all has been acked", run: func(l *lab) {
		text := idsOf(l.logs())
		l.claim(mine(func(o *pipeproc.ProcOptions) { o.Count = 3 }))
		wait := l.waitsFor()
		l.commit("other", "x")
		wait.pending("before the ack")
		if r := l.ack("my_proc_0"); r.String() != text(0, 2) {
			l.t.Error(r)
		}
		l.ok(wait.wait())
	}},
	{name: "node ackCommitLog #1 #2 the acked range and the log added", run: func(l *lab) {
		text := idsOf(l.logs())
		l.claim(myProc)
		r, added, err := l.AckCommit(l.ctx, "my_proc_0", pipeproc.Token{}, recordsOf("my_topic_1", "x")...)
		if err != nil || r.String() != text(0, 0) || len(added) != 1 || added[0].Seq != 0 {
			l.t.Error(r, added, err)
		}
		l.want(myProc, "2")
	}},
	{name: "node ackCommitLog #3 an error if an invalid proc is passed", run: func(l *lab) {
		r, added, err := l.AckCommit(l.ctx, "nobody", pipeproc.Token{}, recordsOf("my_topic_1", "x")...)
		l.wantErr(err, pipeproc.ErrInvalidProc)
		if r.String() != "" || len(added) != 0 {
			l.t.Error(r, added)
		}
	}},
	{name: "node ackCommitLog #5 multiple logs added", run: func(l *lab) {
		l.logs()
		l.claim(myProc)
		_, added, err := l.AckCommit(l.ctx, "my_proc_0", pipeproc.Token{}, append(recordsOf("my_topic_1", "x", "y"), recordsOf("my_topic_2", "z")...)...)
		if err != nil || len(added) != 3 || added[0].Seq != 0 || added[1].Seq != 1 || added[2].Seq != 0 {
			l.t.Error(added, err)
		}
	}},
}
