//go:build !mutate_framesum

package mutate

// SkipFrameSum leaves out the check of WAL frame checksums.
const SkipFrameSum = false
