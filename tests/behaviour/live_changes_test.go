package behaviour_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// changes runs Changes with a function that notes the bodies and acknowledges.
func changes(ctx context.Context, l *pipeproc.LiveProc, seen *[]string) *result {
	return start(func() error {
		return eachClaim(ctx, l, func(l *pipeproc.LiveProc, c pipeproc.Claim, err error) error {
			if err != nil {
				return err
			}
			*seen = append(*seen, bodiesOf(c.Records)...)
			_, err = l.Ack(ctx)
			return err
		})
	})
}

// Changes calls the function for each claim, one at a time, as the topic grows.
func TestLiveChanges(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		l := n.live(pipeproc.LiveOptions{Topic: "t", Count: 2})
		var seen []string
		run := changes(t.Context(), l, &seen)
		if run.over() || len(seen) != 0 {
			t.Error("called without records", seen)
		}
		n.commit("t", "0", "1", "2")
		if run.over() || !slices.Equal(seen, []string{"0", "1", "2"}) {
			t.Error(seen, run.err)
		}
		n.commit("t", "3")
		if run.over() || len(seen) != 4 {
			t.Error(seen, run.err)
		}
		n.ok(l.Cancel(t.Context()))
		if !run.over() || run.err != nil {
			t.Error("after Cancel it returns nil", run.err)
		}
		n.commit("t", "4")
		if len(seen) != 4 {
			t.Error(seen)
		}
	})
}

// An error of the function ends Changes, which returns it. The claim stays open.
func TestLiveChangesErrorOfTheFunction(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1")
		l := n.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst})
		calls := 0
		no := errors.New("no good")
		run := start(func() error {
			return eachClaim(t.Context(), l, func(*pipeproc.LiveProc, pipeproc.Claim, error) error {
				calls++
				return no
			})
		})
		if !run.over() || !errors.Is(run.err, no) || calls != 1 {
			t.Error(run.err, calls)
		}
		if i, err := l.Inspect(t.Context()); err != nil || i.Claim == (pipeproc.Token{}) {
			t.Errorf("%+v, %v", i, err)
		}
		// It can go on from there.
		var seen []string
		_, err := l.Reclaim(t.Context(), "")
		n.ok(err)
		run = changes(t.Context(), l, &seen)
		if run.over() || !slices.Equal(seen, []string{"0", "1"}) {
			t.Error(seen, run.err)
		}
		n.ok(l.Cancel(t.Context()))
	})
}

// When its context ends, Changes returns the cause and does not call the function.
func TestLiveChangesContext(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		l := n.live(pipeproc.LiveOptions{Topic: "t"})
		cause := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		calls := 0
		run := start(func() error {
			return eachClaim(ctx, l, func(*pipeproc.LiveProc, pipeproc.Claim, error) error { calls++; return nil })
		})
		if run.over() {
			t.Fatal("nothing ended it")
		}
		cancel(cause)
		if !run.over() || !errors.Is(run.err, cause) || calls != 0 {
			t.Error(run.err, calls)
		}
	})
}

// A function may cancel the LiveProc that called it.
func TestLiveChangesCancelFromTheFunction(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		n.commit("t", "0", "1")
		l := n.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst})
		calls := 0
		run := start(func() error {
			return eachClaim(t.Context(), l, func(l *pipeproc.LiveProc, _ pipeproc.Claim, _ error) error {
				calls++
				if _, err := l.Ack(t.Context()); err != nil {
					return err
				}
				return l.Cancel(t.Context())
			})
		})
		if !run.over() || run.err != nil || calls != 1 {
			t.Error(run.err, calls)
		}
	})
}

// When the node or the proc ends, the function is called with an error, for the last
// time.
func TestLiveChangesLastError(t *testing.T) {
	for code, end := range map[string]func(n *lab, l *pipeproc.LiveProc){
		"closed":       func(n *lab, _ *pipeproc.LiveProc) { n.shut() },
		"invalid_proc": func(n *lab, l *pipeproc.LiveProc) { n.destroy(l.Name()) },
	} {
		bubble(t, nil, func(t *testing.T, n *lab) {
			l := n.live(pipeproc.LiveOptions{Topic: "t"})
			var errs []error
			run := start(func() error {
				return eachClaim(t.Context(), l, func(_ *pipeproc.LiveProc, c pipeproc.Claim, err error) error {
					if !c.Empty() {
						t.Error("records", c)
					}
					errs = append(errs, err)
					return nil
				})
			})
			if run.over() {
				t.Fatal("nothing ended it")
			}
			end(n, l)
			if !run.over() || len(errs) != 1 {
				t.Fatal(errs)
			}
			wantCode(t, errs[0], code)
		})
	}
}

// The iterator ends when the loop is left, and after Cancel, without an error.
func TestLiveClaims(t *testing.T) {
	bubble(t, nil, func(t *testing.T, n *lab) {
		for i := range 5 {
			n.commit("t", fmt.Sprint(i))
		}
		l := n.live(pipeproc.LiveOptions{Topic: "t", Offset: pipeproc.OffsetFirst})
		var seen []string
		loop := func(leave int) error {
			for c, err := range l.Claims(t.Context()) {
				if err != nil {
					return err
				}
				seen = append(seen, bodiesOf(c.Records)...)
				if _, err := l.Ack(t.Context()); err != nil {
					return err
				}
				if len(seen) == leave {
					return nil
				}
			}
			return nil
		}
		n.ok(loop(2))
		if !slices.Equal(seen, []string{"0", "1"}) {
			t.Error(seen)
		}
		run := start(func() error { return loop(0) })
		if run.over() || len(seen) != 5 {
			t.Error(seen, run.err)
		}
		n.ok(l.Cancel(t.Context()))
		if !run.over() || run.err != nil {
			t.Error(run.err)
		}
	})
}
