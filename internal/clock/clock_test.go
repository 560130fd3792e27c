package pipeproc

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestClock: the clock goes between its readings of the wall clock, which it follows
// when that one was set.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock()
		now := func(want time.Duration) {
			t.Helper()
			if off := time.Until(c.now()); off != want {
				t.Errorf("the clock is %v ahead, not %v", off, want)
			}
		}
		for _, d := range []time.Duration{0, 1, time.Millisecond, clockAge / 2, clockAge - 1, clockAge, time.Hour} {
			time.Sleep(d)
			now(0)
		}
		c.unix.Add(int64(time.Hour)) // as if the wall clock had been set back by that since
		now(time.Hour)
		time.Sleep(clockAge)
		now(0)
	})
}

func BenchmarkClock(b *testing.B) {
	c := newClock()
	for b.Loop() {
		c.now()
	}
}

func BenchmarkTimeNow(b *testing.B) {
	for b.Loop() {
		_ = time.Now()
	}
}
