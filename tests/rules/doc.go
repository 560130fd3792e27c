// Package limits holds tests of bounds: memory per record, sizes, names, disk
// use, and what the library imports. It has no code of its own.
package limits
