//go:build !race

package process

// Race says that the race detector is in this build: it takes many times the memory,
// and time.
const Race = false
