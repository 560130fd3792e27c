package fuzz

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/vfs"
	"github.com/pipeproc/pipeproc/wal"
)

const walFileSize = 8192

// seedWAL writes a log of a few files and returns them.
func seedWAL(f *testing.F) (names []string, files [][]byte, frames [][]byte) {
	m := vfs.NewMem()
	if err := m.MkdirAll("wal"); err != nil {
		f.Fatal(err)
	}
	l, err := wal.Create(wal.Config{FS: m, Dir: "wal", Store: storeID, Epoch: 5, Boot: 7, FileSize: walFileSize, Spares: -1}, 1, 1, wal.Tail{}, nil)
	if err != nil {
		f.Fatal(err)
	}
	for i := range 12 {
		body := bytes.Repeat([]byte{byte(i)}, 200*(i%7))
		frame := wal.Frame{Meta: fmt.Appendf(nil, "meta %d", i)}
		if i%3 > 0 {
			frame.Parts = []wal.Part{{Bytes: body, Sum: xxhash.Sum64(body)}, {Bytes: nil, Sum: xxhash.Sum64(nil)}}
		}
		if _, _, err := l.Append([]wal.Frame{frame}); err != nil {
			f.Fatal(err)
		}
		if i == 7 {
			if err := l.Sync(); err != nil {
				f.Fatal(err)
			}
		}
		l.Acknowledge()
		frames = append(frames, frame.Meta)
	}
	infos, err := m.ReadDir("wal")
	if err != nil {
		f.Fatal(err)
	}
	for _, i := range infos {
		h, err := m.Open("wal/"+i.Name, vfs.Read)
		if err != nil {
			f.Fatal(err)
		}
		b := make([]byte, i.Size)
		if _, err := h.ReadAt(b, 0); err != nil && err != io.EOF {
			f.Fatal(err)
		}
		_ = h.Close()
		names, files = append(names, i.Name), append(files, b)
	}
	return names, files, frames
}

// FuzzWALReplay changes files of a log, or replaces them with other bytes, and
// replays, checks and dumps it.
func FuzzWALReplay(f *testing.F) {
	names, files, frames := seedWAL(f)
	if len(files) < 2 {
		f.Fatalf("%d files", len(files))
	}
	for i := range files {
		f.Add(byte(i), []byte{})
		f.Add(byte(i), edits(4096+16, 64))
		f.Add(byte(i)|64, edits(4096+8, 1, 0, 0, 0, 200, 0, 0, 0))
		f.Add(byte(i)|64, edits(64, 0, 0))
		f.Add(byte(i)|64, []byte{0, 17, 0, 255})
		f.Add(byte(i)|128, files[i][:min(len(files[i]), 4200)])
	}
	f.Fuzz(func(t *testing.T, how byte, data []byte) {
		if len(data) > 32<<10 {
			return
		}
		i := int(how&63) % len(files)
		m := vfs.NewMem()
		if err := m.MkdirAll("wal"); err != nil {
			t.Fatal(err)
		}
		total := 0
		for j, b := range files {
			if j == i {
				if how&128 != 0 {
					b = append([]byte(nil), data...)
				} else {
					b = edit(b, data)
				}
				if how&64 != 0 {
					mendWAL(b)
				}
			}
			total += len(b)
			memFile(t, m, "wal/"+names[j], b)
		}
		cfg := wal.ReplayConfig{FS: m, Dir: "wal", Store: storeID, Number: 1, Position: 1}
		bounded(t, total, 32<<20, 256, func() {
			for _, missing := range []bool{false, true} {
				cfg.AllowMissing = missing
				cfg.Epoch, cfg.First, cfg.Boot = 0, 0, 0
				if !missing { // with a mark that is believed
					cfg.Epoch, cfg.First, cfg.Boot = 5, 1, 7
				}
				got, res := replay(t, cfg)
				again, res2 := replay(t, cfg)
				if !slices.Equal(got, again) || fmt.Sprint(res) != fmt.Sprint(res2) {
					t.Fatalf("two replays differ: %v %v", res, res2)
				}
				if how&64 == 0 { // with mended checksums anything may appear
					for j, meta := range got {
						if meta != string(frames[j]) {
							t.Fatalf("frame %d is %q", j, meta)
						}
					}
				}
				if err := wal.Check(cfg, func(*wal.CorruptError) {}); err != nil && !errors.Is(err, wal.ErrVersion) {
					t.Fatalf("check: %v", err)
				}
			}
			h, err := m.Open("wal/"+names[i], vfs.Read)
			if err != nil {
				t.Fatal(err)
			}
			defer h.Close()
			size, _ := h.Size()
			if err := wal.Dump(io.Discard, h, size); err != nil && !errors.Is(err, wal.ErrVersion) {
				t.Fatalf("dump: %v", err)
			}
		})
	})
}

func replay(t *testing.T, cfg wal.ReplayConfig) (metas []string, res wal.Result) {
	next := cfg.Position
	res, err := wal.Replay(cfg, func(e *wal.Entry) error {
		if e.Position != next {
			t.Fatalf("position %d instead of %d", e.Position, next)
		}
		next++
		for _, p := range e.Parts {
			if xxhash.Sum64(p.Bytes) != p.Sum {
				t.Fatal("a part that was not verified")
			}
		}
		metas = append(metas, string(e.Meta))
		return nil
	})
	if err != nil && !errors.Is(err, wal.ErrVersion) {
		t.Fatalf("replay: %v", err)
	}
	if err == nil && (res.Position != next || res.Frames != uint64(len(metas))) {
		t.Fatalf("%d frames up to %d, the result says %d up to %d", len(metas), next, res.Frames, res.Position)
	}
	return metas, res
}
