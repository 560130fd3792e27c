// Package linear checks that operations on procs, made by many clients at once, are
// linearizable: that each takes effect at one moment between its call and its
// return, as if they had been made one after the other. The one exception is
// AckCommit: its records can be seen a moment before the acknowledgement.
//
//	go test -race ./tests/linear
//	go test ./tests/linear -linear.ops 200000 -linear.clients 16
//	go test ./tests/linear -run TestLinearizable -linear.seed 7
//
// A seed gives the same operations, not the same order of them. TestRejects, and
// the mutants of package internal/mutate, show that the check can fail.
package linear
