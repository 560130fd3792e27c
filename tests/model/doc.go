// Package modeltest holds the tests that compare the whole store with a simple
// model of it in memory, through crashes, failing disks and concurrent readers:
// topics and their records, procs with their claims, system procs, retention and
// collection. It has no code of its own besides tests.
//
//	go test ./internal/modeltest                                  # about a minute
//	go test ./internal/modeltest -run TestModel -modeltest.duration 1h
//	go test ./internal/modeltest -run TestModel -modeltest.seed 7 # one run again
//	go test ./internal/modeltest -run TestModel -modeltest.seed 7 -modeltest.only 3,9-12
//	go test ./internal/modeltest -run TestTimers -modeltest.duration 1h
//	go test ./internal/modeltest -modeltest.full                  # every crash point and fault
//
// The tests run on file systems in memory (vfs.Crash, vfs.Fault), where a power
// cut is a matter of which unsynced pages, sizes and directory entries are kept.
// TestTimers, and the tests of races, run in a bubble of their own time
// (testing/synctest). In TestModel no timeout runs out while a node is open: see
// wake_test.go. A failure prints its seed and the command that repeats it. The engine's
// background goroutine is real, so a run with the same seed makes the same
// calls but not always the same checkpoints at the same moments.
package modeltest
