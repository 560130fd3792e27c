package pipeproc

import (
	"sync/atomic"
	"time"
)

// clockAge is for how long a reading of the wall clock is good.
const clockAge = 100 * time.Millisecond

// clock tells the time of day. It goes on from a reading of the wall clock with the
// monotonic one, since reading both takes twice as long, and each commit asks. A
// wall clock that is set is followed within clockAge.
type clock struct {
	start time.Time
	unix  atomic.Int64 // what the wall clock said at start, by its last reading, in nanoseconds
	read  atomic.Int64 // when that was, in nanoseconds since start
}

func newClock() *clock {
	c := &clock{start: time.Now()}
	c.unix.Store(c.start.UnixNano())
	return c
}

func (c *clock) now() time.Time {
	since := int64(time.Since(c.start)) // the monotonic clock
	if since-c.read.Load() >= int64(clockAge) {
		now := time.Now()
		since = int64(now.Sub(c.start))
		c.unix.Store(now.UnixNano() - since)
		c.read.Store(since)
	}
	return time.Unix(0, c.unix.Load()+since)
}
