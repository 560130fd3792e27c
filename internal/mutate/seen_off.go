//go:build !mutate_seen

package mutate

// SkipSeen takes a claim that was proposed for a state that is gone.
const SkipSeen = false
