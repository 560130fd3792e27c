// Package index finds positions in a topic by sequence and by time.
//
// It keeps a sparse list of block positions in memory, in a B-tree: the first
// block of every segment, and for segments that still grow about one block
// every few kilobytes. Sealed segments have a footer on disk for the rest. A
// lookup gives a block at or before what is looked for, and a scan goes on from
// there.
//
// The lookups allocate nothing and run concurrently; a change keeps them waiting
// for one tree operation, or for a few hundred when entries are dropped in bulk.
//
// The version of the module does not cover this package.
package index
