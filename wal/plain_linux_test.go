package wal

import (
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/pipeproc/pipeproc/vfs"
)

// refuseStores has every store to a mapping of the log's file fault, as on a file
// system that has no room for the page that it would make dirty.
func refuseStores(t *testing.T, f *file) {
	t.Helper()
	if err := unix.Mprotect(f.data, unix.PROT_READ); err != nil {
		t.Fatal(err)
	}
}

// TestS15StoreFaults: field case S15. A store that faults, while its file is whole, is
// written instead, and that says why it fails, if it does.
func TestS15StoreFaults(t *testing.T) {
	var full atomic.Bool
	fs := vfs.NewFault(vfs.OS(), func(op vfs.Op) error {
		if full.Load() && op.Kind == vfs.OpWriteAt && strings.HasSuffix(op.Name, ".log") {
			return syscall.ENOSPC
		}
		return nil
	})
	cfg := config(fs, true)
	cfg.Dir, cfg.FileSize = t.TempDir()+"/wal", 64<<10
	l := create(t, cfg)
	var want []Frame
	add := func(n int) {
		t.Helper()
		for range n {
			f := sized(uint64(len(want)), 500)
			want = append(want, f)
			appendAll(t, l, f)
		}
	}
	check := func() {
		t.Helper()
		rc := replayConfig(fs)
		rc.Dir, rc.Number, rc.Position = cfg.Dir, l.live[0].number, l.live[0].first
		got, res := readAll(t, rc)
		if res.Damage != nil || len(res.Cut) > 0 {
			t.Fatalf("damage %v, cut %v", res.Damage, res.Cut)
		}
		checkPrefix(t, got, want[rc.Position-1:], len(want)-int(rc.Position-1))
	}
	add(10)
	refuseStores(t, l.cur)
	full.Store(true)
	if n, _, err := l.Append([]Frame{sized(99, 500)}); n != 0 || !vfs.NoSpace(err) {
		t.Fatalf("%d frames, %v", n, err)
	}
	full.Store(false)
	add(10) // in the next file, as the last one was closed off
	if !l.Mapped() {
		t.Error("the next file is not mapped")
	}
	refuseStores(t, l.cur)
	number := l.cur.number
	add(10)
	if l.cur.number != number || l.Mapped() {
		t.Errorf("file %d, mapped %v; want %d, and writes", l.cur.number, l.Mapped(), number)
	}
	must(t, l.Sync())
	check()
	must(t, l.Drop(l.cur.number))
	add(300) // in other files
	check()

	// The header of a spare cannot be stored.
	must(t, l.Prepare())
	l.mu.Lock()
	for _, f := range l.spares {
		if f.m != nil {
			refuseStores(t, f)
		}
	}
	l.mu.Unlock()
	m, err := l.Roll()
	must(t, err)
	if l.Mapped() || m.Number != l.cur.number {
		t.Error("the test shows nothing: the spare was stored to")
	}
	add(10)
	must(t, l.SyncFrom(l.cur.number))
	must(t, l.Sync())
	check()
	must(t, l.Close(0))
}

// TestS15CutFile: a file that was cut short under its mapping is not made longer
// again, which would put zeroes in the place of frames.
func TestS15CutFile(t *testing.T) {
	cfg := config(vfs.OS(), true)
	cfg.Dir, cfg.FileSize = t.TempDir()+"/wal", 64<<10
	l := create(t, cfg)
	appendAll(t, l, sized(1, 500))
	must(t, l.cur.f.Truncate(headerSize))
	if n, _, err := l.Append([]Frame{sized(2, 500)}); n != 0 || err == nil {
		t.Fatalf("%d frames, %v", n, err)
	}
	if size, err := l.live[0].f.Size(); size != headerSize || err != nil {
		t.Errorf("%d bytes, %v", size, err)
	}
	must(t, l.Close(0))
}

// TestS17Unmapped: field case S17. What cannot be mapped is written.
func TestS17Unmapped(t *testing.T) {
	for name, fill := range map[string]bool{"interval": false, "never": true} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewFault(vfs.NewMem(), vfs.FailKind(vfs.OpMap, "", syscall.ENODEV))
			cfg := config(fs, true)
			cfg.FileSize, cfg.Fill = 64<<10, fill
			l := create(t, cfg)
			var want []Frame
			add := func(n int) {
				for range n {
					f := sized(uint64(len(want)), 1000)
					want = append(want, f)
					appendAll(t, l, f)
				}
			}
			add(200)
			if l.Mapped() {
				t.Error("mapped")
			}
			must(t, l.Sync())
			must(t, l.Prepare())
			add(200)
			got, _ := readAll(t, replayConfig(fs))
			checkPrefix(t, got, want, len(want))
			must(t, l.Close(0))
		})
	}
}
