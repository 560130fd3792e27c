package engine

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/wal"
)

// A repair keeps the originals of what it replaces, durably, before it replaces
// anything: those that are overwritten in place as copies, sealed segments, which never
// change, as further names of the same file. A growing one with another name would keep
// the store from opening if the repair were cut off.

// makeAside makes a new folder in the quarantine folder for this repair.
func (r *repairer) makeAside() error {
	infos, err := r.e.fs.ReadDir(quarantineName)
	if err != nil && !errors.Is(err, errNotExist) {
		return err
	}
	have := make(map[string]bool, len(infos))
	for _, i := range infos {
		have[i.Name] = true
	}
	n := 1
	for have[fmt.Sprintf("repair-%d", n)] {
		n++
	}
	r.folder = fmt.Sprintf("%s/repair-%d", quarantineName, n)
	return r.e.fs.MkdirAll(r.folder)
}

// keepOriginals copies STORE, the snapshots and the WAL.
func (r *repairer) keepOriginals() error {
	names := []string{storeName, snapName(0), snapName(1), walDir + "/" + wal.MarkName}
	infos, err := r.e.fs.ReadDir(walDir)
	if err != nil && !errors.Is(err, errNotExist) {
		return err
	}
	for _, i := range infos {
		if i.Regular && strings.HasPrefix(i.Name, "wal-") {
			names = append(names, walDir+"/"+i.Name)
		}
	}
	for _, name := range names {
		if err := r.copyAside(name); err != nil && !errors.Is(err, errNotExist) {
			return fmt.Errorf("keeping the original of %s in %s: %w", name, r.folder, err)
		}
	}
	return r.e.syncDirs(r.folder, quarantineName, ".")
}

// keepSegments gives the segment files that are to be replaced a name in the folder
// of this repair.
func (r *repairer) keepSegments() error {
	for _, name := range r.replaced {
		if mutate.SkipAside {
			continue
		}
		from, to := segmentDir+"/"+name, r.folder+"/"+name
		var err error
		if info, serr := r.e.fs.Stat(from); serr == nil && !info.Regular {
			err = r.e.fs.Rename(from, to) // nothing of the store is in it
		} else if slices.Contains(r.growing, name) {
			err = r.copyAside(from)
		} else {
			err = r.e.fs.Link(from, to)
		}
		if err != nil && !errors.Is(err, errNotExist) {
			err = r.copyAside(from)
		}
		if err != nil && !errors.Is(err, errNotExist) {
			return fmt.Errorf("keeping the original of %s in %s: %w", name, r.folder, err)
		}
	}
	if len(r.replaced) == 0 {
		return nil
	}
	return r.e.syncDirs(r.folder)
}

// copyAside copies a file, without its zeroes, and makes the copy durable.
func (r *repairer) copyAside(name string) error {
	in, err := r.e.fs.Open(name, vfs.Read)
	if err != nil {
		return err
	}
	defer in.Close()
	size, err := in.Size()
	if err != nil {
		return err
	}
	out, err := r.e.fs.Open(r.folder+"/"+name[strings.LastIndexByte(name, '/')+1:], vfs.Create)
	if err != nil {
		return err
	}
	defer out.Close()
	buf := make([]byte, min(64<<10, max(size, 1)))
	for off := int64(0); off < size; off += int64(len(buf)) {
		b := buf[:min(int64(len(buf)), size-off)]
		n, err := in.ReadAt(b, off)
		if n < len(b) {
			// What cannot be read is damage, of which nothing can be kept.
			r.did("%s cannot be read at %d: %v", name, off+int64(n), err)
			clear(b[n:])
		}
		if len(bytes.TrimLeft(b, "\x00")) == 0 {
			continue
		}
		if _, err := out.WriteAt(b, off); err != nil {
			return err
		}
	}
	if err := out.Truncate(size); err != nil {
		return err
	}
	if err := out.Sync(); err != nil {
		return &syncError{err}
	}
	return nil
}
