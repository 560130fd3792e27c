package conformance

import (
	"errors"
	"fmt"

	"github.com/pipeproc/pipeproc"
)

// rangeErrorTests holds the errors of a range: the syntax of its bounds, then topic
// format, topic, look-up of start, look-up of end.
func rangeErrorTests() (list []test) {
	for _, c := range []struct {
		topic, start, end string
		want              error
	}{
		{"bad topic!", "x", "x", pipeproc.ErrInvalidTopicFormat},
		{"", "x", "x", pipeproc.ErrInvalidTopicFormat},
		{"unknown", "x", "x", pipeproc.ErrInvalidTopic},
		{"t", "x", ":99", pipeproc.ErrInvalidRangeOffset},
		{"t", ":99", "x", pipeproc.ErrInvalidRangeOffset},
		{"t", ":99", "", pipeproc.ErrInvalidSequence},
		{"t", "", ":99", pipeproc.ErrInvalidSequence},
		{"t", ":6", "", pipeproc.ErrInvalidSequence},
		{"t", ":18446744073709551615", "", pipeproc.ErrInvalidSequence},
		{"t", ":18446744073709551616", "", pipeproc.ErrInvalidRangeOffset},
		{"t", ":", "", pipeproc.ErrInvalidRangeOffset},
		{"t", ":x", "", pipeproc.ErrInvalidRangeOffset},
		{"t", ":-1", "", pipeproc.ErrInvalidRangeOffset},
		{"t", "-5", "", pipeproc.ErrInvalidRangeOffset},
		{"t", "1000-", "", pipeproc.ErrInvalidRangeOffset},
		{"t", "1000-x", "", pipeproc.ErrInvalidRangeOffset},
		{"t", "1000-3-1", "", pipeproc.ErrInvalidRangeOffset},
		{"t", "5:3", "", pipeproc.ErrInvalidRangeOffset},
		{"t", " 5", "", pipeproc.ErrInvalidRangeOffset},
		{"t", "+5", "", pipeproc.ErrInvalidRangeOffset},
		{"t", "1_000", "", pipeproc.ErrInvalidRangeOffset},
		{"t", "", "invalid", pipeproc.ErrInvalidRangeOffset},
	} {
		list = append(list, test{name: fmt.Sprintf("error of %q %q %q", c.topic, c.start, c.end), run: func(l *lab) {
			l.six()
			for _, rev := range []bool{false, true} {
				text := textRange{Start: c.start, End: c.end}
				if rev {
					text = textRange{Start: c.end, End: c.start, Reverse: true}
				}
				o, err := text.options(nil)
				if err != nil && !errors.Is(c.want, pipeproc.ErrInvalidRangeOffset) {
					o = pipeproc.RangeOptions{} // the topic is checked in any case
				} else if err != nil {
					l.wantErr(err, c.want)
					continue
				}
				it := l.Range(l.ctx, c.topic, o)
				count := 0
				for r, err := range it {
					if count++; r.Body != nil {
						l.t.Error("a record and an error", r)
					}
					l.wantErr(err, c.want)
				}
				if count != 1 {
					l.t.Errorf("%d results, want one error", count)
				}
			}
		}})
	}
	return append(list, test{name: "error of a pruned sequence says where the topic starts", run: func(l *lab) {
		l.six()
		l.ok(l.Prune(l.ctx, "t", 3))
		for _, o := range []pipeproc.RangeOptions{{Start: pipeproc.AtSeq(1)}, {End: pipeproc.AtSeq(2)}} {
			for _, err := range l.Range(l.ctx, "t", o) {
				l.wantErr(err, pipeproc.ErrInvalidSequence, ":3")
			}
		}
	}}, test{name: "error of getting a pruned record", run: func(l *lab) {
		l.six()
		l.ok(l.Prune(l.ctx, "t", 3))
		_, err := l.Get(l.ctx, "t", 1)
		l.wantErr(err, pipeproc.ErrPruned)
		if p, ok := errors.AsType[*pipeproc.PrunedError](err); !ok || p.Topic != "t" || p.Seq != 1 || p.First != 3 {
			l.t.Errorf("%+v", err)
		}
		if r := l.get("t", 3); string(r.Body) != "3" {
			l.t.Errorf("%+v", r)
		}
	}})
}
