package model

import (
	"errors"
	"fmt"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
)

// The operations of TestTimers.

func wants(err, want error) error {
	if !errors.Is(err, want) {
		return fmt.Errorf("got error %v, want %v", err, want)
	}
	return nil
}

func (w *timeWorld) commit() error {
	d := &draft{topics: []string{"in"}, recs: []rec{{body: []byte("x")}}}
	c, _ := w.st.commit(d, w.now())
	return w.do(&c, nil, func() error { return w.node.CommitBatch(bg, d.batch()) })
}

func (w *timeWorld) claim() error {
	o := w.proc()
	o.Count = 1 + w.rng.IntN(2)
	made, want := w.st.ensure(o, w.now())
	if want != nil {
		return want
	}
	next := w.st
	if made != nil {
		next = w.st.with(made)
	}
	take, _, want := next.take(o.Name, o.Count, w.now())
	if f := w.free[o.Name]; f.After(time.Now()) {
		take = nil
	}
	var got pipeproc.Claim
	err := w.do(made, want, func() (err error) {
		got, err = w.node.Claim(bg, o)
		return err
	})
	if err != nil || want != nil {
		return err
	}
	if got.Empty() != (take == nil) {
		return fmt.Errorf("%s claimed %v, want %v", o.Name, got.Range, take)
	}
	if take != nil {
		w.counts["given"]++
		take.procs[0].st.token = got.Token
		w.apply(take)
	}
	return nil
}

func (w *timeWorld) ack() error {
	name := w.proc().Name
	c, _, want := w.st.ack(name, pipeproc.Token{}, pipeproc.ErrInvalidAck, w.now())
	return w.do(c, want, func() error { _, err := w.node.Ack(bg, name, pipeproc.Token{}); return err })
}

func (w *timeWorld) reclaim() error {
	name := w.proc().Name
	c, _, want := w.st.reclaim(name, pipeproc.Token{}, "test", w.now())
	return w.do(c, want, func() error { _, err := w.node.Reclaim(bg, name, pipeproc.Token{}, "test"); return err })
}

func (w *timeWorld) disable() error {
	name := w.proc().Name
	c, want := w.st.stop(name, true, w.now())
	return w.do(c, want, func() error { _, err := w.node.DisableProc(bg, name); return err })
}

// resume also takes back a claim whose time was up meanwhile.
func (w *timeWorld) resume() error {
	name := w.proc().Name
	c, want := w.st.stop(name, false, w.now())
	lapsed := w.lapsed[name]
	err := w.do(c, want, func() error { _, err := w.node.ResumeProc(bg, name); return err })
	if err != nil || want != nil || !lapsed {
		return err
	}
	w.counts["timeout at resume"]++
	return w.expire(name, 0)
}

func (w *timeWorld) seek() error {
	name := w.proc().Name
	offset := []string{">", "$>", ":0"}[w.rng.IntN(3)]
	c, want := w.st.seek(name, offset, w.now())
	return w.do(c, want, func() error { _, err := w.node.SeekProc(bg, name, offset); return err })
}

func (w *timeWorld) destroy() error {
	name := w.proc().Name
	c, want := w.st.destroy(name, w.now())
	return w.do(c, want, func() error { _, err := w.node.DestroyProc(bg, name); return err })
}

// pass lets time pass, and claims time out.
func (w *timeWorld) pass() error {
	until := time.Now().Add(time.Duration(1+w.rng.IntN(30)) * 100 * time.Millisecond)
	for {
		first := ""
		for name, at := range w.due {
			if !w.lapsed[name] && !at.After(until) && (first == "" || at.Before(w.due[first])) {
				first = name
			}
		}
		if first == "" {
			break
		}
		if err := w.expire(first, time.Until(w.due[first])); err != nil {
			return err
		}
	}
	<-time.After(time.Until(until))
	return nil
}

// expire lets time pass until a claim times out.
func (w *timeWorld) expire(name string, wait time.Duration) error {
	if i, err := w.node.InspectProc(bg, name); wait > 0 && (err != nil || i.Claim != w.st.procs[name].token) {
		return fmt.Errorf("%s has claim %v, %v, before its time is up", name, i.Claim, err)
	}
	<-time.After(wait)
	synctest.Wait()
	p := w.st.procs[name]
	if p.disabled {
		w.lapsed[name] = true
		w.counts["timeout while disabled"]++
		return nil
	}
	w.counts["timeout"]++
	c, _, err := w.st.reclaim(name, p.token, timedOut(p), w.now())
	if err != nil {
		return err
	}
	w.apply(c)
	return w.settle()
}

// reopen closes the store and opens it again, at once or later. What is left of
// every wait then goes by the clock.
func (w *timeWorld) reopen() error {
	if err := w.node.Close(); err != nil {
		return err
	}
	<-time.After(time.Duration(w.rng.IntN(20)) * 100 * time.Millisecond)
	if err := w.open(); err != nil {
		return err
	}
	now := time.Now()
	for _, c := range w.st.wakes(now.UnixMilli()) {
		w.st.apply(c)
		w.counts["ended at open"] += len(c.procs)
	}
	clear(w.due)
	clear(w.free)
	clear(w.lapsed)
	for name, p := range w.st.procs {
		if p.open && p.timeout >= 0 {
			w.due[name] = later(now, time.UnixMilli(p.claimedAt).Add(p.timeout))
		}
		if p.retryAt > 0 {
			w.free[name] = now.Add(min(time.UnixMilli(p.retryAt).Sub(now), p.delay(p.reclaims)))
		}
	}
	synctest.Wait()
	for name, at := range w.due {
		if !at.After(now) { // a disabled one
			w.lapsed[name] = true
		}
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
