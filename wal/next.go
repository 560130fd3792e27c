package wal

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/pipeproc/pipeproc/vfs"
)

// Next returns the number of the next new file. It is above that of every
// existing file.
func (l *Log) Next() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.next
}

// StoreOf returns the store id in the header of a log file, given its first
// bytes. It checks only the magic. It is for repair.
func StoreOf(b []byte) (id [16]byte, ok bool) {
	if len(b) < 32 || string(b[:8]) != magic {
		return id, false
	}
	copy(id[:], b[16:])
	return id, true
}

// IsFileName reports whether name is one of a log's files, its mark included.
func IsFileName(name string) bool {
	_, ok := parseName(name)
	return ok || name == MarkName
}

// Number returns the number of the current file.
func (l *Log) Number() uint64 { return l.started.Load() }

// Highest returns the highest number in the names of the log files in dir, or 0
// if there are none. Files far above known, which is in use, are not of the log.
func Highest(fsys vfs.FS, dir string, known uint64) (uint64, error) {
	infos, err := fsys.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, fmt.Errorf("wal: %w", err)
	}
	high := uint64(0)
	for _, i := range infos {
		if n, ok := parseName(i.Name); ok && (n < known || n-known <= numberSpan) {
			high = max(high, n)
		}
	}
	return high, nil
}

// Traces is what the files of a log show of the file that names it.
type Traces struct {
	Epoch      uint64 // the newest epoch
	Generation uint64 // the newest of STORE that the mark knows in it, 0 if none
	First      uint64 // number of the first intact file of that epoch, 0 if there is none
}

// Trace reads the mark and the headers of a log. It is for repair. Of cfg it uses FS,
// Dir, Store and Number.
func Trace(cfg ReplayConfig) (t Traces, err error) {
	r := &replay{cfg: cfg}
	if err := r.survey(); err != nil {
		return t, err
	}
	t.Epoch, t.Generation = r.res.Newest, r.res.Generation
	for _, e := range r.cat.files {
		if e.bad == "" && e.head.epoch == t.Epoch {
			t.First = e.number
			break
		}
	}
	return t, nil
}
