//go:build mutate_procundo

package mutate

// SkipUndo leaves the acknowledgement of a batch that failed.
const SkipUndo = true
