package model

import (
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestNoDescriptors leaves the process without descriptors for a while, from the
// n-th operation that takes one on, for each n. What needs one fails and says so.
// None of that counts as a failed sync: the node goes on as soon as there are some.
func TestNoDescriptors(t *testing.T) {
	for name, cfg := range modes() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			failed := 0
			eachFault(t, 5, func(n int64) (bool, error) { return runScarce(cfg, n, &failed) })
			t.Logf("%d steps failed", failed)
		})
	}
}

func takesDescriptor(op vfs.Op) bool {
	switch op.Kind {
	case vfs.OpOpen, vfs.OpCreate, vfs.OpOpenDir, vfs.OpReadDir, vfs.OpLock:
		return true
	}
	return false
}

func runScarce(cfg config, n int64, failed *int) (hit bool, err error) {
	return runOut(cfg, n, takesDescriptor, syscall.EMFILE, func(p *player, none *atomic.Bool) error { return p.playScarce(none, failed) })
}

// playScarce plays the history. Descriptors are back after the third step that
// failed for want of them, and when one is needed to open the store.
func (p *player) playScarce(none *atomic.Bool, failed *int) error {
	open := func() error {
		err := p.open()
		if err == nil || !none.Swap(false) {
			return err
		}
		if !errors.Is(err, syscall.EMFILE) || errors.Is(err, pipeproc.ErrCorrupt) {
			return wrongf("open without descriptors: %v", err)
		}
		return p.open()
	}
	if err := open(); err != nil {
		return err
	}
	h := makeHistory()
	for i, here := 0, 0; i < len(h); i++ {
		was := none.Load()
		err := p.play(&h[i])
		ends := h[i].do == "reopen" || h[i].do == "close"
		if err == nil {
			if h[i].do == "close" {
				p.node = nil
			}
			continue
		}
		what := fmt.Sprintf("step %d (%s)", i, h[i].do)
		switch {
		case isWrong(err):
			return fmt.Errorf("%s: %w", what, err)
		case errors.Is(err, pipeproc.ErrOutcomeUnknown), p.node.Err() != nil, errors.Is(err, pipeproc.ErrCorrupt):
			return wrongf("%s: taken for a failed sync, or damage: %v", what, err)
		case errors.Is(err, pipeproc.ErrInvalidTopic), errors.Is(err, pipeproc.ErrInvalidSequence): // what failed before is missed
		case !errors.Is(err, syscall.EMFILE):
			return fmt.Errorf("%s: unclear: %w", what, err)
		case !was && !none.Load():
			return fmt.Errorf("%s, with descriptors: %w", what, err)
		}
		*failed++
		if here++; here >= 3 {
			none.Store(false)
		}
		if ends {
			_ = p.node.Close()
			p.node = nil
			if err := open(); err != nil {
				return fmt.Errorf("%s: open again: %w", what, err)
			}
		}
	}
	return nil
}
