package rules

import "runtime"

// allocs returns the allocations per run of fn, with its fraction, of the whole
// process: background work counts.
func allocs(runs int, fn func()) float64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		fn()
	}
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs-before.Mallocs) / float64(runs)
}
