// Package mutate holds one constant per rule that the engine's promises rest
// on. All are false. A build with the tag mutate_NAME turns one on, which
// removes that rule, and a named test must then fail: a suite that cannot fail
// proves nothing. TestMutants in this folder runs them all.
package mutate
