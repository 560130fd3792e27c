//go:build mutate_snaproom

package mutate

// SkipSnapshotRoom makes topics without room for them in the next snapshot.
const SkipSnapshotRoom = true
