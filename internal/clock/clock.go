// Package clock tells the time of day cheaply.
package clock

import (
	"sync/atomic"
	"time"
)

// maxAge is how long a reading of the wall clock is used. Readings that are further
// apart are independent of each other.
const maxAge = 40 * time.Millisecond

// Clock tells the time of day. It extrapolates a reading of the wall clock with
// the monotonic clock, since reading both takes twice as long and each commit
// needs the time. It follows changes of the wall clock within maxAge.
type Clock struct {
	start time.Time
	unix  atomic.Int64 // what the wall clock said at start, by its last reading, in nanoseconds
	read  atomic.Int64 // when that was, in nanoseconds since start
}

// New returns a clock that is right from its first reading on.
func New() *Clock {
	c := &Clock{start: time.Now()}
	c.unix.Store(c.start.UnixNano())
	return c
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	unix, _ := c.nanos()
	return time.Unix(0, unix)
}

// Read returns the time in unix milliseconds, and how much time has elapsed since the
// clock was made.
func (c *Clock) Read() (ms int64, elapsed time.Duration) {
	unix, since := c.nanos()
	return unix / 1e6, time.Duration(since)
}

// nanos is Read in nanoseconds.
func (c *Clock) nanos() (unix, since int64) {
	since = int64(time.Since(c.start)) // the monotonic clock
	if since-c.read.Load() >= int64(maxAge) {
		now := time.Now()
		since = int64(now.Sub(c.start))
		c.unix.Store(now.UnixNano() - since)
		c.read.Store(since)
	}
	return c.unix.Load() + since, since
}
