package vfs

import (
	"errors"
	"io"
	"slices"
)

// faultFile is a file of a Fault.
type faultFile struct {
	File  // the inner one
	fault *Fault
}

// check asks the hook about an operation on the file.
func (f *faultFile) check(kind OpKind, off, n int64) error {
	return f.fault.check(Op{Kind: kind, Name: f.Name(), Off: off, Len: n})
}

func (f *faultFile) ReadAt(p []byte, off int64) (int, error) {
	if err := f.check(OpReadAt, off, int64(len(p))); err != nil {
		return 0, err
	}
	return f.File.ReadAt(p, off)
}

func (f *faultFile) WriteAt(p []byte, off int64) (int, error) {
	err := f.check(OpWriteAt, off, int64(len(p)))
	if err == nil {
		return f.File.WriteAt(p, off)
	}
	return f.writeShort(p, off, err)
}

func (f *faultFile) WriteVecAt(pieces [][]byte, off int64) (int, error) {
	n := 0
	for _, p := range pieces {
		n += len(p)
	}
	err := f.check(OpWriteAt, off, int64(n))
	if err == nil {
		return f.File.WriteVecAt(pieces, off)
	}
	return f.writeShort(slices.Concat(pieces...), off, err)
}

// writeShort does as much of a write as the hook's error allows.
func (f *faultFile) writeShort(p []byte, off int64, err error) (int, error) {
	var short ShortWrite
	var astray MisdirectedWrite
	switch {
	case errors.Is(err, ErrLostWrite):
		return len(p), nil
	case errors.As(err, &astray):
		return f.File.WriteAt(p, astray.Off)
	}
	if !errors.As(err, &short) {
		return 0, err
	}
	n, err := f.File.WriteAt(p[:max(0, min(short.N, len(p)))], off)
	if err != nil {
		return n, err
	}
	if short.Err == nil {
		return n, io.ErrShortWrite
	}
	return n, short.Err
}

func (f *faultFile) Size() (int64, error) {
	if err := f.check(OpSize, 0, 0); err != nil {
		return 0, err
	}
	return f.File.Size()
}

func (f *faultFile) Truncate(size int64) error {
	if err := f.check(OpTruncate, 0, size); err != nil {
		return err
	}
	return f.File.Truncate(size)
}

func (f *faultFile) Preallocate(size int64) error {
	if err := f.check(OpPreallocate, 0, size); err != nil {
		return err
	}
	return f.File.Preallocate(size)
}

func (f *faultFile) Sync() error {
	if err := f.check(OpSync, 0, 0); err != nil {
		return err
	}
	return f.File.Sync()
}

func (f *faultFile) SyncData() error {
	if err := f.check(OpSyncData, 0, 0); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f *faultFile) Map(size int64, writable bool) (Mapping, error) {
	if err := f.check(OpMap, 0, size); err != nil {
		return nil, err
	}
	m, err := f.File.Map(size, writable)
	if err != nil {
		return nil, err
	}
	return &faultMapping{Mapping: m, file: f}, nil
}

func (f *faultFile) Close() error {
	err := f.check(OpClose, 0, 0)
	return first(err, f.File.Close())
}

// faultMapping is a mapping of a file of a Fault.
type faultMapping struct {
	Mapping // the inner one
	file    *faultFile
}

func (m *faultMapping) Sync(off, n int64) error {
	if err := m.file.check(OpMapSync, off, n); err != nil {
		return err
	}
	return m.Mapping.Sync(off, n)
}

func (m *faultMapping) Close() error {
	err := m.file.check(OpUnmap, 0, 0)
	return first(err, m.Mapping.Close())
}

// faultLock is a lock of a Fault.
type faultLock struct {
	lock  io.Closer
	name  string
	fault *Fault
}

func (l *faultLock) Close() error {
	err := l.fault.check(Op{Kind: OpClose, Name: l.name})
	return first(err, l.lock.Close())
}

// first returns the first error there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
