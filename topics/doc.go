// Package topics holds the state of all topics of a store and reads from it.
//
// It is a state machine: Stage… validates a command against the applied state
// and the commands in flight, Apply… applies it and cannot fail, and snapshots
// capture and restore the state. Applying reads no clock and no option. Records
// stay in memory (in tails) until the engine's checkpoint writes them to segment
// files.
//
// Stage, Apply, Capture and Abort belong to one goroutine at a time, the commit
// leader; WriteBack and Done belong to the checkpoint, FlushHot to one goroutine.
// Readers, that is Topic's methods, cursors and getters, are safe from any
// goroutine and never make the leader wait for I/O.
//
// The package does not decide what is durable. It knows neither the write-ahead
// log nor its callers.
//
// The version of the module covers of this package only ConflictError and PrunedError,
// which covered packages name in their signatures.
package topics
