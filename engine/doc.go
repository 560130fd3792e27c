// Package engine runs one store: it owns the write-ahead log, the function that
// applies commands to the state, the checkpoint, the snapshot and recovery, and
// drives the state machines below it: topics, procs, retention and replies.
//
// It promises what DESIGN.md lists: the order validate, reserve, WAL, sync, apply,
// publish, acknowledge; that nothing is acknowledged after a failed sync; and that
// opening a directory after any crash restores the state after a prefix of its
// commands, all durable ones included.
//
// It does not define the interface that applications use. That is the root package,
// which also fills in the defaults.
//
// The version of the module does not cover this package.
package engine
