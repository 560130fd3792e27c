//go:build !mutate_bodysum

package mutate

// SkipBodySum leaves out the check of body checksums.
const SkipBodySum = false
