package behaviour_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// A processor may use the node that runs it.
func TestProcessorMayUseTheNode(t *testing.T) {
	bubble(t, &pipeproc.Options{Workers: 1}, func(t *testing.T, n *lab) {
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, Processor: func(ctx context.Context, w *pipeproc.Work) error {
			if _, err := n.Commit(ctx, recordsOf("side", string(w.Records()[0].Body))...); err != nil {
				return err
			}
			if i, err := n.InspectProc(ctx, w.Proc()); err != nil || i.Claim == (pipeproc.Token{}) {
				return fmt.Errorf("%+v, %w", i, err)
			}
			if err := n.Register("late", through); err != nil {
				return err
			}
			_, err := n.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "late", From: []string{"side"}, To: []string{"u"}})
			return err
		}})
		n.commit("t", "0", "1")
		n.settled()
		n.wantTopic("u", "0", "1")
	})
}

// When a processor destroys its own proc, the proc ends and its output is dropped.
func TestProcessorDestroysItsOwnProc(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		runs := 0
		n.system(pipeproc.SystemProcOptions{Name: "s", From: []string{"t"}, To: []string{"u"}, Processor: func(ctx context.Context, w *pipeproc.Work) error {
			runs++
			w.Emit(nil)
			_, err := n.DestroyProc(ctx, w.Proc())
			return err
		}})
		n.commit("t", "0", "1")
		n.settled()
		n.wantTopic("u")
		if runs != 1 {
			t.Errorf("%d runs", runs)
		}
	})
}

// Definitions that change all the time, while records come: in the end all that
// is read is processed, and nothing waits for a call that never comes.
func TestSystemProcsChangeWhileTheyRun(t *testing.T) {
	n := newLab(t, nil)
	n.ok(n.Register("s", nop))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	loop := func(fn func(i int) error) {
		wg.Go(func() {
			for i := 0; ; i++ {
				select {
				case <-stop:
					return
				default:
				}
				if err := fn(i); err != nil {
					if code := pipeproc.Code(err); code != "invalid_proc" && code != "proc_name_not_unique" && code != "proc_already_disabled" && code != "proc_already_active" {
						t.Error(err)
						return
					}
				}
			}
		})
	}
	define := func(from ...string) error {
		_, err := n.DefineSystemProc(t.Context(), pipeproc.SystemProcOptions{Name: "s", From: from, PerTopic: true, Replace: true})
		return err
	}
	from := [][]string{{"a"}, {"a", "b"}, {"b", "c"}, {"a", "b", "c"}}
	loop(func(i int) error { return define(from[i%4]...) })
	loop(func(i int) error { return define(from[(i+2)%4]...) })
	loop(func(i int) error {
		_, err := n.DestroyProc(t.Context(), fmt.Sprint("s__", []string{"a", "b", "c"}[i%3]))
		return err
	})
	loop(func(i int) error { return n.Register("s", nop) })
	loop(func(i int) error {
		if i%2 == 0 {
			_, err := n.DisableProc(t.Context(), "s__b")
			return err
		}
		_, err := n.ResumeProc(t.Context(), "s__b")
		return err
	})
	for i := range 300 {
		n.commit([]string{"a", "b", "c"}[i%3], "x")
	}
	close(stop)
	wg.Wait()
	n.ok(define("a", "b", "c"))
	if n.info("s__b").Disabled {
		n.resume("s__b")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	n.ok(n.WaitForProcs(ctx))
	for _, topic := range []string{"a", "b", "c"} {
		n.commit(topic, "x")
	}
	n.ok(n.WaitForProcs(ctx))
}

// Closing in the middle of all that: everything ends.
func TestCloseBesideSystemProcs(t *testing.T) {
	for range 50 {
		n := newLab(t, nil)
		var wg sync.WaitGroup
		for i := range 4 {
			wg.Go(func() {
				for k := 0; ; k++ {
					o := pipeproc.SystemProcOptions{Name: fmt.Sprint("s", i), From: []string{"t"}, To: []string{"u"}, Processor: through}
					_, err := n.DefineSystemProc(t.Context(), o)
					if err == nil {
						_, err = n.Commit(t.Context(), recordsOf("t", "x")...)
					}
					if err == nil {
						_, err = n.DestroyProc(t.Context(), o.Name)
					}
					if err != nil {
						wantCode(t, err, "closed")
						return
					}
				}
			})
		}
		n.ok(n.WaitForRecord(t.Context(), "t", 5))
		n.shut()
		wg.Wait()
	}
}
