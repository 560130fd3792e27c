// Package mutate holds one constant per rule that the engine's promises rest
// on. All are false. A build with the tag mutate_NAME turns one on, which
// removes that rule, and a named test must then fail: a suite that cannot fail
// proves nothing. TestMutants in this folder runs them all.
package mutate

import "runtime"

// Pause lets other goroutines see what a removed rule lets them see for a moment
// only. Nothing calls it in a build without tags.
func Pause() {
	for range 100 {
		runtime.Gosched()
	}
}
