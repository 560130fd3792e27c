//go:build mutate_chunk

package mutate

// SkipChunkHold lets readers look at chunks of tails without holding them.
const SkipChunkHold = true
