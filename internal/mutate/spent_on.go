//go:build mutate_spent

package mutate

// SkipSpent dead-letters a claim without another look at how often it may fail.
const SkipSpent = true
