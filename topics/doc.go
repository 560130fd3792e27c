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
// # Words
//
//   - position: the number of a command in the log. A sequence numbers the records of a
//     topic; an offset counts bytes of a segment file.
//   - leader: the goroutine that is committing. It stages a command (checks it), applies
//     it to the state once it is in the WAL, and publishes it to readers.
//   - slot: the part of a batch that goes to one topic. A cut ends each block's records.
//   - plan: where the blocks of a staged batch will go, with the space reserved.
//   - growing, sealed: a segment that still takes blocks, and one with its footer.
//   - place: a hash of a segment's store, topic and number, mixed into its checksums.
//   - tail: the newest bytes of a segment, in memory; those before flushed are in its file.
//   - hot, lagging: a tail large enough for the keeper, or even the leader, to write it.
//   - dirty: a segment whose file has unsynced writes.
//   - carry: put a small tail into the snapshot instead of its file. While a checkpoint
//     does so, the segment is pinned: its tail is not written.
//   - keep: put what a file lacks into the snapshot, because the file cannot be used.
//     The topic is damaged, or stuck: damaged until a checkpoint can write the file.
//   - points: where blocks of a growing segment begin; its footer is made of them.
//   - dead: pruned, with a file that a checkpoint has yet to unlink.
//   - spare: memory of released tails that is kept for new ones.
//   - ahead: blocks that a scan's unpacker decompresses before the cursor needs them.
//
// The version of the module covers of this package only ConflictError and PrunedError,
// which covered packages name in their signatures.
package topics
