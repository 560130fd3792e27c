//go:build !mutate_waldirsync

package mutate

// SkipWALDirSync leaves out the directory sync after a WAL file was created or renamed.
const SkipWALDirSync = false
