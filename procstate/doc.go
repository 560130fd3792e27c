// Package procstate is the state machine of procs: persisted consumers that
// claim records of a topic, acknowledge them or give them back, and of the
// definitions of system procs, which tell a pool of workers what to run.
//
// It validates proposals against the state including everything in flight
// (Stage), applies what was decided (Apply), makes it visible (Publish), and
// encodes itself for commands and snapshots. The outcome of a proposal is
// decided when it is staged; a command holds the resulting state, so that
// applying needs no clock, no options and no topic.
//
// It knows no topics, no files and no timers: its caller resolves offsets to
// sequences, determines the records of a claim, and proposes a reclaim when a
// claim has timed out.
package procstate
