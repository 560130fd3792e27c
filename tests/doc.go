// Package tests holds the tests of the whole, each kind in a folder of its own: model,
// faults, kills, linear, pipelines, scale, spawn, rules. It is a module of its own, so
// that what the tests need is no dependency of the library. From the root of the
// repository:
//
//	go test ./tests/...
//	go test work        # and the library
//	./tests/tidy.sh     # after imports have changed
package tests
