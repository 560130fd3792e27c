module github.com/pipeproc/pipeproc/tests

go 1.26.0

require (
	github.com/anishathalye/porcupine v1.3.1
	github.com/cespare/xxhash/v2 v2.3.0
	github.com/klauspost/compress v1.20.3
	github.com/pipeproc/pipeproc v0.1.0
	golang.org/x/sys v0.49.0
)

require (
	github.com/edsrzf/mmap-go v1.2.0 // indirect
	github.com/google/btree v1.1.3 // indirect
)
