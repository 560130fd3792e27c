//go:build !mutate_token

package mutate

// SkipToken lets an acknowledgement reach a claim that is not its own.
const SkipToken = false
