// Package topics is the state of all topics of a store, and reads from it.
//
// As a state machine it validates commands (Stage…) against the applied state
// and what is in flight, applies them (Apply…), which cannot fail, and is
// captured into and restored from snapshots. It reads no clock and no option
// while it applies. Records are in memory (tails) until the engine's checkpoint
// has them written to segment files.
//
// Stage, Apply, Capture and Abort belong to one goroutine at a time, the commit
// leader; Flush and Done to the checkpoint; FlushHot to one goroutine. Everything that reads,
// Topic's methods, cursors, getters, is safe from any goroutine and never makes
// the leader wait for I/O.
//
// It does not decide what is durable, and knows neither the write-ahead log nor
// who calls it.
//
// The version of the module covers of this package only ConflictError and PrunedError,
// which covered packages name in their signatures.
package topics
