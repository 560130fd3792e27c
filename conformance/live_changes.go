package conformance

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pipeproc/pipeproc"
)

// changes runs Changes with a function that records the bodies and
// acknowledges.
type changes struct {
	*result
	mu   sync.Mutex
	seen []string
}

func (l *lab) changes(p *pipeproc.LiveProc) *changes {
	c := &changes{}
	c.result = l.start(func() error {
		return eachClaim(l.ctx, p, func(p *pipeproc.LiveProc, k pipeproc.Claim, err error) error {
			if err != nil {
				return err
			}
			c.mu.Lock()
			c.seen = append(c.seen, bodiesOf(k.Records)...)
			c.mu.Unlock()
			_, err = p.Ack(l.ctx)
			return err
		})
	})
	return c
}

func (c *changes) bodies() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.seen)
}

// comes waits until the bodies were seen.
func (c *changes) comes(bodies ...string) {
	c.l.t.Helper()
	c.l.eventually("all of it is seen", func() bool { return len(c.bodies()) >= len(bodies) })
	if got := c.bodies(); !slices.Equal(got, bodies) {
		c.l.t.Errorf("%q, want %q", got, bodies)
	}
}

var changesTests = []test{
	{name: "Changes calls for each claim", run: func(l *lab) {
		p := l.live(pipeproc.LiveOptions{Topic: "t", Count: 2})
		c := l.changes(p)
		l.commit("t", "0", "1", "2")
		c.comes("0", "1", "2")
		l.commit("t", "3")
		c.comes("0", "1", "2", "3")
		c.pending("Changes")
		l.ok(p.Cancel(l.ctx))
		if err := c.wait(); err != nil {
			l.t.Error("after Cancel it returns nil", err)
		}
		l.commit("t", "4")
		c.comes("0", "1", "2", "3")
	}},
	{name: "an error of the function ends Changes", run: func(l *lab) {
		l.commit("t", "0", "1")
		p := l.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst, Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}})
		calls := 0
		no := errors.New("no good")
		err := eachClaim(l.ctx, p, func(*pipeproc.LiveProc, pipeproc.Claim, error) error {
			calls++
			return no
		})
		if !errors.Is(err, no) || calls != 1 {
			l.t.Error(err, calls)
		}
		if i, err := p.Inspect(l.ctx); err != nil || i.Claim == (pipeproc.Token{}) {
			l.t.Errorf("%+v, %v", i, err)
		}
		// It can continue from there.
		_, err = p.Reclaim(l.ctx, "")
		l.ok(err)
		c := l.changes(p)
		c.comes("0", "1")
		l.ok(p.Cancel(l.ctx))
		l.ok(c.wait())
	}},
	{name: "a context ends Changes", run: func(l *lab) {
		p := l.live(pipeproc.LiveOptions{Topic: "t"})
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(l.ctx)
		var calls atomic.Int64
		r := l.start(func() error {
			return eachClaim(ctx, p, func(*pipeproc.LiveProc, pipeproc.Claim, error) error { calls.Add(1); return nil })
		})
		l.commit("other", "x")
		r.pending("nothing ended it")
		cancel(enough)
		if err := r.wait(); !errors.Is(err, enough) || calls.Load() != 0 {
			l.t.Error(err, calls.Load())
		}
	}},
	{name: "the function may cancel", run: func(l *lab) {
		l.commit("t", "0", "1")
		p := l.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst})
		calls := 0
		err := eachClaim(l.ctx, p, func(p *pipeproc.LiveProc, _ pipeproc.Claim, _ error) error {
			calls++
			if _, err := p.Ack(l.ctx); err != nil {
				return err
			}
			return p.Cancel(l.ctx)
		})
		if err != nil || calls != 1 {
			l.t.Error(err, calls)
		}
	}},
	{name: "the end of the store is the last call", run: func(l *lab) {
		l.lastCall(pipeproc.ErrClosed, func(*pipeproc.LiveProc) { l.shut() })
	}},
	{name: "the end of the proc is the last call", run: func(l *lab) {
		l.lastCall(pipeproc.ErrInvalidProc, func(p *pipeproc.LiveProc) { l.destroy(p.Name()) })
	}},
	{name: "Claims can be left and goes on", run: func(l *lab) {
		l.commit("t", "0", "1", "2", "3", "4")
		p := l.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst})
		var mu sync.Mutex
		var seen []string
		loop := func(leave int) error {
			for c, err := range p.Claims(l.ctx) {
				if err != nil {
					return err
				}
				mu.Lock()
				seen = append(seen, bodiesOf(c.Records)...)
				n := len(seen)
				mu.Unlock()
				if _, err := p.Ack(l.ctx); err != nil {
					return err
				}
				if n == leave {
					return nil
				}
			}
			return nil
		}
		l.ok(loop(2))
		if !slices.Equal(seen, []string{"0", "1"}) {
			l.t.Errorf("%q", seen)
		}
		r := l.start(func() error { return loop(0) })
		l.eventually("all of it is seen", func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(seen) == 5
		})
		l.eventually("all of it is acknowledged", func() bool { return l.info(p.Name()).Next == 5 })
		l.ok(p.Cancel(l.ctx))
		l.ok(r.wait())
	}},
	{name: "Cancel beside Next brings nothing back", run: func(l *lab) {
		for range 15 {
			p := l.live(pipeproc.LiveOptions{Topic: "t"})
			next := l.start(func() error {
				for {
					if _, err := nextClaim(l.ctx, p); err != nil {
						return nil
					}
					if _, err := p.Ack(l.ctx); err != nil {
						return nil
					}
				}
			})
			commits := l.start(func() error { _, err := l.Commit(l.ctx, recordsOf("t", "x", "y")...); return err })
			l.ok(p.Cancel(l.ctx))
			l.ok(next.wait())
			l.ok(commits.wait())
			if list := l.procs(); len(list) != 0 {
				l.t.Fatalf("it came back: %q", namesOf(list))
			}
		}
	}},
	{name: "no claim after Cancel", run: func(l *lab) {
		for range 15 {
			p := l.live(pipeproc.LiveOptions{Name: "mine", Topic: "t"})
			loop := l.start(func() error {
				for _, err := range p.Claims(l.ctx) {
					if err == nil {
						_, err = p.Ack(l.ctx)
					}
					if err != nil {
						return err
					}
				}
				return nil
			})
			commits := l.start(func() error { _, err := l.Commit(l.ctx, recordsOf("t", "0", "1", "2", "3")...); return err })
			l.ok(p.Cancel(l.ctx))
			before := l.info("mine").LastClaimed
			l.ok(loop.wait())
			l.ok(commits.wait())
			if after := l.info("mine"); after.LastClaimed != before || after.Claim != (pipeproc.Token{}) {
				l.t.Fatalf("%v had been claimed when Cancel returned, now it is %+v", before, after)
			}
		}
	}},
}

// lastCall checks that the end of a LiveProc is reported by exactly one call of
// the function.
func (l *lab) lastCall(want error, end func(p *pipeproc.LiveProc)) {
	l.t.Helper()
	p := l.live(pipeproc.LiveOptions{Topic: "t"})
	var errs []error
	r := l.start(func() error {
		return eachClaim(l.ctx, p, func(_ *pipeproc.LiveProc, c pipeproc.Claim, err error) error {
			if !c.Empty() {
				l.t.Error("records", c)
			}
			errs = append(errs, err)
			return nil
		})
	})
	l.commit("other", "x")
	r.pending("nothing ended it")
	end(p)
	_ = r.wait()
	if len(errs) != 1 {
		l.t.Fatal(errs)
	}
	l.wantErr(errs[0], want)
}
