// Package engine runs one store: it owns the write-ahead log, the function that
// applies commands to the state, the checkpoint, the snapshot and recovery, and
// drives the state machines below it, of which package topics is the first.
//
// It promises what DESIGN.md lists: the order validate, reserve, WAL, sync,
// apply, publish, acknowledge; that a failed sync is the end of acknowledging;
// and that opening a directory after any crash gives the state after a prefix of
// its commands, all durable ones included.
//
// It does not shape the interface that applications use; that is the root
// package, which also fills in defaults.
package engine
