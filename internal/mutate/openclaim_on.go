//go:build mutate_openclaim

package mutate

// SkipOpenClaim gives a claim although one is open.
const SkipOpenClaim = true
