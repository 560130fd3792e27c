// Package process holds what tests do with processes: building the repository's
// programs, starting children of the test binary, reading what they say, killing
// them, and waiting for what must happen.
package process
