//go:build !mutate_walsync

package mutate

// SkipWALSync leaves out the sync of WAL files.
const SkipWALSync = false
