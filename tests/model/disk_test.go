package model

import (
	"fmt"
	"hash/fnv"
	"path"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/vfs"
)

// nature is what a disk does beyond losing what was not synced, by the seed of a run.
type nature struct {
	versions int  // earlier contents of each page that a cut may leave
	stale    bool // blocks that were never written hold what other files have
}

func natureOf(seed uint64) nature {
	return nature{versions: []int{0, 4}[seed%2], stale: seed/2%3 > 0}
}

// crash cuts the power of disk.
func (n nature) crash(disk *vfs.Crash, pick func(vfs.Unit) bool) *vfs.Crash {
	disk = disk.Kill()
	if n.stale {
		disk.Stale = staleOf(disk)
	}
	cut := disk.Crash(pick)
	cut.Stale = nil
	return cut
}

// observeEvery is how many operations pass between two looks at what is mapped.
const observeEvery = 3

// observer returns a function that looks at what is mapped on disk, now and then.
func (n nature) observer(disk *vfs.Crash) func() {
	var ops atomic.Int64
	return func() {
		if n.versions > 0 && ops.Add(1)%observeEvery == 0 {
			disk.Observe()
		}
	}
}

// staleOf returns a vfs.Crash.Stale that takes pages of the store's other files, as if
// they had been there before. Nobody may be using the disk.
func staleOf(disk *vfs.Crash) func(name string, page int64) []byte {
	return func(name string, page int64) []byte {
		h := fnv.New64a()
		fmt.Fprint(h, name, page)
		pick := h.Sum64()
		var files []string
		for _, folder := range []string{dir, dir + "/wal", dir + "/segments"} {
			infos, _ := disk.ReadDir(folder)
			for _, i := range infos {
				if full := path.Join("/", folder, i.Name); i.Regular && full != name {
					files = append(files, full)
				}
			}
		}
		if len(files) == 0 || pick%5 == 0 {
			return nil
		}
		f, err := disk.Open(files[pick%uint64(len(files))], vfs.Read)
		if err != nil {
			return nil
		}
		defer f.Close()
		p := make([]byte, 4096)
		if size, _ := f.Size(); size > page*4096 && pick%2 == 0 {
			_, _ = f.ReadAt(p, page*4096) // where it would be valid, were it this file
		} else if size > 0 {
			_, _ = f.ReadAt(p, int64(pick/7%uint64(size))&^4095)
		}
		return p
	}
}
