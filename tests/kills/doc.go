// Package kills holds tests of whole stores under the faults of real
// processes and disks: a process killed while it commits, a directory that is
// held, read-only, of another version or full of garbage, flipped bytes, a full
// disk. It has no code of its own.
//
// Tests that need root, a mount or another privilege skip with a reason; with
// PIPEPROC_CI=1 they fail instead.
package kills
