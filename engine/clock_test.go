package engine

import (
	"math/rand/v2"
	"testing"
	"time"
)

// seconds after the first reading at which there is another, what the clock says then,
// and what the store's time is then, in seconds after the newest command.
type clockStep struct{ at, wall, want float64 }

const (
	day  = 86400
	year = 365 * day
)

// TestClockSteps has the rules of the store's time.
func TestClockSteps(t *testing.T) {
	for name, steps := range map[string][]clockStep{
		"right":          {{1, 1, 1}, {2.5, 2.5, 2.5}, {3600, 3600, 3600}},
		"stands still":   {{1, 0, 0}, {1, 0, 0}, {2, 0, 0}},
		"a bit ahead":    {{1, 61, 61}, {2, 62, 62}},
		"a bit back":     {{16, 16, 16}, {32, 12, 31}, {48, 28, 46}, {48 + 16*18, 28 + 16*18, 28 + 16*18}},
		"one wrong":      {{1, 70 * year, 1}, {2, 2, 2}, {3, 3, 3}},
		"wrong for long": {{1, 70 * year, 1}, {1.9, 70*year + .9, 1.9}, {2, 2, 2}},
		"wrong now and then": {
			{1, 70 * year, 1}, {2, 2, 2}, {3, 70 * year, 3}, {4, 4, 4}, {5, 70 * year, 5}, {6, 6, 6}},
		"two wrong, of which one less":      {{1, 70 * year, 1}, {2, day, day}, {3, day + 1, day + 1}},
		"asleep for a day":                  {{1, day + 1, 1}, {1.5, day + 1.5, 1.5}, {2, day + 2, day + 2}, {3, day + 3, day + 3}},
		"asleep, after a wrong one":         {{1, 70 * year, 1}, {2, day + 2, day + 2}},
		"asleep, before a wrong one":        {{1, day + 1, 1}, {2, 70 * year, day + 2}, {3, day + 3, day + 3}},
		"asleep twice":                      {{1, day + 1, 1}, {2, 3*day + 2, day + 2}, {3, 3*day + 3, 3*day + 3}},
		"one far back":                      {{16, 16, 16}, {32, -50 * year, 31}, {33, 33, 33}},
		"years behind":                      {{16, 16, 16}, {32, -50 * year, 31}, {48, -50*year + 16, 46}, {16032, -50*year + 16000, 15031}},
		"beyond what the format has":        {{16, 9000 * year, 15}, {32, 9000*year + 16, 30}},
		"elapsed goes back, as it must not": {{5, 5, 5}, {4, 5, 5}, {6, 6, 6}},
	} {
		t.Run(name, func(t *testing.T) {
			const floor = 1_700_000_000_000
			r := func(at, wall float64) reading {
				return reading{wall: floor + int64(wall*1000), elapsed: time.Hour + time.Duration(at*float64(time.Second))}
			}
			c := firstClock(floor, r(0, 0), clockBounds)
			for i, s := range steps {
				c = c.next(r(s.at, s.wall), clockBounds)
				if got := float64(c.ms-floor) / 1000; got != s.want {
					t.Fatalf("step %d: at %v the clock says %v: time is %v, want %v", i, s.at, s.wall, got, s.want)
				}
			}
		})
	}
}

// TestClockOpened: what has elapsed since the newest command is unknown then.
func TestClockOpened(t *testing.T) {
	const floor, ms50 = 1_700_000_000_000, 50 * time.Millisecond
	b := clockBounds
	b.again = b.atOpen
	for name, c := range map[string]struct {
		floor         int64
		first, second reading
		want          int64
	}{
		"at once":               {floor, reading{floor + 10, 0}, reading{floor + 11, time.Millisecond}, floor + 11},
		"after a week":          {floor, reading{floor + 7*day*1000, 0}, reading{floor + 7*day*1000 + 50, ms50}, floor + 7*day*1000 + 50},
		"the first is wrong":    {floor, reading{floor + year*1000, 0}, reading{floor + 50, ms50}, floor + 50},
		"the second is wrong":   {floor, reading{floor, 0}, reading{floor + year*1000, ms50}, floor + 50},
		"both too soon":         {floor, reading{floor + year*1000, 0}, reading{floor + year*1000, ms50 - 1}, floor + 49},
		"the clock is behind":   {floor, reading{5, 0}, reading{55, ms50}, floor + 46},
		"new":                   {0, reading{floor, 0}, reading{floor + 1, time.Millisecond}, floor + 1},
		"new, the first wrong":  {0, reading{floor + year*1000, 0}, reading{floor + 1, time.Millisecond}, floor + 1},
		"new, the second wrong": {0, reading{floor, 0}, reading{floor + year*1000, time.Millisecond}, floor + 1},
	} {
		if got := firstClock(c.floor, c.first, b).next(c.second, b); got.ms != c.want {
			t.Errorf("%s: %d, want %d", name, got.ms-c.want, 0)
		}
	}
}

// TestClockRandom: time never goes back, and never faster than the least that two
// readings in a row support, or a minute more than what has elapsed.
func TestClockRandom(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		c := firstClock(1_700_000_000_000, reading{wall: 1_700_000_000_000}, clockBounds)
		var elapsed time.Duration
		off, wrong := int64(0), int64(0)
		for range 500 {
			ran := time.Duration(rng.Int64N(int64(3 * time.Second)))
			elapsed += ran
			last := wrong
			if wrong = 0; last == 0 && rng.IntN(3) == 0 { // never twice in a row
				wrong = rng.Int64N(year*1000) - year*500
			}
			if rng.IntN(10) == 0 {
				off += rng.Int64N(20) - 10
			}
			before := c.ms
			r, quick := reading{1_700_000_000_000 + elapsed.Milliseconds() + off + wrong, elapsed}, c
			quick.claim = reading{}
			c = c.next(r, clockBounds)
			if quick.usual(r, clockBounds) && quick != c {
				t.Fatalf("seed %d: %+v in place, else %+v", seed, quick, c)
			}
			if c.ms < before {
				t.Fatalf("seed %d: back by %d", seed, before-c.ms)
			}
			if ahead := c.ms - 1_700_000_000_000 - elapsed.Milliseconds(); ahead > 60_000+5000 {
				t.Fatalf("seed %d: %d ms ahead", seed, ahead)
			}
		}
	}
}
