// Package model holds the tests that compare the whole store with a simple
// model of it in memory, through crashes, failing disks and concurrent readers:
// topics and their records, procs with their claims, system procs, retention and
// collection. It has no code of its own besides tests.
//
//	go test ./tests/model                                  # about a minute
//	go test ./tests/model -run TestModel -model.duration 1h
//	go test ./tests/model -run TestModel -model.seed 7 # one run again
//	go test ./tests/model -run TestModel -model.seed 7 -model.only 3,9-12
//	go test ./tests/model -run TestTimers -model.duration 1h
//	go test ./tests/model -model.full                  # every crash point and fault
//
// The tests run on file systems in memory (vfs.Crash, vfs.Fault), where a power
// cut is a matter of which unsynced pages, sizes and directory entries are kept.
// TestTimers, and the tests of races, run in a bubble of their own time
// (testing/synctest). In TestModel no timeout runs out while a node is open: see
// wake_test.go. A failure prints its seed and the command that repeats it. The engine's
// background goroutine is real, so a run with the same seed makes the same
// calls but not always the same checkpoints at the same moments.
package model
