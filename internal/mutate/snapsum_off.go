//go:build !mutate_snapsum

package mutate

// SkipSnapshotSum leaves out the check of snapshot checksums.
const SkipSnapshotSum = false
