// Package index finds positions in a topic by sequence and by time.
//
// It keeps a sparse list of block positions in memory, in a B-tree: the first
// block of every segment and, for growing segments, about one block every few dozen
// kilobytes. Sealed segments have a footer on disk for the rest. A lookup returns a
// block at or before the target, and the caller scans from there.
//
// Lookups allocate nothing and run concurrently. A change blocks them for one tree
// operation, or for a few hundred if entries are dropped in bulk.
//
// The version of the module does not cover this package.
package index
