package model

import (
	"context"
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc"
)

// What ends a claim: an acknowledgement, alone or with records, or a reclaim.

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

// busy usually returns the name of a proc with an open claim, if there is one.
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
	c, rng, want := w.st.ack(name, token, pipeproc.ErrInvalidAck, w.now())
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
	c, ids := w.st.commit(d, w.now())
	ack, rng, want := w.st.ack(name, token, pipeproc.ErrInvalidAckCommit, w.now())
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
	c, rng, want := w.st.reclaim(name, token, said, w.now())
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
