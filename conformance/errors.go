package conformance

import (
	"errors"
	"fmt"

	"github.com/pipeproc/pipeproc"
)

var errorTests = []test{
	{name: "codes are those of the original", run: func(l *lab) {
		l.commit("t", "0")
		l.ensure(procOn("t"))
		code := func(want string, err error) {
			l.t.Helper()
			if pipeproc.Code(err) != want {
				l.t.Errorf("error %v has code %q, want %q", err, pipeproc.Code(err), want)
			}
		}
		_, err := l.Commit(l.ctx)
		code("uncommited", err)
		_, err = l.Commit(l.ctx, recordsOf("a b", "x")...)
		code("invalid_topic_format", err)
		_, err = l.Length(l.ctx, "nope")
		code("invalid_topic", err)
		_, err = pipeproc.ParseBound("x")
		code("invalid_range_offset", err)
		for _, err := range l.Range(l.ctx, "t", pipeproc.RangeOptions{Start: pipeproc.AtSeq(9)}) {
			code("invalid_tone_id_search", err)
		}
		_, err = l.InspectProc(l.ctx, "nope")
		code("invalid_proc", err)
		_, err = l.Ack(l.ctx, "p", pipeproc.Token{})
		code("invalid_ack", err)
		_, _, err = l.AckCommit(l.ctx, "p", pipeproc.Token{}, recordsOf("t", "x")...)
		code("invalid_ack_or_commit", err)
		_, err = l.Reclaim(l.ctx, "p", pipeproc.Token{}, "")
		code("nothing_to_reclaim", err)
		_, err = l.ResumeProc(l.ctx, "p")
		code("proc_already_active", err)
		l.disable("p")
		_, err = l.DisableProc(l.ctx, "p")
		code("proc_already_disabled", err)
		_, err = l.Claim(l.ctx, procOn("t"))
		code("proc_is_disabled", err)
		_, err = l.Claim(l.ctx, procOn("u"))
		code("proc_name_not_unique", err)
		code("no_valid_processor_provided", l.Register("x", nil))
	}},
	{name: "errors match no other", run: func(l *lab) {
		_, err := l.Length(l.ctx, "nope")
		for _, other := range []error{pipeproc.ErrInvalidTopicFormat, pipeproc.ErrInvalidProc, pipeproc.ErrClosed, pipeproc.ErrPruned, pipeproc.ErrConflict, pipeproc.ErrCorrupt} {
			if errors.Is(err, other) {
				l.t.Errorf("%v is %v", err, other)
			}
		}
	}},
	{name: "texts name what they speak of", run: func(l *lab) {
		_, err := l.Length(l.ctx, "some-topic")
		l.wantErr(err, pipeproc.ErrInvalidTopic, "some-topic")
		_, err = l.InspectProc(l.ctx, "some proc")
		l.wantErr(err, pipeproc.ErrInvalidProc, "some proc")
		_, err = l.Commit(l.ctx, recordsOf("some topic", "x")...)
		l.wantErr(err, pipeproc.ErrInvalidTopicFormat, "some topic")
		l.create("some-topic")
		_, err = pipeproc.ParseBound("some bound")
		l.wantErr(err, pipeproc.ErrInvalidRangeOffset, "some bound")
	}},
	{name: "texts begin with the code, once", run: func(l *lab) {
		_, err := l.Length(l.ctx, "nope")
		var rest string
		if _, scan := fmt.Sscanf(err.Error(), "invalid_topic: %s", &rest); scan != nil || rest == "invalid_topic:" {
			l.t.Errorf("%q", err)
		}
	}},
}

