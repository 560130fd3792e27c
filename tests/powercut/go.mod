module github.com/pipeproc/pipeproc/tests/powercut

go 1.26.0

replace github.com/pipeproc/pipeproc => ../../

require (
	github.com/hanwen/go-fuse/v2 v2.12.1
	github.com/pipeproc/pipeproc v0.0.0-00010101000000-000000000000
	golang.org/x/sys v0.49.0
)

require (
	github.com/cespare/xxhash/v2 v2.3.0 // indirect
	github.com/edsrzf/mmap-go v1.2.0 // indirect
	github.com/google/btree v1.1.3 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
)
