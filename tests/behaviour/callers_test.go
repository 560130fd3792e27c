package behaviour_test

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

var errBoom = errors.New("boom")

// handler is a log handler that calls fn for each line.
type handler struct{ fn func(string) }

func (h handler) Enabled(context.Context, slog.Level) bool { return true }
func (h handler) Handle(_ context.Context, r slog.Record) error {
	h.fn(r.Message)
	return nil
}
func (h handler) WithAttrs([]slog.Attr) slog.Handler { return h }
func (h handler) WithGroup(string) slog.Handler      { return h }

// TestS22Callers: whatever the caller has handed in may panic, or end the goroutine,
// wherever it is called: the node fails with that as its error, nobody waits any more,
// and the panic goes no further.
func TestS22Callers(t *testing.T) {
	// Each sets an option so that it calls fn, once it is armed, in the situation.
	hooks := map[string]func(o *pipeproc.Options, fn func(what string)){
		"clock": func(o *pipeproc.Options, fn func(string)) {
			o.Clock = func() time.Time { fn("clock"); return time.Now() }
		},
		"event":  func(o *pipeproc.Options, fn func(string)) { o.OnEvent = func(e pipeproc.Event) { fn(string(e.Kind)) } },
		"logger": func(o *pipeproc.Options, fn func(string)) { o.Logger = slog.New(handler{fn}) },
	}
	type situation struct {
		hooks string // those that are called then
		run   func(n *lab) error
	}
	situations := map[string]situation{
		"commit": {"clock", func(n *lab) error {
			_, err := n.Commit(n.t.Context(), pipeproc.Record{Topic: "t"})
			return err
		}},
		"create":     {"clock", func(n *lab) error { return n.CreateTopic(n.t.Context(), "new", pipeproc.TopicOptions{}) }},
		"stats":      {"clock", func(n *lab) error { return n.Stats().Err }},
		"checkpoint": {"event logger", func(n *lab) error { _ = n.Checkpoint(n.t.Context()); return n.Err() }},
		"collection": {"clock event logger", func(*lab) error { pass(2 * time.Hour); return nil }},
		"keeper": {"event logger", func(n *lab) error {
			for range 40 {
				_, _ = n.Commit(n.t.Context(), pipeproc.Record{Topic: "t", Body: make([]byte, 32<<10)})
			}
			return n.Sync(n.t.Context())
		}},
		"claim timeout": {"clock event logger", func(n *lab) error {
			_ = n.CreateTopic(n.t.Context(), "u", pipeproc.TopicOptions{})
			pass(time.Minute)
			return nil
		}},
	}
	for name, hook := range hooks {
		for where, s := range situations {
			if !strings.Contains(s.hooks, name) {
				continue
			}
			for _, how := range []string{"panic", "error", "goexit"} {
				t.Run(name+"/"+where+"/"+how, func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						var armed atomic.Bool
						o := pipeproc.Options{WALSize: 64 << 10, GC: &pipeproc.GCOptions{Interval: time.Hour}}
						hook(&o, func(string) {
							if !armed.Load() {
								return
							}
							switch how {
							case "panic":
								panic("boom")
							case "error":
								panic(errBoom)
							}
							runtime.Goexit()
						})
						n := openFails(t, vfs.NewMem(), o)
						n.commit("t", "0")
						n.claim(pipeproc.ProcOptions{Name: "p", Topic: "t", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 30 * time.Second}})
						n.commit("old", "0")
						var waits sync.WaitGroup
						waits.Go(func() { _ = n.WaitForProcs(t.Context()) })
						armed.Store(true)
						var err error
						waits.Go(func() { err = errors.New("not returned"); err = s.run(n) }) // Goexit would end the test
						waits.Wait()
						synctest.Wait()
						armed.Store(false)
						said := n.Err()
						if !errors.Is(said, pipeproc.ErrLogFailed) || how == "error" && !errors.Is(said, errBoom) ||
							how == "panic" && !strings.Contains(said.Error(), "boom") {
							t.Fatalf("Err is %v; the call returned %v", said, err)
						}
						if _, err := n.Commit(t.Context(), pipeproc.Record{Topic: "t"}); !errors.Is(err, pipeproc.ErrLogFailed) {
							t.Errorf("a later commit: %v", err)
						}
						if l, err := n.Length(t.Context(), "old"); l != 1 || err != nil {
							t.Errorf("reading: %d, %v", l, err)
						}
						if err := n.Close(); !errors.Is(err, pipeproc.ErrLogFailed) {
							t.Errorf("Close: %v", err)
						}
					})
				})
			}
		}
	}
}

// openFails is openOn for a node that may fail to close.
func openFails(t *testing.T, fs vfs.FS, o pipeproc.Options) *lab {
	t.Helper()
	o.FS = fs
	n, err := pipeproc.Open("store", &o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return &lab{n, t}
}

// TestS22ManyWait: when the clock panics under a group of commits, all of them return,
// and what was acknowledged is there afterwards.
func TestS22ManyWait(t *testing.T) {
	disk := vfs.NewMem()
	var calls atomic.Int64
	n := openFails(t, disk, pipeproc.Options{Clock: func() time.Time {
		if calls.Add(1) == 100 {
			panic("boom")
		}
		return time.Now()
	}})
	var acked atomic.Int64
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for {
				_, err := n.Commit(t.Context(), pipeproc.Record{Topic: "t"})
				if err != nil {
					if !errors.Is(err, pipeproc.ErrLogFailed) {
						t.Errorf("commit: %v", err)
					}
					return
				}
				acked.Add(1)
			}
		})
	}
	wg.Wait()
	if err := n.Close(); !errors.Is(err, pipeproc.ErrLogFailed) {
		t.Errorf("Close: %v", err)
	}
	n = openFails(t, disk, pipeproc.Options{})
	if l, err := n.Length(t.Context(), "t"); err != nil || int64(l) != acked.Load() {
		t.Errorf("%d records of %d acknowledged, %v", l, acked.Load(), err)
	}
}

// TestS22Open: a clock that panics while a store is being opened fails Open.
func TestS22Open(t *testing.T) {
	_, err := pipeproc.OpenMemory(&pipeproc.Options{Clock: func() time.Time { panic(errBoom) }})
	if !errors.Is(err, errBoom) {
		t.Errorf("Open: %v", err)
	}
}
