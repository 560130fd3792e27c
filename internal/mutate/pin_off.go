//go:build !mutate_pin

package mutate

// SkipPin lets tails be written to their files that a checkpoint is about to carry.
const SkipPin = false
