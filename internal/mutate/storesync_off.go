//go:build !mutate_storesync

package mutate

// SkipStoreSync leaves out the sync of the store file.
const SkipStoreSync = false
