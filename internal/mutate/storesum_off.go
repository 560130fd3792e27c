//go:build !mutate_storesum

package mutate

// SkipStoreSum leaves out the check of store file checksums.
const SkipStoreSum = false
