package clock

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestClock: the clock goes between its readings of the wall clock, which it follows
// when that one was set.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New()
		now := func(want time.Duration) {
			t.Helper()
			if off := time.Until(c.Now()); off != want {
				t.Errorf("the clock is %v ahead, not %v", off, want)
			}
		}
		for _, d := range []time.Duration{0, 1, time.Millisecond, maxAge / 2, maxAge - 1, maxAge, time.Hour} {
			time.Sleep(d)
			now(0)
		}
		c.unix.Add(int64(time.Hour)) // as if the wall clock had been set back by that since
		now(time.Hour)
		time.Sleep(maxAge)
		now(0)
	})
}

func BenchmarkClock(b *testing.B) {
	c := New()
	for b.Loop() {
		c.Now()
	}
}

func BenchmarkTimeNow(b *testing.B) {
	for b.Loop() {
		_ = time.Now()
	}
}
