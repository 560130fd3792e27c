//go:build mutate_once

package mutate

// SkipOnce does a command again that was sent again.
const SkipOnce = true
