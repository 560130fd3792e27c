// Package mutate holds the rules that the engine's promises rest on and that a
// test build can remove, one by one: a suite that cannot fail proves nothing.
//
// In a normal build each rule is a constant that is false, so that the removal is
// compiled out. A build with the tag mutate has variables in their place, and
// removes the rules that the environment names, separated by commas:
//
//	PIPEPROC_MUTATE=walsync go test -count=1 -tags mutate -run TestMutantWALSync ./...
//
// Without -count=1 go test may answer with the result of another rule: it does not
// see that the variable is read. Processes that a test starts inherit it.
//
// TestMutants in this folder removes each rule in turn and sees its test fail. A
// new rule is a line in rules.go, one in rules_mutate.go and one in that test.
package mutate

import "runtime"

// Env is the environment variable that names the rules to remove. Only a build with
// the tag mutate reads it.
const Env = "PIPEPROC_MUTATE"

// Pause lets other goroutines see what a removed rule lets them see for a moment
// only. Nothing calls it in a normal build.
func Pause() {
	for range 100 {
		runtime.Gosched()
	}
}
