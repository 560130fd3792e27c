package engine

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/internal/mutate"
	"github.com/pipeproc/pipeproc/vfs"
)

// The file STORE says which checkpoint counts. It holds two copies of one 4096-byte
// page, written and synced one after the other, so that at any moment one of them is
// intact:
//
//	  0  magic "PPSTORE\x00"
//	  8  u16 version 1 | u16 zero | u32 page size 4096
//	 16  u64 feature flags; a program refuses those that it does not know
//	 24  store id, 16 bytes
//	 40  u64 generation, one higher at each write
//	 48  u64 epoch, one higher at each open for writing
//	 56  u64 number of the checkpoint, 0 before the first
//	 64  u64 position of the checkpoint
//	 72  u64 number of the WAL file that replay starts with
//	 80  u8 clean: closed properly, the WAL holds nothing
//	 81  u8 wal absent: that WAL file need not exist
//	 88  u64 length of the snapshot file's content
//	 96  u64 checksum of the snapshot file's header
//	104  i64 creation time, unix milliseconds
//	112  u64 zero
//	120  u64 epoch in which the WAL was last begun, 0 if that is unknown
//	128  u64 number of the WAL file that it was begun with then, 0 if that is unknown
//	    zero up to
//	4088 u64 xxhash64 of bytes 0 to 4087
const (
	storeName     = "STORE"
	storePage     = 4096
	storeMagic    = "PPSTORE\x00"
	formatVersion = 1
	knownFeatures = featureIsolated
)

// Features of a store that an older program cannot read. Each is set when it is first
// used, and stays.
const (
	featureIsolated = 1 << 5 // a snapshot keeps blocks of topics whose files cannot be used
)

// storeState is the content of the STORE file.
type storeState struct {
	Features    uint64
	ID          [16]byte
	Generation  uint64
	Epoch       uint64
	Checkpoint  uint64
	Position    uint64
	WAL         uint64
	Clean       bool
	WALAbsent   bool
	SnapLen     uint64
	SnapSum     uint64
	CreatedTime int64
	LogEpoch    uint64 // with LogFirst: evidence of what the WAL must hold
	LogFirst    uint64

	newest int64 // the copy that counted when both were read; not stored
}

func (s *storeState) encode() []byte {
	b := make([]byte, storePage)
	le := binary.LittleEndian
	copy(b, storeMagic)
	le.PutUint16(b[8:], formatVersion)
	le.PutUint32(b[12:], storePage)
	le.PutUint64(b[16:], s.Features)
	copy(b[24:], s.ID[:])
	for i, v := range []uint64{s.Generation, s.Epoch, s.Checkpoint, s.Position, s.WAL} {
		le.PutUint64(b[40+8*i:], v)
	}
	if s.Clean {
		b[80] = 1
	}
	if s.WALAbsent {
		b[81] = 1
	}
	le.PutUint64(b[88:], s.SnapLen)
	le.PutUint64(b[96:], s.SnapSum)
	le.PutUint64(b[104:], uint64(s.CreatedTime))
	if !s.WALAbsent {
		le.PutUint64(b[120:], s.LogEpoch)
		le.PutUint64(b[128:], s.LogFirst)
	}
	le.PutUint64(b[storePage-8:], xxhash.Sum64(b[:storePage-8]))
	return b
}

// parseStorePage decodes one copy. The error is damage, or errs.Version.
func parseStorePage(b []byte) (storeState, error) {
	var s storeState
	le := binary.LittleEndian
	if len(b) < storePage {
		return s, errors.New("cut short")
	}
	if string(b[:8]) != storeMagic {
		return s, errors.New("this is no pipeproc store: wrong magic")
	}
	if le.Uint64(b[storePage-8:]) != xxhash.Sum64(b[:storePage-8]) && !mutate.SkipStoreSum {
		return s, errors.New("checksum mismatch")
	}
	if v := le.Uint16(b[8:]); v != formatVersion {
		return s, errs.Version.With(fmt.Sprintf("the store has format version %d, this program knows %d; use a newer pipeproc", v, formatVersion))
	}
	s.Features = le.Uint64(b[16:])
	if err := checkFeatures(s.Features); err != nil {
		return s, err
	}
	copy(s.ID[:], b[24:])
	s.Generation, s.Epoch = le.Uint64(b[40:]), le.Uint64(b[48:])
	s.Checkpoint, s.Position, s.WAL = le.Uint64(b[56:]), le.Uint64(b[64:]), le.Uint64(b[72:])
	s.Clean, s.WALAbsent = b[80] == 1, b[81] == 1
	s.SnapLen, s.SnapSum = le.Uint64(b[88:]), le.Uint64(b[96:])
	s.CreatedTime = int64(le.Uint64(b[104:]))
	s.LogEpoch, s.LogFirst = le.Uint64(b[120:]), le.Uint64(b[128:])
	return s, nil
}

