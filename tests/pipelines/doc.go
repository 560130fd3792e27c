// Package pipelines holds tests of whole pipelines: system procs over several
// stages, with failing processors and dead letters, in a process that is killed
// again and again, and under simulated power cuts. Whatever happens, every input
// has exactly one output. It has no code of its own besides tests.
//
//	go test ./tests/pipelines                                         # half a minute
//	go test ./tests/pipelines -run TestOnceKilled -once.records 1000000 -once.kills 300
//	go test ./tests/pipelines -run TestOncePower -once.power 500 -once.seed 7
//	go test ./tests/pipelines -run TestOncePoints -once.full
//
// Records and kills are for each sync mode. A failure prints its seed. Real
// goroutines and processes run at their own pace, so that a run with the same
// seed makes the same choices but is not the same run.
package pipelines
