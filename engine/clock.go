package engine

import (
	"fmt"
	"math"
	"time"

	"github.com/pipeproc/pipeproc/internal/mutate"
)

// The store's time. It is decided once for each group of commands, and is in them:
// staging and replay look at no clock. Collections, waits, windows and what an import
// may claim go by it as well.
//
// The clock on the wall can be wrong: before NTP has set it, after a battery has died,
// or for one reading. So it is checked against elapsed time, which never jumps.
//   - A reading up to bounds.ahead beyond what has elapsed is the time.
//   - One further ahead is not believed before another, at least bounds.again later, says
//     the same. Then as much is believed as both support. So one wrong reading moves
//     nothing, and a machine that was asleep is right a second after it woke.
//   - If the clock is behind, time goes on by 15/16 of what elapses. Ids never go back,
//     retention and waits still work in a store that is years ahead, and the clock
//     catches up.

// reading is what the clocks say at one moment.
type reading struct {
	wall    int64         // the time of day, in unix milliseconds
	elapsed time.Duration // since a fixed moment
}

// bounds are what a clock may do without being doubted.
type bounds struct {
	ahead  time.Duration // how far a reading may be ahead of what has elapsed
	again  time.Duration // how long after a reading that is further ahead another must support it
	atOpen time.Duration // the same at Open, where what has elapsed is unknown
}

// clockBounds: a minute is more than any correction by NTP of a clock that was right, and
// less than any retention that matters. Two readings of clock.Clock that are 50 ms apart
// are two readings of the system's clock.
var clockBounds = bounds{ahead: time.Minute, again: time.Second, atOpen: 50 * time.Millisecond}

// maxTime is the largest time that the format can hold: topics.CheckTime.
const maxTime = 1<<47 - 1

// storeClock is the store's time as of one reading.
type storeClock struct {
	ms   int64         // unix milliseconds
	part time.Duration // below a millisecond, while time goes on by what elapses
	at   time.Duration // elapsed at that reading
	// doubted is set while readings are too far ahead. claim is the first of them, and
	// as low as later ones make it.
	doubted bool
	claim   reading
	fresh   bool // the store has no time yet that could go on: the next reading decides
}

// firstClock returns the clock of a store whose newest command has the time floor, 0 if
// it has none, as of one reading.
func firstClock(floor int64, r reading, b bounds) storeClock {
	return storeClock{ms: floor, at: r.elapsed, fresh: floor == 0}.next(r, b)
}

// next returns the clock as of another reading.
func (c storeClock) next(r reading, b bounds) storeClock {
	ran := max(r.elapsed-c.at, 0)
	c.at += ran
	if c.fresh && (r.wall < 0 || r.wall > maxTime) {
		return c // now says what the clock says, and commands are refused
	}
	switch ahead := r.wall - c.ms; {
	case ahead < 0 || r.wall > maxTime:
		c.doubted = false
		return c.run(ran - ran/16)
	case ahead <= (ran+b.ahead).Milliseconds() || mutate.BelieveClock:
		return c.believe(r.wall)
	}
	return c.run(ran).doubt(r, b)
}

// usual is next in place for a reading that is as it should be, and reports whether it is.
func (c *storeClock) usual(r reading, b bounds) bool {
	if c.doubted || c.fresh || r.wall < c.ms || r.wall-c.ms > b.ahead.Milliseconds() || r.wall > maxTime || r.elapsed < c.at {
		return false
	}
	c.ms, c.part, c.at = r.wall, 0, r.elapsed
	return true
}

// run lets time go on.
func (c storeClock) run(d time.Duration) storeClock {
	d += c.part
	c.ms = min(c.ms+d.Milliseconds(), maxTime)
	c.part = d % time.Millisecond
	return c
}

