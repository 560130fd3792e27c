//go:build !mutate_procsnap

package mutate

// SkipProcSnapshot leaves procs out of snapshots.
const SkipProcSnapshot = false
