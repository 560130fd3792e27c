//go:build !mutate_recycle

package mutate

// SkipRecycleRule recycles WAL files before the checkpoint that covers them is durable.
const SkipRecycleRule = false
