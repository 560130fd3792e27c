package model

import (
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/pipeproc/pipeproc"
)

// system defines a system proc without a processor, or changes it.
func (w *world) system() error {
	o := pipeproc.SystemProcOptions{Name: "sys", From: []string{w.pick("a", "b", "c")}, Retry: pipeproc.RetryPolicy{ReclaimTimeout: []time.Duration{never, hour}[w.rng.IntN(2)]}, Count: w.rng.IntN(3), Replace: w.rng.IntN(2) == 0}
	if w.rng.IntN(2) == 0 {
		o.Name, o.PerTopic, o.To = "multi", w.rng.IntN(2) == 0, []string{"d"}
		o.From = [][]string{{"a"}, {"b"}, {"b", "a"}}[w.rng.IntN(3)]
	}
	o.ProcessorName = w.pick("", "", "other")
	o.Retry.Backoff = -1
	if w.rng.IntN(3) == 0 {
		o.Retry.Backoff = hour
	}
	o.Retry.OnMaxReclaims = pipeproc.Strategy(w.rng.IntN(3))
	if o.Retry.OnMaxReclaims == pipeproc.StrategyDeadLetter {
		o.Retry.MaxReclaims = 1 + w.rng.IntN(2)
	}
	if y := w.st.systems[o.Name]; y != nil && o.Name == "sys" && w.rng.IntN(4) > 0 {
		o.From = slices.Clone(y.from)
	}
	switch w.rng.IntN(12) {
	case 0:
		bad := o
		bad.From = [][]string{nil, {"a", "a"}}[w.rng.IntN(2)]
		return w.refused(pipeproc.ErrInvalidProcOptions, func() error { _, err := w.node.DefineSystemProc(bg, bad); return err })
	case 1:
		o.Offset = w.offset(o.From[0])
	}
	c, want := w.st.system(o, w.now())
	var got []pipeproc.ProcInfo
	err := w.exactly(c, want, w.always(), func() (err error) {
		got, err = w.node.DefineSystemProc(bg, o)
		return err
	})
	if err != nil {
		return err
	}
	if c != nil {
		for _, k := range c.procs {
			if k.st == nil || k.st.timeout < 0 {
				delete(w.waits.late, k.name) // its claim has all the time there is
			}
		}
	}
	if want == nil {
		names := w.st.systems[o.Name].procNames(o.Name)
		if len(got) != len(o.From) {
			return fmt.Errorf("system proc %q has %d procs, want %d", o.Name, len(got), len(o.From))
		}
		for _, i := range got {
			if !slices.Contains(names, i.Name) {
				return fmt.Errorf("system proc %q has proc %q", o.Name, i.Name)
			}
			if err := w.said(i, i.Name); err != nil {
				return err
			}
		}
	}
	return checkProcs(w.node, w.st)
}

// availableProc claims for one of some procs that exist.
func (w *world) availableProc() error {
	var list []pipeproc.ProcOptions
	var able []string
	for _, name := range w.st.procNames() {
		p := w.st.procs[name]
		if w.rng.IntN(2) == 0 {
			continue
		}
		list = append(list, pipeproc.ProcOptions{Name: name, Topic: p.topic, Count: 3, Retry: pipeproc.RetryPolicy{ReclaimTimeout: never}})
		if take, _, err := w.st.take(name, 3, 0); take != nil && err == nil && !w.held(p) {
			able = append(able, name)
			if err := w.hasWork(name); err != nil {
				return err
			}
		}
	}
	if len(list) == 0 {
		return w.refused(pipeproc.ErrInvalidProcOptions, func() error { _, err := w.node.ClaimAny(bg); return err })
	}
	if len(able) == 0 {
		return w.nothing(func() error {
			c, err := w.node.ClaimAny(bg, list...)
			if err == nil && !c.Empty() {
				err = fmt.Errorf("claimed %+v where nothing was to be had", c)
			}
			return err
		})
	}
	c := &command{}
	err := w.writeAll([]*command{c}, 0, func() error {
		got, err := w.node.ClaimAny(bg, list...)
		if err != nil {
			return err
		}
		if !slices.Contains(able, got.Proc) {
			return fmt.Errorf("claimed %+v, want one of %q", got, able)
		}
		take, recs, _ := w.st.take(got.Proc, 3, w.now())
		*c = *take
		return w.claimed(got, take, recs)
	})
	if err != nil {
		return err
	}
	return checkProcs(w.node, w.st)
}

