package damage

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pipeproc/pipeproc/vfs"
)

// image is the files of a store, by their names in it.
type image map[string][]byte

// take reads all files.
func take(fsys vfs.FS) (image, error) {
	im := image{}
	var walk func(folder string) error
	walk = func(folder string) error {
		infos, err := fsys.ReadDir(path.Join(dir, folder))
		if err != nil {
			return err
		}
		for _, i := range infos {
			name := path.Join(folder, i.Name)
			if i.Dir {
				if err := walk(name); err != nil {
					return err
				}
				continue
			}
			f, err := fsys.Open(path.Join(dir, name), vfs.Read)
			if err != nil {
				return err
			}
			b := make([]byte, i.Size)
			_, err = f.ReadAt(b, 0)
			_ = f.Close()
			if err != nil && i.Size > 0 {
				return err
			}
			im[name] = b
		}
		return nil
	}
	return im, walk("")
}

// put writes the files to a new file system.
func (im image) put() (*vfs.Mem, error) {
	m := vfs.NewMem()
	for _, d := range []string{dir, dir + "/wal", dir + "/segments"} {
		if err := m.MkdirAll(d); err != nil {
			return nil, err
		}
	}
	for name, b := range im {
		full := dir + "/" + name
		if err := m.MkdirAll(path.Dir(full)); err != nil {
			return nil, err
		}
		f, err := m.Open(full, vfs.Create)
		if err != nil {
			return nil, err
		}
		if _, err := f.WriteAt(b, 0); err != nil {
			return nil, err
		}
		_ = f.Close()
	}
	return m, nil
}

// save writes the files to a folder, for people.
func (im image) save(folder, name string) error {
	if folder == "" {
		return nil
	}
	for file, b := range im {
		full := filepath.Join(folder, name, file)
		if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(full, b, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (im image) names() []string { return slices.Sorted(maps.Keys(im)) }

var le = binary.LittleEndian

// kind returns what a file is.
func (im image) kind(name string) string {
	st := im["STORE"]
	switch {
	case strings.HasPrefix(name, "snapshot-"):
		if len(st) >= 4096 && le.Uint64(st[56:]) > 0 && name == fmt.Sprintf("snapshot-%d", le.Uint64(st[56:])&1) {
			return "snapshot"
		}
		return "snapshot old"
	case strings.HasPrefix(name, "segments/"):
		if b := im[name]; len(b) >= 96 && string(b[len(b)-96:len(b)-88]) == "PPSEGEND" {
			return "segment sealed"
		}
		return "segment growing"
	case name == "wal/mark":
		return "mark"
	case strings.HasPrefix(name, "wal/"):
		if im.logEnd(name) > 0 {
			return "log"
		}
		return "log spare"
	case strings.Contains(name, "/"):
		return path.Dir(name)
	}
	return name
}

// logEnd returns where the frames of a log file end, or 0 if none of them count.
func (im image) logEnd(name string) int64 {
	number, st, b := strings.TrimSuffix(strings.TrimPrefix(name, "wal/wal-"), ".log"), im["STORE"], im[name]
	if len(st) < 4096 || len(b) < 4096 || st[80] == 1 || number < fmt.Sprintf("%016x", le.Uint64(st[72:])) ||
		fmt.Sprintf("%016x", le.Uint64(b[40:])) != number {
		return 0
	}
	off, pos := uint64(4096), le.Uint64(b[56:])
	for off+56 < uint64(len(b)) && le.Uint64(b[off+24:]) == pos && le.Uint64(b[off+16:]) > 0 {
		off += le.Uint64(b[off+16:])
		pos++
	}
	return int64(min(off, uint64(len(b))))
}

// void reports whether nothing that counts is in [from,to) of a file.
func (im image) void(name string, from, to int64) bool {
	switch im.kind(name) {
	case "LOCK", "SUSPECT", "mark", "log spare", "snapshot old", "quarantine":
		return true
	case "log":
		return from >= im.logEnd(name)
	case "snapshot":
		return from >= int64(le.Uint64(im["STORE"][88:]))
	}
	return false
}
