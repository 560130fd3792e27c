package conformance

import (
	"slices"

	"github.com/pipeproc/pipeproc"
)

var originalReclaimTests = []test{
	{name: "node reclaimProc #1 #2 the range for the first log, and the second again", run: func(l *lab) {
		text := l.claimed(pipeproc.StrategyDisable, 10)
		if r := l.reclaim("my_proc_0"); r.String() != text(0, 0) {
			l.t.Error(r)
		}
		l.want(myProc, "2")
	}},
	{name: "node reclaimProc #3 disables after maxReclaims", run: func(l *lab) {
		l.claimed(pipeproc.StrategyDisable, 1)
		l.reclaim("my_proc_0")
		if i := l.info("my_proc_0"); i.Reclaims != 1 || i.Status() != "disabled" {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "node reclaimProc #4 continues with 'continue'", run: func(l *lab) {
		l.claimed(pipeproc.StrategyContinue, 1)
		l.reclaim("my_proc_0")
		if i := l.info("my_proc_0"); i.Reclaims != 1 || i.Status() != "active" {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "node reclaimProc #5 an invalid proc", run: func(l *lab) {
		_, err := l.Reclaim(l.ctx, "nobody", pipeproc.Token{}, "")
		l.wantErr(err, pipeproc.ErrInvalidProc)
	}},
	{name: "node reclaimProc #6 a disabled proc", run: func(l *lab) {
		l.claimed(pipeproc.StrategyDisable, 10)
		l.disable("my_proc_0")
		_, err := l.Reclaim(l.ctx, "my_proc_0", pipeproc.Token{}, "")
		l.wantErr(err, pipeproc.ErrProcDisabled)
	}},
	{name: "node reclaimProc #7 nothing to reclaim", run: func(l *lab) {
		l.claimed(pipeproc.StrategyDisable, 10)
		l.ack("my_proc_0")
		_, err := l.Reclaim(l.ctx, "my_proc_0", pipeproc.Token{}, "")
		l.wantErr(err, pipeproc.ErrNothingToReclaim)
	}},
	{name: "node reclaimProc #8 reclaims are reset by an ack", run: func(l *lab) {
		l.claimed(pipeproc.StrategyDisable, 10)
		l.reclaim("my_proc_0")
		l.claimAck(myProc, 1)
		if i := l.info("my_proc_0"); i.Reclaims != 0 {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "node reclaimProc #9 reclaims are reset by an ackCommit", run: func(l *lab) {
		l.claimed(pipeproc.StrategyDisable, 10)
		l.reclaim("my_proc_0")
		l.claim(myProc)
		l.ackCommit("my_proc_0", "out", "x")
		if i := l.info("my_proc_0"); i.Reclaims != 0 {
			l.t.Errorf("%+v", i)
		}
	}},
	{name: "node reclaimProc #10 the log again after a reclaimTimeout", run: func(l *lab) {
		l.logs()
		l.ensure(mine(func(o *pipeproc.ProcOptions) { o.Retry.ReclaimTimeout = short }))
		l.want(myProc, "1")
		l.ok(l.WaitForWork(l.ctx, "my_proc_0"))
		l.want(myProc, "1")
	}},
}

// claimed commits, claims, acknowledges and claims again.
func (l *lab) claimed(s pipeproc.Strategy, most int) func(first, last int) string {
	l.t.Helper()
	text := idsOf(l.logs())
	l.ensure(mine(func(o *pipeproc.ProcOptions) { o.Retry.OnMaxReclaims, o.Retry.MaxReclaims = s, most }))
	l.claimAck(myProc, 1)
	l.claim(myProc)
	return text
}

// originalRangeTests are the cases of node/getRange, client/range and
// client/revrange. Bounds are written as in the tests of range bounds.
func originalRangeTests() (list []test) {
	type o = textRange
	all, back := []uint64{0, 1, 2, 3, 4, 5}, []uint64{5, 4, 3, 2, 1, 0}
	for _, c := range []struct {
		name    string
		o       o
		reverse bool
		want    []uint64
		err     error
	}{
		{"node getRange #1 #36 no range is provided", o{}, false, all, nil},
		{"node getRange #3 a start id", o{Start: "#2"}, false, all[2:], nil},
		{"node getRange #4 an end id", o{End: "#2"}, false, all[:3], nil},
		{"node getRange #5 a start and an end id", o{Start: "#2", End: "#4"}, false, all[2:5], nil},
		{"node getRange #6 limit", o{Start: "#2", Limit: 1}, false, all[2:3], nil},
		{"node getRange #7 exclusive", o{Start: "#2", End: "#4", Exclusive: true}, false, all[3:4], nil},
		{"node getRange #8 reverse", o{Start: "#4", End: "#2"}, true, back[1:4], nil},
		{"node getRange #9 start after end", o{Start: "#4", End: "#2"}, false, nil, nil},
		{"node getRange #10 start after end, exclusive", o{Start: "#4", End: "#2", Exclusive: true}, false, nil, nil},
		{"node getRange #11 reverse, start before end", o{Start: "#2", End: "#4"}, true, nil, nil},
		{"node getRange #12 reverse and exclusive, start before end", o{Start: "#2", End: "#4", Exclusive: true}, true, nil, nil},
		{"node getRange #16 a start time", o{Start: "@2"}, false, all[2:], nil},
		{"node getRange #17 an end time", o{End: "@2"}, false, all[:4], nil},
		{"node getRange #18 a start and an end time", o{Start: "@2", End: "@4"}, false, all[2:], nil},
		{"node getRange #19 limit and time", o{Start: "@2", Limit: 1}, false, all[2:3], nil},
		{"node getRange #20 exclusive and times", o{Start: "@2", End: "@4", Exclusive: true}, false, all[2:], nil},
		{"node getRange #21 reverse and times", o{Start: "@4", End: "@2"}, true, back[:4], nil},
		{"node getRange #22 start time after end", o{Start: "@4", End: "@2"}, false, nil, nil},
		{"node getRange #23 start time after end, exclusive", o{Start: "@4", End: "@2", Exclusive: true}, false, nil, nil},
		{"node getRange #24 reverse, start time before end", o{Start: "@2", End: "@4"}, true, nil, nil},
		{"node getRange #25 reverse and exclusive, start time before end", o{Start: "@2", End: "@4", Exclusive: true}, true, nil, nil},
		{"node getRange #29 #30 #31 the same time as start and end", o{Start: "@2", End: "@3"}, false, all[2:4], nil},
		{"node getRange #33 the same time, exclusive", o{Start: "@2", End: "@3", Exclusive: true}, false, all[2:4], nil},
		{"node getRange #34 the same time, reverse", o{Start: "@3", End: "@2"}, true, []uint64{3, 2}, nil},
		{"node getRange #38 a start sequence", o{Start: ":2"}, false, all[2:], nil},
		{"node getRange #39 an end sequence", o{End: ":2"}, false, all[:3], nil},
		{"node getRange #40 a start and an end sequence", o{Start: ":2", End: ":4"}, false, all[2:5], nil},
		{"node getRange #41 limit and sequence", o{Start: ":2", Limit: 1}, false, all[2:3], nil},
		{"node getRange #42 exclusive sequences", o{Start: ":2", End: ":4", Exclusive: true}, false, all[3:4], nil},
		{"node getRange #43 reverse and sequences", o{Start: ":4", End: ":2"}, true, back[1:4], nil},
		{"node getRange #44 start sequence after end", o{Start: ":4", End: ":2"}, false, nil, nil},
		{"node getRange #45 start sequence after end, exclusive", o{Start: ":4", End: ":2", Exclusive: true}, false, nil, nil},
		{"node getRange #46 reverse, start sequence before end", o{Start: ":2", End: ":4"}, true, nil, nil},
		{"node getRange #47 reverse and exclusive, start sequence before end", o{Start: ":2", End: ":4", Exclusive: true}, true, nil, nil},
		{"node getRange #49 an invalid start sequence", o{Start: ":10"}, false, nil, pipeproc.ErrInvalidSequence},
		{"node getRange #50 an invalid end sequence", o{End: ":15"}, false, nil, pipeproc.ErrInvalidSequence},
		{"client range #3 limit -1", o{Limit: -1}, false, all, nil},
		{"client range #10 a sequence that does not exist", o{Start: ":123"}, false, nil, pipeproc.ErrInvalidSequence},
		{"client range #11 an invalid start", o{Start: "invalid"}, false, nil, pipeproc.ErrInvalidRangeOffset},
		{"client range #12 an invalid end", o{End: "invalid"}, false, nil, pipeproc.ErrInvalidRangeOffset},
		{"client revrange #1 start before end", o{Start: "#0", End: "#1"}, true, nil, nil},
		{"client revrange #2 the results in a reversed order", o{Start: "#2"}, true, back[3:], nil},
	} {
		list = append(list, test{name: c.name, run: func(l *lab) {
			ids := l.six()
			c.o.Reverse = c.reverse
			o, err := c.o.options(ids)
			if err != nil {
				l.wantErr(err, c.err)
				return
			}
			it := l.Range(l.ctx, "t", o)
			if c.err != nil {
				for _, err := range it {
					l.wantErr(err, c.err)
				}
				return
			}
			if got := l.seqs(it); !slices.Equal(got, c.want) {
				l.t.Errorf("%v, want %v", got, c.want)
			}
		}})
	}
	return append(list, test{name: "node getRange #13 #26 #35 #48 an invalid topic", run: func(l *lab) {
		for _, err := range l.Range(l.ctx, "nowhere", pipeproc.RangeOptions{}) {
			l.wantErr(err, pipeproc.ErrInvalidTopic)
		}
	}}, test{name: "client range #14 length", run: func(l *lab) {
		l.six()
		if n := l.length("t"); n != 6 {
			l.t.Error(n)
		}
	}})
}
