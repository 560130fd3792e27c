//go:build mutate_retryheld

package mutate

// SkipHeld lets records be claimed before the wait for their retry was set up.
const SkipHeld = true
