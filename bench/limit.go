package main

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// The limits do the least that a log can do on this machine: a header of 16
// bytes with a checksum, the record, and nothing but its number to find it by.

const limitHeader = 16

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errDamaged = errors.New("a record has a wrong checksum")

// put frames a record at the start of dst.
func put(dst, body []byte, number uint64) {
	binary.LittleEndian.PutUint32(dst, uint32(len(body)))
	binary.LittleEndian.PutUint64(dst[8:], number)
	copy(dst[limitHeader:], body)
	binary.LittleEndian.PutUint32(dst[4:], crc32.Checksum(dst[8:limitHeader+len(body)], castagnoli))
}

// check verifies the record at the start of b and returns its body.
func check(b []byte) ([]byte, error) {
	end := limitHeader + int(binary.LittleEndian.Uint32(b))
	if crc32.Checksum(b[8:end], castagnoli) != binary.LittleEndian.Uint32(b[4:]) {
		return nil, errDamaged
	}
	return b[limitHeader:end], nil
}

func limitPath(c config) string { return filepath.Join(c.dir, "data") }

func (c config) limitSize() int64 { return int64(c.records) * int64(limitHeader+c.size) }

// preallocate makes a file of that size; with zeroed it is also written once,
// like a recycled log file.
func preallocate(path string, size int64, zeroed bool) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Fallocate(int(f.Fd()), 0, 0, size); err != nil {
		f.Close()
		return nil, err
	}
	if zeroed {
		buf := make([]byte, 1<<20)
		for at := int64(0); at < size; at += int64(len(buf)) {
			if _, err := f.WriteAt(buf[:min(int64(len(buf)), size-at)], at); err != nil {
				f.Close()
				return nil, err
			}
		}
	}
	if err := f.Sync(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
