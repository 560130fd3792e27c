//go:build mutate_seed

package mutate

// SkipSeed leaves place and epoch out of WAL frame checksums and tags.
const SkipSeed = true
