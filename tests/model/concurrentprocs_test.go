package model

import (
	"bytes"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/pipeproc/pipeproc"
)

// A consumer beside the workers of TestConcurrent. It moves what they commit to
// one topic to another one, claim by claim. In each crash image the copy is what
// the consumer has acknowledged, record by record: nothing twice, nothing lost.

const (
	moverName = "mover"
	movedFrom = "t0"
	movedTo   = "moved"
)

// mover is what the consumer had acknowledged, and had tried to.
type mover struct{ acked, tried atomic.Int64 }

// start makes the proc.
func (m *mover) start(n *pipeproc.Node) error {
	_, err := n.EnsureProc(bg, pipeproc.ProcOptions{Name: moverName, Topic: movedFrom, Retry: pipeproc.RetryPolicy{ReclaimTimeout: never, MaxReclaims: -1}})
	return err
}

// move moves what it can claim, until stop is set and nothing is left.
func (m *mover) move(n *pipeproc.Node, stop *atomic.Bool) error {
	for turn := 0; ; turn++ {
		last := stop.Load()
		c, err := n.Claim(bg, pipeproc.ProcOptions{Name: moverName, Topic: movedFrom, Count: 1 + turn%4})
		switch {
		case err != nil:
			return err
		case c.Empty() && last:
			return nil
		case c.Empty():
			if err := m.wait(n, stop); err != nil {
				return err
			}
			continue
		case turn%7 == 3:
			if _, err := n.Reclaim(bg, moverName, c.Token, ""); err != nil {
				return err
			}
			continue
		}
		var recs []pipeproc.Record
		for _, r := range c.Records {
			recs = append(recs, pipeproc.Record{Topic: movedTo, Body: r.Body})
		}
		m.tried.Store(int64(c.Range.Last.Seq) + 1)
		got, _, err := n.AckCommit(bg, moverName, c.Token, recs...)
		if err != nil {
			return err
		}
		if got != c.Range {
			return fmt.Errorf("acknowledged %v, claimed %v", got, c.Range)
		}
		m.acked.Store(int64(c.Range.Last.Seq) + 1)
	}
}

// wait waits for a record, or for stop, which comes with one.
func (m *mover) wait(n *pipeproc.Node, stop *atomic.Bool) error {
	if stop.Load() {
		return nil
	}
	return n.WaitForWork(bg, moverName)
}

// checkMoved compares the copy with the proc and the original.
func checkMoved(n *pipeproc.Node, acked, tried int64) error {
	p, err := n.InspectProc(bg, moverName)
	if errors.Is(err, pipeproc.ErrInvalidProc) && acked == 0 {
		return nil
	}
	if err != nil {
		return err
	}
	if next := int64(p.Next); next < acked || next > tried {
		return fmt.Errorf("the mover is at %d, want %d to %d", next, acked, tried)
	}
	bodies := func(topic string) (out [][]byte, err error) {
		for r, err := range n.Range(bg, topic, pipeproc.RangeOptions{}) {
			if errors.Is(err, pipeproc.ErrInvalidTopic) {
				return nil, nil
			} else if err != nil {
				return nil, err
			}
			out = append(out, bytes.Clone(r.Body))
		}
		return out, nil
	}
	from, err := bodies(movedFrom)
	if err != nil {
		return err
	}
	to, err := bodies(movedTo)
	if err != nil {
		return err
	}
	if uint64(len(to)) != p.Next || len(to) > len(from) {
		return fmt.Errorf("%d records were moved and %d are acknowledged, of %d", len(to), p.Next, len(from))
	}
	for i := range to {
		if !bytes.Equal(to[i], from[i]) {
			return fmt.Errorf("moved record %d is not what it was", i)
		}
	}
	return nil
}
