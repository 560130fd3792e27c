//go:build !mutate_gcguard

package mutate

// SkipGuard prunes by a mark that was decided before a proc came to be.
const SkipGuard = false
