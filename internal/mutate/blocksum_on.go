//go:build mutate_blocksum

package mutate

// SkipBlockSum leaves out the check of block header checksums.
const SkipBlockSum = true