// checkFeatures refuses features that this program does not know.
func checkFeatures(f uint64) error {
	if f&^knownFeatures != 0 {
		return errs.Version.With(fmt.Sprintf("the store uses features %#x that this program does not know; use a newer pipeproc", f&^knownFeatures))
	}
	return nil
}

// readStore reads the newer of the intact copies in the STORE file. bad lists damaged
// copies. The error wraps fs.ErrNotExist if there is no such file.
func readStore(fsys vfs.FS) (s storeState, bad []*errs.CorruptError, err error) {
	f, err := fsys.Open(storeName, vfs.Read)
	if err != nil {
		return s, nil, err
	}
	defer f.Close()
	b := make([]byte, 2*storePage)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return s, nil, fmt.Errorf("reading %s: %w", storeName, err)
	}
	b = b[:n]
	found := false
	var version error
	for i := range 2 {
		page := b[min(n, i*storePage):min(n, (i+1)*storePage)]
		p, err := parseStorePage(page)
		if err != nil {
			if errors.Is(err, errs.Version) {
				version = err
			}
			bad = append(bad, &errs.CorruptError{File: storeName, Offset: int64(i * storePage), What: "copy of the store page", Err: err})
			continue
		}
		if !found || p.Generation > s.Generation {
			s = p
			s.newest = int64(i)
		}
		found = true
	}
	if !found {
		if version != nil {
			return s, nil, version
		}
		return s, bad, &errs.CorruptError{File: storeName, Offset: 0, What: "both copies of the store page are damaged; run 'pipeproc repair'", Err: bad[0].Err}
	}
	if version != nil {
		return s, nil, version
	}
	return s, bad, nil
}

// writeStore makes s durable, as the next generation. A *syncError means that it is no
// longer known which copy counts, any other error that the one counts that did before.
// The copy that does not count is written first: after a power cut between the two
// writes, the other copy may be the only one that knows of the latest checkpoint, and a
// power cut during the next open must not destroy it.
//
// A file system that writes elsewhere what is overwritten can be full here. If there is
// no room for the first copy, nothing has happened; if there is none for the second,
// the first counts and the next write begins with the other.
func writeStore(fsys vfs.FS, s *storeState) error {
	f, err := fsys.Open(storeName, vfs.Write)
	if err != nil {
		return err
	}
	defer f.Close() // it is durable, whatever this says
	s.Generation++
	if !mutate.SkipStoreFirst {
		if err := syncStore(f); err != nil { // after a failure the second copy may not be synced yet
			return storeFailed(err)
		}
	}
	first, second := 1-s.newest, s.newest
	if err := writeCopy(f, s, first); err != nil {
		if isNoSpace(err) && !isCopy(f, s, first) && !mutate.PoisonWhenFull {
			return fmt.Errorf("writing %s: %w", storeName, err)
		}
		return storeFailed(err)
	}
	if !mutate.StoreCopiesAtOnce {
		if err := syncStore(f); err != nil {
			return storeFailed(err)
		}
	}
	if err := writeCopy(f, s, second); err != nil {
		if isNoSpace(err) && !mutate.PoisonWhenFull {
			s.newest = first
			return nil
		}
		return storeFailed(err)
	}
	if err := syncStore(f); err != nil {
		return storeFailed(err)
	}
	return nil
}

func storeFailed(err error) error { return &syncError{fmt.Errorf("writing %s: %w", storeName, err)} }

// writeCopy writes s as copy number i, without a sync.
func writeCopy(f vfs.File, s *storeState, i int64) error {
	_, err := f.WriteAt(s.encode(), i*storePage)
	return err
}

// isCopy reports whether copy number i may be s, although writing it has failed. Then
// it may get to the disk, and what it refers to must not be used for anything else.
func isCopy(f vfs.File, s *storeState, i int64) bool {
	b := make([]byte, storePage)
	n, err := f.ReadAt(b, i*storePage)
	if err != nil && !errors.Is(err, io.EOF) {
		return true
	}
	p, err := parseStorePage(b[:n])
	return err == nil && p.Generation >= s.Generation
}

func syncStore(f vfs.File) error {
	if mutate.SkipStoreSync {
		return nil
	}
	return f.Sync()
}

// createStore creates the STORE file of a new store atomically: after a crash it is
// complete or does not exist.
func createStore(fsys vfs.FS, s *storeState) error {
	const tmp = storeName + ".tmp"
	if err := fsys.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := fsys.Open(tmp, vfs.Create)
	if err != nil {
		return err
	}
	page := s.encode()
	err = f.Preallocate(2 * storePage) // so that it is written in place later
	if err == nil {
		_, err = f.WriteAt(append(page, page...), 0)
	}
	if err == nil {
		if err = syncStore(f); err != nil {
			err = &syncError{err}
		}
	}
	if e := f.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = fsys.Rename(tmp, storeName)
	}
	if err == nil && !mutate.SkipStoreSync {
		if err = fsys.SyncDir("."); err != nil {
			err = &syncError{err}
		}
	}
	if err != nil {
		return fmt.Errorf("creating %s: %w", storeName, err)
	}
	return nil
}
