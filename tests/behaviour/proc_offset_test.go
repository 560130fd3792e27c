package behaviour_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// offsetTopic commits 0, 1 and 2 in one millisecond, 3 a second later, 4 and 5
// in one millisecond after another second, and lets a second pass.
func offsetTopic(n *lab) []pipeproc.ID {
	ids := n.commit("t", "0", "1", "2")
	pass(time.Second)
	ids = append(ids, n.commit("t", "3")...)
	pass(time.Second)
	ids = append(ids, n.commit("t", "4", "5")...)
	pass(time.Second)
	return ids
}

// Every offset, and the first record that it gives; "" for one that is yet
// to come.
func TestProcOffsetTable(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		ids := offsetTopic(n)
		at := func(i int, more int64) string { return fmt.Sprint(ids[i].Millis + more) }
		for i, c := range []struct{ offset, first string }{
			{"", "0"},
			{">", "0"},
			{"$>", ""},
			{"0", "0"},             // a time long ago
			{"1", "0"},             // no prefix of a text
			{at(0, 0), "0"},        // at that millisecond
			{at(0, 1), "3"},        // after it
			{at(3, -1), "3"},       // before it
			{at(3, 0), "3"},        // at it
			{at(5, 0), "4"},        // the first of a batch
			{at(5, 1), ""},         // nothing that late
			{ids[0].String(), "1"}, // within a millisecond: none of it is passed over
			{ids[1].String(), "2"},
			{ids[2].String(), "3"},
			{ids[3].String(), "4"},
			{ids[5].String(), ""},
			{at(0, 0) + "-99", "3"}, // ids need not exist
			{at(0, 1) + "-0", "3"},
			{at(3, 0) + "-0", "3"},
			{at(3, 0) + "-7", "4"},
			{"0-99", "0"},
			{"0-18446744073709551615", "0"},
			{":0", "1"}, // after the record of that sequence
			{":1", "2"},
			{":2", "3"},
			{":5", ""},
		} {
			o := pipeproc.ProcOptions{Name: fmt.Sprint("p", i), Topic: "t", Offset: c.offset}
			claim := n.claim(o)
			first := ""
			if !claim.Empty() {
				first = string(claim.Records[0].Body)
			}
			if first != c.first {
				t.Errorf("offset %q gives %q, want %q", c.offset, first, c.first)
			}
			if claim.Skipped != 0 || n.info(o.Name).Skipped != 0 {
				t.Errorf("offset %q: records before it were not skipped by force", c.offset)
			}
		}
		n.commit("t", "6")
		for _, name := range []string{"p2", "p10", "p15", "p25"} { // those that waited
			n.want(pipeproc.ProcOptions{Name: name, Topic: "t"}, "6")
		}
	})
}

// On a topic that does not exist a proc is made all the same; it gets what the
// topic begins with, except what its offset leaves out.
func TestProcOffsetsBeforeTheTopic(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		now := time.Now().UnixMilli()
		for i, c := range []struct{ offset, first string }{
			{">", "0"}, {"$>", "0"}, {"0", "0"},
			{fmt.Sprint(now), "0"},
			{fmt.Sprint(now + 1), "1"},
			{fmt.Sprint(now+1000) + "-0", "1"},
			{fmt.Sprint(now+1000) + "-1", "2"},
			{fmt.Sprint(now+2000) + "-99", ""},
			{fmt.Sprint(now + 5000), ""},
		} {
			o := pipeproc.ProcOptions{Name: fmt.Sprint("p", i), Topic: fmt.Sprint("t", i), Offset: c.offset}
			n.want(o)
			if p := n.info(o.Name); p.Offset != c.offset || p.Pending != 0 {
				t.Errorf("%+v", p)
			}
		}
		for i := range 9 { // at now, a second later, two seconds later
			n.commit(fmt.Sprint("t", i), "0")
		}
		pass(time.Second)
		for i := range 9 {
			n.commit(fmt.Sprint("t", i), "1")
		}
		pass(time.Second)
		for i, first := range []string{"0", "0", "0", "0", "1", "1", "2", "", ""} {
			n.commit(fmt.Sprint("t", i), "2")
			c := n.claim(pipeproc.ProcOptions{Name: fmt.Sprint("p", i), Topic: fmt.Sprint("t", i)})
			if got := string(append([]string{}, append(bodiesOf(c.Records), "")...)[0]); got != first {
				t.Errorf("p%d begins with %q, want %q", i, got, first)
			}
		}
	})
}

