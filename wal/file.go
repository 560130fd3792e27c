package wal

import (
	"errors"
	"path"
	"sync/atomic"

	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
)

// file is one file of a log: live or a spare. Access: number and size do not
// change while the file is live or a spare. f, m, key, first, ready, filled,
// sealed and blank belong to the goroutine that holds the file (the leader for
// the current one). end is stored by the leader and loaded by any goroutine.
// The rest is guarded by Log.syncMu.
type file struct {
	number uint64 // as in the name
	size   int64

	f     vfs.File    // nil if not open
	m     vfs.Mapping // nil if not mapped, or if it cannot be
	data  []byte      // of m
	blank bool        // a spare whose number has not been used

	key    key
	first  uint64       // position of the first frame
	end    atomic.Int64 // where the frames end
	wrote  atomic.Bool  // WriteAt was used for frames; stored by the leader before end
	plain  atomic.Bool  // a store has faulted, so WriteAt is used for all; stored likewise
	ready  int64        // pages below this offset are populated
	filled int64        // bytes below this offset have been written since the file was opened
	sealed bool         // nothing more may be written

	synced   int64 // bytes known durable, 0 until the header is
	fresh    bool  // sizes and blocks are not known durable: SyncData is needed
	newEntry bool  // the name is not known durable
}

// path returns the path of file number.
func (l *Log) path(number uint64) string { return path.Join(l.cfg.Dir, fileName(number)) }

// create makes a new file with allocated disk blocks and maps it if the log is
// mapped. On failure it leaves no file.
func (l *Log) create(number uint64, size int64) (*file, error) {
	name := l.path(number)
	f, err := l.cfg.FS.Open(name, vfs.Create|vfs.Exclusive)
	if err != nil {
		return nil, err
	}
	fl := &file{number: number, size: size, f: f, fresh: true, newEntry: true}
	err = f.Preallocate(size)
	if err == nil {
		err = l.mapFile(fl)
	}
	if err != nil {
		l.discard(fl)
		return nil, err
	}
	return fl, nil
}

// open opens a spare that is closed, and maps it if the log is mapped.
func (l *Log) open(fl *file) error {
	f, err := l.cfg.FS.Open(l.path(fl.number), vfs.Write)
	if err != nil {
		return err
	}
	fl.f = f
	fl.fresh = true
	// The file may have holes where its last user did not write.
	if err := f.Preallocate(fl.size); err != nil {
		return err
	}
	return l.mapFile(fl)
}

// mapFile maps an open file if the log is mapped. If it cannot be mapped, frames
// are written to it: some file systems have no shared mappings, and a process may
// have too many.
func (l *Log) mapFile(fl *file) error {
	if !l.cfg.Mapped {
		return nil
	}
	m, err := fl.f.Map(fl.size, true)
	if err == nil {
		fl.m, fl.data = m, m.Bytes()
	} else if mutate.SkipUnmapped {
		return err
	}
	return nil
}

// isStored reports whether short frames are stored to the mapping of fl. It is for
// the current file.
func (fl *file) isStored() bool { return fl.m != nil && !fl.plain.Load() }

// faulted is called after a store to fl, which is mapped, has failed with err. It
// reports whether the same bytes should be written instead: the file system may have
// no room for a page that the store would make dirty, and a write says so, or finds
// some. A file that has been cut short is none to write to.
func (fl *file) faulted(err error) bool {
	if !errors.Is(err, vfs.ErrMapFault) || mutate.SkipPlain {
		return false
	}
	if size, err := fl.f.Size(); err != nil || size < fl.size {
		return false
	}
	fl.plain.Store(true)
	return true
}

// close closes a file, if it is open.
func (fl *file) close() error {
	var err error
	if fl.m != nil {
		err = fl.m.Close()
	}
	if fl.f != nil {
		if cerr := fl.f.Close(); err == nil {
			err = cerr
		}
	}
	fl.f, fl.m, fl.data = nil, nil, nil
	return err
}

// discard closes and removes a file that is not needed. Errors do not matter: a
// file that remains is void.
func (l *Log) discard(fl *file) {
	_ = fl.close()
	_ = l.cfg.FS.Remove(l.path(fl.number))
}

// writeHeader makes fl an empty file whose first frame will have position
// first, following prev. Nothing is synced.
func (l *Log) writeHeader(fl *file, first uint64, prev Tail) error {
	h := fileHeader{
		store:  l.cfg.Store,
		epoch:  l.cfg.Epoch,
		number: fl.number,
		size:   fl.size,
		first:  first,
		prev:   prev,
	}
	h.put(l.header[:])
	fl.key, fl.first, fl.sealed, fl.blank, fl.synced = h.key(), first, false, false, 0
	fl.wrote.Store(false)
	fl.plain.Store(false)
	fl.end.Store(headerSize)
	if fl.m != nil {
		err := vfs.Guard(fl.m, func() { copy(fl.data, l.header[:]) })
		if err == nil || !fl.faulted(err) {
			return err
		}
	}
	_, err := fl.f.WriteAt(l.header[:], 0)
	return err
}
