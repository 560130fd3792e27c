package model

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc"
)

// hasWork waits until a proc has something to claim.
func (w *world) hasWork(name string) error {
	ctx, cancel := context.WithTimeout(bg, 30*time.Second)
	defer cancel()
	return w.node.WaitForWork(ctx, name)
}

// token returns the token of a proc's claim, none, or that of another claim.
func (w *world) token(name string) pipeproc.Token {
	p := w.st.procs[name]
	switch k := w.rng.IntN(10); {
	case k == 0 && len(w.tokens.list) > 0:
		return w.tokens.list[w.rng.IntN(len(w.tokens.list))]
	case k == 1:
		return pipeproc.Token{Epoch: w.rng.Uint64N(5), Serial: 1 + w.rng.Uint64N(5)}
	case k < 5 || p == nil:
		return pipeproc.Token{}
	}
	return p.token
}

// busy returns the name of a proc with an open claim, if there is one, mostly.
func (w *world) busy() string {
	for range 5 {
		name := w.someProc()
		if p := w.st.procs[name]; p != nil && p.open {
			return name
		}
	}
	return w.someProc()
}

func (w *world) ack() error {
	name := w.busy()
	token := w.token(name)
	c, rng, want := w.st.ack(name, token, pipeproc.ErrInvalidAck, w.clock.ms.Load())
	err := w.exactly(c, want, w.always(), func() error {
		got, err := w.node.Ack(bg, name, token)
		if err == nil && got != rng {
			return fmt.Errorf("acknowledged %v, want %v", got, rng)
		}
		return err
	})
	if err != nil {
		return err
	}
	return checkProc(w.node, w.st, name)
}

// ackCommit acknowledges a claim with records for some topics: both or neither.
func (w *world) ackCommit() error {
	name := w.busy()
	token := w.token(name)
	d := w.draft()
	b := d.batch()
	c, ids := w.st.commit(d, w.clock.ms.Load())
	ack, rng, want := w.st.ack(name, token, pipeproc.ErrInvalidAckCommit, w.clock.ms.Load())
	if ack != nil {
		c.procs = ack.procs
	}
	switch w.rng.IntN(8) {
	case 0: // the records are refused, and so is the acknowledgement
		t := w.name()
		next := 1 + w.rng.Uint64N(3)
		if s := w.st.topics[t]; s != nil {
			next += s.next
		}
		_ = b.Expect(t, next)
		if want == nil {
			want = pipeproc.ErrConflict
		}
	case 1:
		b.Reset()
		want = pipeproc.ErrUncommitted
	}
	if b.Size() > maxBatch {
		want = pipeproc.ErrTooLarge
	}
	always := w.always()
	if w.rng.IntN(8) == 0 {
		b.Durability, always = pipeproc.Durable, true
	}
	err := w.exactly(&c, want, always, func() error {
		got, err := w.node.AckCommitBatch(bg, name, token, b)
		if err == nil && got != rng {
			return fmt.Errorf("acknowledged %v, want %v", got, rng)
		}
		return err
	})
	if err != nil {
		return err
	}
	if want == nil {
		for i, id := range b.IDs() {
			if id != ids[i] {
				return fmt.Errorf("id %d is %v, want %v", i, id, ids[i])
			}
		}
	}
	return checkProc(w.node, w.st, name)
}

func (w *world) reclaim() error {
	name := w.busy()
	token := w.token(name)
	reason := w.pick("", "it failed", "ü")
	said := reason
	if said == "" {
		said = "reclaimed"
	}
	c, rng, want := w.st.reclaim(name, token, said, w.clock.ms.Load())
	err := w.exactly(c, want, w.always(), func() error {
		got, err := w.node.Reclaim(bg, name, token, reason)
		if err == nil && got != rng {
			return fmt.Errorf("reclaim returned %v, want %v", got, rng)
		}
		return err
	})
	if err != nil {
		return err
	}
	if c != nil && c.kind == kCommit {
		w.count("dead letters")
	}
	return checkProc(w.node, w.st, name)
}

// changed runs a call that returns what a proc is then.
func (w *world) changed(c *command, want error, name string, fn func() (pipeproc.ProcInfo, error)) error {
	var got pipeproc.ProcInfo
	err := w.exactly(c, want, w.always(), func() (err error) {
		got, err = fn()
		return err
	})
	if err != nil || want != nil {
		return err
	}
	return w.said(got, name)
}

func (w *world) disable() error { return w.disableFor(w.someProc()) }

func (w *world) disableFor(name string) error {
	c, want := w.st.stop(name, true, w.clock.ms.Load())
	return w.changed(c, want, name, func() (pipeproc.ProcInfo, error) { return w.node.DisableProc(bg, name) })
}

func (w *world) resume() error {
	name := w.someProc()
	for _, n := range w.st.procNames() {
		if w.st.procs[n].disabled && w.rng.IntN(2) == 0 {
			name = n
		}
	}
	now := w.clock.ms.Load()
	c, want := w.st.stop(name, false, now)
	call := func() (pipeproc.ProcInfo, error) { return w.node.ResumeProc(bg, name) }
	if want != nil || w.waits.late[name] != c.procs[0].st.token || !c.procs[0].st.open {
		return w.changed(c, want, name, call)
	}
	// The claim's time was up while the proc was disabled: it is taken back.
	delete(w.waits.late, name)
	p := c.procs[0].st
	back, _, err := w.st.with(c).reclaim(name, p.token, timedOut(p), now)
	if err != nil {
		return err
	}
	err = w.writeAll([]*command{c, back}, 2*b2i(w.always()), func() error {
		if _, err := call(); err != nil {
			return err
		}
		return w.timedOut(name)
	})
	if err != nil {
		return err
	}
	w.count("timeout at resume")
	return checkProc(w.node, w.st, name)
}

func (w *world) seek() error {
	name := w.someProc()
	topic := w.name()
	if p := w.st.procs[name]; p != nil {
		topic = p.topic
	}
	offset := w.offset(topic)
	c, want := w.st.seek(name, offset, w.clock.ms.Load())
	return w.changed(c, want, name, func() (pipeproc.ProcInfo, error) { return w.node.SeekProc(bg, name, offset) })
}

func (w *world) destroy() error {
	name := w.someProc()
	c, want := w.st.destroy(name, w.clock.ms.Load())
	var was pipeproc.ProcInfo
	if want == nil {
		was = w.st.info(w.st.procs[name])
	}
	err := w.exactly(c, want, w.always(), func() error {
		got, err := w.node.DestroyProc(bg, name)
		if err == nil {
			if was.System != "" && got.Waiting == "" {
				got.Waiting = "nothing: its system proc went with it"
			}
			err = sameInfo(got, was)
		}
		return err
	})
	if err != nil {
		return err
	}
	return checkProc(w.node, w.st, name)
}

// waitForProcs returns at once when nothing is to be done, and not before.
func (w *world) waitForProcs() error {
	if w.st.idle() {
		ctx, cancel := context.WithTimeout(bg, 30*time.Second)
		defer cancel()
		w.count("procs idle")
		return w.node.WaitForProcs(ctx)
	}
	ctx, cancel := context.WithTimeout(bg, time.Millisecond)
	defer cancel()
	if err := w.node.WaitForProcs(ctx); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("waiting for procs that have work: %v", err)
	}
	return nil
}
