//go:build !mutate_segsync

package mutate

// SkipSegmentSync leaves out the sync of segment files at a checkpoint.
const SkipSegmentSync = false
