// Package fuzz holds fuzz targets for everything that decodes stored or foreign
// bytes. It has no code of its own. To run one of them:
//
//	go test ./fuzz -run '^$' -fuzz '^FuzzBlock$' -fuzztime 10s -fuzzminimizetime 1s
//
// They look for a panic, memory use out of proportion to the size of the input,
// a second read that differs from the first, and bytes returned as records that
// were never written. Where a checksum would keep the fuzzer out, a target has
// a mode that mends the checksums of its input.
//
// Inputs that once failed are in testdata/fuzz and run with every go test.
package fuzz
