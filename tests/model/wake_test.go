package model

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc"
)

// What the node does by itself about procs, which the model has to know of.
//
// Timeouts of claims and waits before a retry measure real time while a node is
// open, and are an hour or more here, so that nothing happens then. What of them
// is left at opening goes by the clock. The clock jumps by multiples of two days
// and drifts by seconds, so that the rest is either nothing or far away.

const (
	never  = -1
	hour   = time.Hour
	twoDay = 48 * 3600 * 1000 // milliseconds
)

// byHand keeps the node from collecting by itself.
var byHand = &pipeproc.GCOptions{Interval: 1000 * time.Hour}

// tokens are those that were ever given, each for one claim.
type tokens struct {
	seen map[pipeproc.Token]bool
	list []pipeproc.Token
}

// add notes a new token. No token is given twice, whatever crashed in between.
func (k *tokens) add(t pipeproc.Token) error {
	if t == (pipeproc.Token{}) || k.seen[t] {
		return fmt.Errorf("token %v was given before", t)
	}
	if k.seen == nil {
		k.seen = map[pipeproc.Token]bool{}
	}
	k.seen[t] = true
	k.list = append(k.list, t)
	return nil
}

// waits are what the model knows of the timers of one life of a node.
type waits struct {
	freed map[string]int64          // retries whose time had come at opening
	late  map[string]pipeproc.Token // claims of disabled procs whose time was up
}

// opening is what a node says of its opening, and of timeouts.
type opening struct {
	found    atomic.Int64 // the position that Open found
	timeouts chan string  // procs whose claim the node took back
}

func newOpening() *opening { return &opening{timeouts: make(chan string, 100)} }

// event takes note of what the node says.
func (o *opening) event(ev pipeproc.Event) {
	switch ev.Kind {
	case pipeproc.EventOpened:
		o.found.Store(int64(ev.Position))
	case pipeproc.EventClaimTimeout:
		o.timeouts <- ev.Name
	}
}

// timedOut waits until the node has taken back the claim of a proc.
func (o *opening) timedOut(name string) error {
	timer := time.NewTimer(30 * time.Second)
	defer timer.Stop()
	select {
	case got := <-o.timeouts:
		if got != name {
			return fmt.Errorf("the claim of %q timed out, want that of %q", got, name)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("the claim of %q did not time out", name)
	}
}

// wake brings the model to what follows from opening.
func (w *world) wake() {
	now := w.now()
	for _, c := range w.st.wakes(now) {
		for _, k := range c.procs {
			w.count(map[bool]string{true: "claim ended at open", false: "ephemeral proc ended"}[k.st != nil])
		}
		w.cmds = append(w.cmds, *c)
		w.st.apply(c)
	}
	w.waits = waits{map[string]int64{}, map[string]pipeproc.Token{}}
	for name, p := range w.st.procs {
		if p.retryAt > 0 && min(max(p.retryAt-now, 0), p.delay(p.reclaims).Milliseconds()) == 0 {
			w.waits.freed[name] = p.retryAt
		}
		if p.disabled && p.due(now) {
			w.waits.late[name] = p.token
		}
	}
}

// late has the next opening come when the time of all claims, and of all waits
// before a retry, is up.
func (w *world) late() error {
	name := w.someProc()
	if err := w.claimFor(name); err != nil {
		return err
	}
	if w.rng.IntN(3) == 0 {
		if err := w.disableFor(name); err != nil {
			return err
		}
	}
	w.clock.ms.Add(twoDay)
	if w.rng.IntN(2) == 0 {
		return w.reopen()
	}
	return w.crash(w.rng.IntN(2) == 0)
}

// held reports whether a proc waits before a retry.
func (w *world) held(p *procState) bool {
	return p.retryAt != 0 && w.waits.freed[p.name] != p.retryAt
}