// closedTests has a test for each call on a closed store.
func closedTests() (list []test) {
	o := procOn("t")
	for _, c := range []struct {
		name string
		call func(l *lab) error
	}{
		{"Commit", func(l *lab) error { _, err := l.Commit(l.ctx, recordsOf("t", "x")...); return err }},
		{"CommitBatch", func(l *lab) error {
			var b pipeproc.Batch
			return errors.Join(b.Add("t", nil), l.CommitBatch(l.ctx, &b))
		}},
		{"Sync", func(l *lab) error { return l.Sync(l.ctx) }},
		{"Get", func(l *lab) error { _, err := l.Get(l.ctx, "t", 0); return err }},
		{"Length", func(l *lab) error { _, err := l.Length(l.ctx, "t"); return err }},
		{"Range", func(l *lab) (last error) {
			for _, last = range l.Range(l.ctx, "t", pipeproc.RangeOptions{}) {
			}
			return last
		}},
		{"RevRange", func(l *lab) (last error) {
			for _, last = range l.Range(l.ctx, "t", pipeproc.RangeOptions{Reverse: true}) {
			}
			return last
		}},
		{"Follow", func(l *lab) (last error) {
			for _, last = range l.Follow(l.ctx, "t", 0) {
			}
			return last
		}},
		{"WaitFor", func(l *lab) error { return l.WaitForRecord(l.ctx, "t", 5) }},
		{"Topic", func(l *lab) error { _, err := l.Topic(l.ctx, "t"); return err }},
		{"Topics", func(l *lab) error { _, err := l.Topics(l.ctx); return err }},
		{"CreateTopic", func(l *lab) error { return l.CreateTopic(l.ctx, "u", pipeproc.TopicOptions{}) }},
		{"DeleteTopic", func(l *lab) error { return l.DeleteTopic(l.ctx, "t") }},
		{"Prune", func(l *lab) error { return l.Prune(l.ctx, "t", 1) }},
		{"GC", func(l *lab) error { _, err := l.GC(l.ctx, pipeproc.GCOptions{}); return err }},
		{"SetRetention", func(l *lab) error { return l.SetRetention(l.ctx, "t", pipeproc.Retention{GC: pipeproc.SwitchOn}) }},
		{"Retention", func(l *lab) error { _, err := l.Retention(l.ctx, "t"); return err }},
		{"Proc", func(l *lab) error { _, err := l.Claim(l.ctx, o); return err }},
		{"EnsureProc", func(l *lab) error { _, err := l.EnsureProc(l.ctx, o); return err }},
		{"AvailableProc", func(l *lab) error { _, err := l.ClaimAny(l.ctx, o); return err }},
		{"Ack", func(l *lab) error { _, err := l.Ack(l.ctx, "p", pipeproc.Token{}); return err }},
		{"AckCommit", func(l *lab) error {
			_, _, err := l.AckCommit(l.ctx, "p", pipeproc.Token{}, recordsOf("t", "x")...)
			return err
		}},
		{"Reclaim", func(l *lab) error { _, err := l.Reclaim(l.ctx, "p", pipeproc.Token{}, ""); return err }},
		{"InspectProc", func(l *lab) error { _, err := l.InspectProc(l.ctx, "p"); return err }},
		{"Procs", func(l *lab) error { _, err := l.Procs(l.ctx); return err }},
		{"DisableProc", func(l *lab) error { _, err := l.DisableProc(l.ctx, "p"); return err }},
		{"ResumeProc", func(l *lab) error { _, err := l.ResumeProc(l.ctx, "p"); return err }},
		{"DestroyProc", func(l *lab) error { _, err := l.DestroyProc(l.ctx, "p"); return err }},
		{"SeekProc", func(l *lab) error { _, err := l.SeekProc(l.ctx, "p", ">"); return err }},
		{"WaitForProcs", func(l *lab) error { return l.WaitForProcs(l.ctx) }},
		{"WaitForWork", func(l *lab) error { return l.WaitForWork(l.ctx, "p") }},
		{"LiveProc", func(l *lab) error { _, err := l.OpenLiveProc(l.ctx, pipeproc.LiveOptions{Topic: "t"}); return err }},
		{"SystemProc", func(l *lab) error {
			_, err := l.DefineSystemProc(l.ctx, pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}})
			return err
		}},
		{"SystemProcs", func(l *lab) error { _, err := l.SystemProcs(l.ctx); return err }},
		{"Register", func(l *lab) error { return l.Register("p", nop) }},
	} {
		list = append(list, test{name: "closed, " + c.name, run: func(l *lab) {
			l.commit("t", "0")
			l.claim(o)
			l.shut()
			l.wantErr(c.call(l), pipeproc.ErrClosed)
		}})
	}
	return append(list, test{name: "closed twice", run: func(l *lab) {
		l.commit("t", "0")
		l.shut()
		l.shut()
	}}, test{name: "closing ends a range", run: func(l *lab) {
		r := l.start(func() (last error) {
			for _, last = range l.Follow(l.ctx, "t", 0) {
			}
			return last
		})
		l.commit("other", "x")
		r.pending("nothing ended it")
		l.shut()
		l.wantErr(r.wait(), pipeproc.ErrClosed)
	}}, test{name: "closing ends a wait for a record", run: func(l *lab) {
		r := l.start(func() error { return l.WaitForRecord(l.ctx, "t", 0) })
		l.commit("other", "x")
		r.pending("nothing ended it")
		l.shut()
		l.wantErr(r.wait(), pipeproc.ErrClosed)
	}})
}
