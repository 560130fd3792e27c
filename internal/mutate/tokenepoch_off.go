//go:build !mutate_tokenepoch

package mutate

// SkipTokenEpoch leaves out of a token which opening of the store gave it.
const SkipTokenEpoch = false
