//go:build !mutate_footersum

package mutate

// SkipFooterSum leaves out the check of segment footer checksums.
const SkipFooterSum = false