// importRecords imports into a topic without records: ids that rise, with gaps.
func (w *world) importRecords() error {
	name := w.name()
	for _, n := range w.st.names() { // an empty one, if there is any
		if len(w.st.topics[n].recs) == 0 {
			name = n
		}
	}
	t := w.st.topics[name]
	now := w.now()
	var recs []rec
	id := pipeproc.ID{Millis: max(now-w.rng.Int64N(1_000_000), 0), Seq: uint64(w.rng.IntN(3) * w.rng.IntN(100))}
	for range 1 + w.rng.IntN(25) {
		body := w.body()
		recs = append(recs, rec{id: id, body: body[:min(len(body), 5<<10)]})
		id.Seq += 1 + uint64(max(w.rng.IntN(12)-8, 0)*w.rng.IntN(30))
		id.Millis = min(id.Millis+w.rng.Int64N(100_000)*w.rng.Int64N(2), now+600_000)
	}
	size := 1 + w.rng.IntN(10)
	call := func() error {
		n, err := w.node.Import(bg, name, importSeq(recs), &pipeproc.ImportOptions{BatchRecords: size})
		if err == nil && n != uint64(len(recs)) {
			err = fmt.Errorf("%d records imported, want %d", n, len(recs))
		}
		return err
	}
	if t != nil && len(t.recs) > 0 {
		return w.refused(pipeproc.ErrInvalidImport, call)
	}
	var cs []*command
	floor := w.st.floor
	for part := range slices.Chunk(recs, size) {
		c := &command{kind: kCommit, ms: max(now, floor), opts: w.st.defOpt, parts: partsOf(name, part)}
		cs = append(cs, c)
	}
	if err := w.writeAll(cs, b2i(w.always())*len(cs), call); err != nil {
		return err
	}
	if err := checkTopic(w.node, w.st, name); err != nil {
		return err
	}
	return checkProcs(w.node, w.st)
}

func partsOf(topic string, recs []rec) []part { return []part{{topic, recs}} }

func importSeq(recs []rec) iter.Seq2[pipeproc.Record, error] {
	return func(yield func(pipeproc.Record, error) bool) {
		for _, r := range recs {
			if !yield(pipeproc.Record{ID: r.id, Key: r.key, Headers: r.headers, Body: r.body}, nil) {
				return
			}
		}
	}
}

// tick moves the clock, at times by years, either way, and then by whole days:
// see wake_test.go.
func (w *world) tick() error {
	const years = 365 * 24 * 3600 * 1000 / twoDay
	by := w.rng.Int64N(1000) - 200
	switch w.rng.IntN(8) {
	case 0:
		by = twoDay * w.rng.Int64N(3*years)
	case 1, 2:
		by = -twoDay * w.rng.Int64N(2*years)
	case 3:
		by = twoDay
	}
	before := w.now()
	if w.clock.ms.Load()+by <= 0 {
		return nil
	}
	w.clock.ms.Add(by)
	if w.clock.ms.Load()-before <= time.Minute.Milliseconds() {
		return nil
	}
	if now := w.now(); now != before {
		return fmt.Errorf("one reading that is %d ms ahead moved the time by %d ms", w.clock.ms.Load()-before, now-before)
	}
	switch w.rng.IntN(3) {
	case 0: // it was wrong
		w.count("clock wrong")
		err := w.commit(0)
		w.clock.ms.Add(-by)
		return err
	case 1: // it was right
		w.count("clock believed")
		w.clock.ms.Add(2000)
		time.Sleep(2 * time.Second)
		_ = w.now() // an earlier claim that was lower may have counted
		if now := w.now(); now != w.clock.ms.Load() {
			return fmt.Errorf("the clock has been ahead for two seconds and is %d ms ahead still", w.clock.ms.Load()-now)
		}
	}
	return nil
}
