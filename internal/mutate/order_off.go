//go:build !mutate_order

package mutate

// PublishBeforeWAL applies, publishes and acknowledges commands before the WAL has them.
const PublishBeforeWAL = false
