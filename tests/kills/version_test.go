package kills

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc"
)

// patch changes a file of the store, by a function on its bytes.
func patch(t *testing.T, name string, fn func(b []byte)) {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	fn(b)
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// put16 sets two bytes and the checksum at sum over all before it.
func put16(b []byte, off, sum int, v uint16) {
	binary.LittleEndian.PutUint16(b[off:], v)
	binary.LittleEndian.PutUint64(b[sum:], xxhash.Sum64(b[:sum]))
}

// A store that another version wrote is refused, with ErrVersion, and is not
// touched.
func TestOtherVersion(t *testing.T) {
	closed, open := closedStore(t), openStore(t)
	for _, c := range []struct {
		name   string
		from   *diskStore
		file   string // the newest that matches
		lazily bool   // seen by Verify, not by Open
		patch  func(b []byte)
	}{
		{"STORE version", closed, "STORE", false, func(b []byte) { put16(b, 8, 4088, 2); put16(b[4096:], 8, 4088, 2) }},
		{"STORE version, first copy", closed, "STORE", false, func(b []byte) { put16(b, 8, 4088, 2) }},
		{"STORE version, second copy", closed, "STORE", false, func(b []byte) { put16(b[4096:], 8, 4088, 2) }},
		{"STORE version of a killed store", open, "STORE", false, func(b []byte) { put16(b, 8, 4088, 999); put16(b[4096:], 8, 4088, 999) }},
		{"STORE low feature", closed, "STORE", false, func(b []byte) { put16(b, 16, 4088, 1); put16(b[4096:], 16, 4088, 1) }},
		{"STORE high feature", closed, "STORE", false, func(b []byte) { put16(b, 22, 4088, 0x8000); put16(b[4096:], 22, 4088, 0x8000) }},
		{"snapshot feature", closed, "snapshot-*", false, func(b []byte) { put16(b, 80, 120, 1) }},
		{"WAL version", open, "wal/*", false, func(b []byte) { put16(b, 8, 4088, 2) }},
		{"WAL flags", open, "wal/*", false, func(b []byte) { put16(b, 10, 4088, 1) }},
		{"segment version", closed, "segments/*", true, func(b []byte) { put16(b, 8, 504, 2) }},
		{"segment flags", closed, "segments/*", true, func(b []byte) { put16(b, 10, 504, 1) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := c.from.copy(t)
			names, _ := filepath.Glob(filepath.Join(dir, c.file))
			for _, name := range names { // of WAL files all that are headed, spares are not
				patch(t, name, func(b []byte) {
					if strings.HasPrefix(string(b), "PP") {
						c.patch(b)
					}
				})
			}
			before := snapshotOf(t, dir)
			for _, ro := range []bool{true, false} {
				n, err := pipeproc.Open(dir, &pipeproc.Options{ReadOnly: ro})
				if err == nil && c.lazily {
					_, err = n.Verify(context.Background(), nil)
					if r := c.from.truth.read(n, true); r.wrong != nil {
						t.Error(r.wrong)
					}
				}
				wantError(t, "open", err, "version")
				if !errors.Is(err, pipeproc.ErrVersion) || errors.Is(err, pipeproc.ErrCorrupt) {
					t.Errorf("not ErrVersion: %v", err)
				}
				if n != nil {
					if err := n.Close(); err != nil {
						t.Error(err)
					}
				}
				if c.lazily {
					same(t, "after the open", before, snapshotOf(t, dir), "STORE", "wal/", "snapshot-0", "snapshot-1")
				} else {
					same(t, "after the open", before, snapshotOf(t, dir))
				}
			}
		})
	}
}
