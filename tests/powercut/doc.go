// Package powercut cuts the power of real file systems while a store works on them. It
// has no code of its own.
//
// A small FUSE file system in the test process serves one file and records each write
// and each sync of it. A loop device over that file is a disk whose flushes are known:
// on it are ext4, xfs or btrfs, and on that a store, in a child process, which says what
// it has acknowledged. After a power cut a disk holds all that was written before the
// last flush, and of later writes any part, down to single sectors. Such a disk is
// mounted again, which repairs the file system from its journal, and the store on it is
// opened in another child. It must have everything that was acknowledged before the
// cut, and report no damage.
//
// It needs Linux, root, /dev/fuse, loop devices and the tools that make file systems.
//
//	go test -v . -points 500
//	go test -v . -run 'TestPowerCuts/xfs' -points 100 -seed 7
package powercut
