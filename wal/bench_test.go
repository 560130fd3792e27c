package wal

import (
	"fmt"
	"testing"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/vfs"
)

// benchLog makes a log on the real file system.
func benchLog(b *testing.B, mapped bool) (*Log, Config) {
	cfg := Config{FS: vfs.OS(), Dir: b.TempDir(), Store: testStore, Mapped: mapped}
	l := create(b, cfg)
	b.Cleanup(func() { _ = l.Close(0) })
	// Have the files of a log in its steady state.
	for range 4 {
		fillFile(b, l)
	}
	must(b, l.Drop(l.cur.number))
	return l, cfg
}

func fillFile(b *testing.B, l *Log) {
	number := l.cur.number
	f := []Frame{sized(0, 256<<10)}
	for l.cur.number == number {
		if _, _, err := l.Append(f); err != nil {
			b.Fatal(err)
		}
	}
}

// command is a frame of about 200 bytes: one part of 100 bytes and 24 of meta.
func command() Frame {
	part := make([]byte, 100)
	return Frame{Meta: make([]byte, 24), Parts: []Part{{part, xxhash.Sum64(part)}}}
}

func benchAppend(b *testing.B, mapped bool, frames []Frame) {
	l, _ := benchLog(b, mapped)
	var bytes int64
	for i := range frames {
		bytes += frames[i].size()
	}
	b.SetBytes(bytes)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, _, err := l.Append(frames); err != nil {
			b.Fatal(err)
		}
		if i&1023 == 0 {
			must(b, l.Drop(l.cur.number))
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, mapped := range []bool{true, false} {
		for _, n := range []int{1, 64} {
			b.Run(fmt.Sprintf("mapped=%t/frames=%d", mapped, n), func(b *testing.B) {
				frames := make([]Frame, n)
				for i := range frames {
					frames[i] = command()
				}
				benchAppend(b, mapped, frames)
			})
		}
		b.Run(fmt.Sprintf("mapped=%t/1MiB", mapped), func(b *testing.B) {
			part := make([]byte, 1<<20)
			benchAppend(b, mapped, []Frame{{Parts: []Part{{part, xxhash.Sum64(part)}}}})
		})
	}
}

func BenchmarkAppendSync(b *testing.B) {
	for _, mapped := range []bool{true, false} {
		b.Run(fmt.Sprintf("mapped=%t", mapped), func(b *testing.B) {
			l, _ := benchLog(b, mapped)
			must(b, l.Sync())
			f := []Frame{command()}
			for b.Loop() {
				if _, _, err := l.Append(f); err != nil {
					b.Fatal(err)
				}
				must(b, l.Sync())
			}
		})
	}
}

func BenchmarkReplay(b *testing.B) {
	for _, c := range []struct {
		name string
		f    Frame
	}{{"small", command()}, {"large", frame("meta", string(make([]byte, 64<<10)))}} {
		b.Run(c.name, func(b *testing.B) {
			cfg := Config{FS: vfs.OS(), Dir: b.TempDir(), Store: testStore, Mapped: true}
			l := create(b, cfg)
			for l.Size() < 64<<20 {
				appendAll(b, l, c.f)
			}
			must(b, l.Close(0))
			rcfg := ReplayConfig{FS: cfg.FS, Dir: cfg.Dir, Store: testStore, Number: 1, Position: 1}
			b.SetBytes(64 << 20)
			b.ReportAllocs()
			for b.Loop() {
				res, err := Replay(rcfg, func(*Entry) error { return nil })
				if err != nil || res.Position != l.Position()+1 {
					b.Fatal(res, err)
				}
			}
		})
	}
}

// Appending does not allocate once things have settled.
func TestAppendAllocations(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		cfg := config(vfs.NewMem(), mapped)
		cfg.FileSize = 1 << 20
		l := create(t, cfg)
		frames := []Frame{command(), command()}
		appendAll(t, l, frames...)
		if n := testing.AllocsPerRun(500, func() {
			if _, _, err := l.Append(frames); err != nil {
				t.Fatal(err)
			}
		}); n != 0 {
			t.Errorf("%v allocations per Append", n)
		}
	})
}
