// Package faults holds the tests of faults that real systems have: system
// calls that fail or are the last thing a process does, power cuts of a real file
// system, files that others cut, damage or swap, limits of the process, slow
// disks. Their names carry the number of the fault in docs/reliability.md, which
// says what is promised for each and which tests hold it. It has no code besides
// tests.
//
//	go test ./tests/faults                                 # a sample of each
//	go test ./tests/faults -faults.full                    # every call, every bit
//	go test ./tests/faults -run PowerCut -faults.rounds 500
//	go test ./tests/faults -run Soak -soak.duration 1h     # make soak DURATION=1h
//	go test ./tests/faults -faults.seed 7                  # random choices again
//
// Most of it works on Linux only, with strace and as root. Where it cannot run it
// skips with a message; with PIPEPROC_CI=1 it fails.
package faults
