//go:build mutate_segdirsync

package mutate

// SkipSegmentDirSync leaves out the directory sync after a segment file was created.
const SkipSegmentDirSync = true
