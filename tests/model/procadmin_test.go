package model

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/pipeproc/pipeproc"
)

// What is done to a proc from outside: it is stopped, moved, removed and waited for.

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
	c, want := w.st.stop(name, true, w.now())
	return w.changed(c, want, name, func() (pipeproc.ProcInfo, error) { return w.node.DisableProc(bg, name) })
}

func (w *world) resume() error {
	name := w.someProc()
	for _, n := range w.st.procNames() {
		if w.st.procs[n].disabled && w.rng.IntN(2) == 0 {
			name = n
		}
	}
	now := w.now()
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
	c, want := w.st.seek(name, offset, w.now())
	return w.changed(c, want, name, func() (pipeproc.ProcInfo, error) { return w.node.SeekProc(bg, name, offset) })
}

func (w *world) destroy() error {
	name := w.someProc()
	c, want := w.st.destroy(name, w.now())
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