// Offsets in the future pass over what comes before, without counting it as skipped
// or pending, also across a reopening.
func TestProcOffsetInTheFuture(t *testing.T) {
	reopenings(t, pipeproc.Options{}, func(t *testing.T, n *lab, reopen func() *lab) {
		n.commit("t", "0")
		later := time.Now().Add(time.Hour).UnixMilli()
		byTime := pipeproc.ProcOptions{Name: "time", Topic: "t", Offset: fmt.Sprint(later)}
		byID := pipeproc.ProcOptions{Name: "id", Topic: "t", Offset: fmt.Sprint(later) + "-2"}
		n.want(byTime)
		n.want(byID)
		n.commit("t", "1")
		n = reopen()
		n.want(byTime)
		n.want(byID)
		if i := n.info("time"); i.Pending != 0 || i.Skipped != 0 {
			t.Errorf("%+v", i)
		}
		n.ok(n.WaitForProcs(t.Context()))
		work := start(func() error { return n.WaitForWork(t.Context(), "time") })
		pass(time.Hour - time.Millisecond)
		n.commit("t", "2")
		if work.over() {
			t.Error("woken by a record before the offset")
		}
		pass(time.Millisecond)
		n.commit("t", "3", "4")
		if !work.over() {
			t.Error("not woken")
		}
		n.want(byTime, "3")
		n.want(byID, "3") // sequence 3 is above 2
		n.ack("time")
		n.want(byTime, "4")
	})
}

func TestProcOffsetsOnPrunedTopic(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		ids := offsetTopic(n)
		n.ok(n.Prune(t.Context(), "t", 3))
		for i, c := range []struct{ offset, first string }{
			{">", "3"}, {"0", "3"}, {fmt.Sprint(ids[0].Millis), "3"}, {ids[0].String(), "3"}, {ids[2].String(), "3"}, {ids[3].String(), "4"}, {":3", "4"},
		} {
			claim := n.claim(pipeproc.ProcOptions{Name: fmt.Sprint("p", i), Topic: "t", Offset: c.offset})
			n.wantBodies(claim, c.first)
			if claim.Skipped != 0 {
				t.Errorf("offset %q: it never had the records that are gone", c.offset)
			}
		}
		for _, offset := range []string{":0", ":2"} {
			_, err := n.Claim(t.Context(), pipeproc.ProcOptions{Name: "q", Topic: "t", Offset: offset})
			wantCode(t, err, "invalid_tone_id_search", ":3")
		}
		n.ok(n.Prune(t.Context(), "t", 6))
		for _, offset := range []string{">", "0", "$>", ids[5].String()} {
			n.want(pipeproc.ProcOptions{Name: "all" + offset, Topic: "t", Offset: offset})
		}
		n.commit("t", "6")
		for _, offset := range []string{">", "0", "$>", ids[5].String()} {
			n.want(pipeproc.ProcOptions{Name: "all" + offset, Topic: "t"}, "6")
		}
	})
}

// "$>" goes by position: of records of the same millisecond it gets those that
// were committed after it was made.
func TestProcOffsetDollarGoesByPosition(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "before")
		n.ensure(pipeproc.ProcOptions{Name: "p", Topic: "t", Offset: "$>"})
		n.commit("t", "after")
		n.want(pipeproc.ProcOptions{Name: "p", Topic: "t"}, "after")
	})
}
