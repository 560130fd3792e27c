//go:build mutate_snapsync

package mutate

// SkipSnapshotSync leaves out the sync of a snapshot file.
const SkipSnapshotSync = true
