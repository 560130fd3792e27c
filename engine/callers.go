package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/wal"
)

// What the caller hands in (the clock, the event hook, the log's handler) is called with
// locks held, and on goroutines that nobody waits for. If it panics, or ends the
// goroutine, the node fails with that as its error, everything that waits is let go, and
// no lock stays held: the panic goes no further than the call. What panics elsewhere, as
// in a file system of the caller, is caught where a goroutine begins its work.

// panicked is a panic as an error.
type panicked struct {
	where string
	value any
	stack []byte
}

func (p *panicked) Error() string {
	return fmt.Sprintf("%s panicked: %v\n%s", p.where, p.value, p.stack)
}

// Unwrap returns the value, if it is an error.
func (p *panicked) Unwrap() error {
	err, _ := p.value.(error)
	return err
}

// caught is to be deferred: if the function that defers it has not set returned, the node
// fails. A panic ends here; Goexit goes on, and runs what else is deferred.
func (e *Engine) caught(where string, returned *bool) {
	if !*returned && !mutate.LetPanic {
		e.panicked(where, notReturned(recover()))
	}
}

// panicked fails the node because of a panic.
func (e *Engine) panicked(where string, v any) {
	e.fail(errs.Failed.Wrap(&panicked{where, v, stack()}, "something that the node calls has panicked, so nothing more is acknowledged; close the node and open it again"), nil)
}

// run calls work, and fails the node if it does not return.
func (e *Engine) run(where string, work func()) {
	returned := false
	defer e.caught(where, &returned)
	work()
	returned = true
}

// notReturned says why a function has not returned: with a panic, or with Goexit, as by
// FailNow of a test.
func notReturned(v any) any {
	if v == nil {
		return errors.New("the goroutine was ended")
	}
	return v
}

// leadSafely is lead, and releases the batch whatever happens. Of a command that was
// neither refused nor made visible nobody knows what became of it.
func (e *Engine) leadSafely(batch []*wal.Ticket[*Request]) {
	returned := false
	defer func() {
		if returned {
			return
		}
		e.panicked("a commit", notReturned(recover()))
		for _, t := range batch {
			if r := t.Value; r.err == nil && (r.Position == 0 || r.Position > e.reg.Published()) {
				r.err = errs.OutcomeUnknown.Wrap(*e.failed.Load(), "the commit was interrupted; open the node again to see whether it survived")
			}
		}
	}()
	e.lead(batch)
	returned = true
}

// event tells the caller of an event.
func (e *Engine) event(ev Event) {
	if e.cfg.Event != nil {
		e.run("Options.OnEvent", func() { e.cfg.Event(ev) })
	}
}

// guardLogger has panics of the log's handler fail the node.
func (e *Engine) guardLogger() { e.cfg.Logger = slog.New(&guarded{e.cfg.Logger.Handler(), e}) }

// guarded is the caller's handler.
type guarded struct {
	h slog.Handler
	e *Engine
}

func (g *guarded) Enabled(ctx context.Context, l slog.Level) (on bool) {
	g.e.run("the handler of Options.Logger", func() { on = g.h.Enabled(ctx, l) })
	return on
}

func (g *guarded) Handle(ctx context.Context, r slog.Record) (err error) {
	g.e.run("the handler of Options.Logger", func() { err = g.h.Handle(ctx, r) })
	return err
}

func (g *guarded) WithAttrs(as []slog.Attr) slog.Handler { return &guarded{g.h.WithAttrs(as), g.e} }

func (g *guarded) WithGroup(name string) slog.Handler { return &guarded{g.h.WithGroup(name), g.e} }

// stack returns what the goroutine is doing.
func stack() []byte {
	b := make([]byte, 8<<10)
	return b[:runtime.Stack(b, false)]
}
