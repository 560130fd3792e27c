package wal

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/vfs"
)

var testStore = [16]byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}

const testDir = "wal"

// frame makes a frame of a meta and parts.
func frame(meta string, parts ...string) Frame {
	f := Frame{Meta: []byte(meta)}
	for _, p := range parts {
		f.Parts = append(f.Parts, Part{Bytes: []byte(p), Sum: xxhash.Sum64String(p)})
	}
	return f
}

// sized makes a frame that takes exactly size bytes, a multiple of 8 and at
// least 56, and whose content depends on tag.
func sized(tag uint64, size int64) Frame {
	r := rand.New(rand.NewPCG(tag, 7))
	meta := make([]byte, size-frameHead)
	for i := range meta {
		meta[i] = byte(r.Uint32())
	}
	return Frame{Meta: meta}
}

// random makes a frame of about n bytes in some parts.
func random(r *rand.Rand, n int) Frame {
	some := func(n int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	f := Frame{Meta: some(r.IntN(n/2 + 1))}
	for range r.IntN(4) {
		b := some(r.IntN(n/2 + 1))
		f.Parts = append(f.Parts, Part{Bytes: b, Sum: xxhash.Sum64(b)})
	}
	return f
}

// clone copies what an entry holds.
func clone(e *Entry) Frame {
	f := Frame{Meta: bytes.Clone(e.Meta)}
	for _, p := range e.Parts {
		f.Parts = append(f.Parts, Part{Bytes: bytes.Clone(p.Bytes), Sum: p.Sum})
	}
	return f
}

func sameFrame(a, b Frame) bool {
	if !bytes.Equal(a.Meta, b.Meta) || len(a.Parts) != len(b.Parts) {
		return false
	}
	for i := range a.Parts {
		if a.Parts[i].Sum != b.Parts[i].Sum || !bytes.Equal(a.Parts[i].Bytes, b.Parts[i].Bytes) {
			return false
		}
	}
	return true
}

// filling makes config set Fill. It is for modes alone to set.
var filling bool

func config(fs vfs.FS, mapped bool) Config {
	return Config{Fill: filling, FS: fs, Dir: testDir, Store: testStore, Epoch: 1, FileSize: 16 << 10, ShortSize: 16 << 10, Mapped: mapped}
}

func replayConfig(fs vfs.FS) ReplayConfig {
	return ReplayConfig{FS: fs, Dir: testDir, Store: testStore, Number: 1, Position: 1}
}

// readAll replays and returns what was delivered.
func readAll(t testing.TB, cfg ReplayConfig) ([]Frame, Result) {
	t.Helper()
	var got []Frame
	pos := cfg.Position
	res, err := Replay(cfg, func(e *Entry) error {
		if e.Position != pos {
			t.Fatalf("delivered position %d instead of %d", e.Position, pos)
		}
		pos++
		got = append(got, clone(e))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if res.Position != pos || res.Frames != uint64(len(got)) {
		t.Fatalf("result %+v does not fit %d frames", res, len(got))
	}
	return got, res
}

// checkPrefix fails unless got is a prefix of want with at least least frames.
func checkPrefix(t testing.TB, got, want []Frame, least int) {
	t.Helper()
	if len(got) > len(want) || len(got) < least {
		t.Fatalf("%d frames, want %d to %d", len(got), least, len(want))
	}
	for i := range got {
		if !sameFrame(got[i], want[i]) {
			t.Fatalf("frame %d differs from what was appended", i)
		}
	}
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func create(t testing.TB, cfg Config) *Log {
	t.Helper()
	l, err := Create(cfg, 1, 1, Tail{}, nil)
	must(t, err)
	return l
}

func appendAll(t testing.TB, l *Log, frames ...Frame) {
	t.Helper()
	before := l.Position()
	n, first, err := l.Append(frames)
	if err != nil || n != len(frames) || first != before+1 || l.Position() != before+uint64(n) {
		t.Fatalf("Append = %d, %d, %v; position %d to %d", n, first, err, before, l.Position())
	}
}

// reopen continues after a replay, in the next epoch.
func reopen(t testing.TB, cfg Config, res Result) *Log {
	t.Helper()
	if res.Damage != nil {
		t.Fatal(res.Damage)
	}
	l, err := Create(cfg, res.Highest+1, res.Position, res.Tail, res.Void)
	must(t, err)
	return l
}

// content returns a file's bytes.
func content(t testing.TB, fs vfs.FS, number uint64) []byte {
	t.Helper()
	f, err := fs.Open(testDir+"/"+fileName(number), vfs.Read)
	must(t, err)
	defer f.Close()
	size, err := f.Size()
	must(t, err)
	b := make([]byte, size)
	_, err = f.ReadAt(b, 0)
	must(t, err)
	return b
}

// setContent replaces a file's bytes.
func setContent(t testing.TB, fs vfs.FS, number uint64, b []byte) {
	t.Helper()
	f, err := fs.Open(testDir+"/"+fileName(number), vfs.Create)
	must(t, err)
	defer f.Close()
	must(t, f.Truncate(int64(len(b))))
	_, err = f.WriteAt(b, 0)
	must(t, err)
}

// modes runs a test for both ways of writing.
func modes(t *testing.T, f func(t *testing.T, mapped bool)) {
	for _, mapped := range []bool{false, true} {
		t.Run(fmt.Sprintf("mapped=%t", mapped), func(t *testing.T) { f(t, mapped) })
	}
	t.Run("filled", func(t *testing.T) {
		filling = true
		defer func() { filling = false }()
		f(t, true)
	})
}
