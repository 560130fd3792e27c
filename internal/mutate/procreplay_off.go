//go:build !mutate_procreplay

package mutate

// SkipProcReplay replays nothing of what procs did.
const SkipProcReplay = false