// doubt deals with a reading that is too far ahead.
func (c storeClock) doubt(r reading, b bounds) storeClock {
	if !c.doubted {
		c.doubted, c.claim = true, r
		return c
	}
	since := r.elapsed - c.claim.elapsed
	c.claim.wall = min(c.claim.wall, r.wall-since.Milliseconds())
	if since < b.again && !c.fresh {
		return c
	}
	if supported := c.claim.wall + since.Milliseconds(); supported > c.ms {
		c = c.believe(supported)
	}
	c.doubted, c.claim = r.wall-c.ms > b.ahead.Milliseconds(), r
	return c
}

// believe makes ms the time.
func (c storeClock) believe(ms int64) storeClock { return storeClock{ms: ms, at: c.at} }

// read reads the clocks. If that panics, the node has failed and the result means nothing.
func (e *Engine) read() reading {
	if e.cfg.Read != nil {
		wall, elapsed := e.cfg.Read()
		return reading{wall, elapsed}
	}
	return e.readCallers()
}

// readCallers reads the caller's clock.
func (e *Engine) readCallers() (r reading) {
	returned := false
	defer e.caught("Options.Clock", &returned)
	r = reading{wall: e.cfg.Clock().UnixMilli(), elapsed: e.cfg.Elapsed()}
	returned = true
	return r
}

// openClock sets the clock once everything is replayed. first is a reading from the
// beginning of Open. If it is ahead of the last command, as after a night in which the
// store was closed, another one must support it.
func (e *Engine) openClock(first reading) {
	b, floor := clockBounds, e.reg.TimeFloor()
	b.again = b.atOpen
	e.clock = firstClock(floor, first, b)
	if e.readOnly != nil || !e.clock.doubted || e.clock.fresh {
		return
	}
	r := e.read()
	if wait := b.atOpen - (r.elapsed - first.elapsed); wait > 0 && r.wall-floor > b.ahead.Milliseconds() {
		time.Sleep(wait)
		r = e.read()
	}
	e.clock = e.clock.next(r, b)
	e.tellClock(r, false)
}

// now returns the store's time, in unix milliseconds, and what the clock says. The
// caller holds commitMu.
func (e *Engine) now() (ms, wall int64) {
	r := e.read()
	if e.clock.usual(r, clockBounds) {
		return r.wall, r.wall
	}
	doubted := e.clock.doubted
	e.clock = e.clock.next(r, clockBounds)
	if e.clock.fresh {
		return r.wall, r.wall
	}
	if e.clock.doubted || r.wall < e.clock.ms {
		e.tellClock(r, doubted)
	}
	return e.clock.ms, r.wall
}

// time is now for others than the commit leader.
func (e *Engine) time() (ms, wall int64) {
	e.commitMu.Lock()
	defer e.commitMu.Unlock()
	return e.now()
}

// How long after it was told before the same is told again.
const (
	tellDoubt = time.Minute
	tellAhead = time.Hour
)

// tellClock reports that a reading was not believed, and that the store is far ahead of
// the clock. doubted says whether readings were not believed before this one either.
func (e *Engine) tellClock(r reading, doubted bool) {
	tell := func(last *time.Duration, wait time.Duration, format string, by int64) {
		if *last != 0 && r.elapsed-*last < wait || e.failed.Load() != nil {
			return
		}
		*last = max(r.elapsed, 1)
		err := fmt.Errorf(format, time.UnixMilli(r.wall).UTC().Format(time.RFC3339), millis(by))
		e.cfg.Logger.Warn("pipeproc: the clock", "err", err)
		e.event(Event{Kind: EventClock, Err: err})
	}
	switch ahead := e.clock.ms - r.wall; {
	case e.clock.doubted && !doubted:
		tell(&e.toldDoubt, tellDoubt, "the clock says %s, %v more than has elapsed; that is not believed before it is seen again", -ahead)
	case ahead > clockBounds.ahead.Milliseconds():
		tell(&e.toldAhead, tellAhead, "the clock says %s, and the store's newest time is %v ahead of that; its time goes on by what elapses until the clock has caught up", ahead)
	}
}

// millis returns ms milliseconds, or the longest duration there is.
func millis(ms int64) time.Duration {
	const most = math.MaxInt64 / int64(time.Millisecond)
	return time.Duration(min(max(ms, -most), most)) * time.Millisecond
}
