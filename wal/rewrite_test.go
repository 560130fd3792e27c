package wal

import (
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/vfs"
)

// A failed sync can leave pages that the kernel takes for clean and the disk
// does not have. Syncing them again proves nothing: they have to be written
// again.
func TestRewriteAfterFailedSync(t *testing.T) {
	fsys := vfs.NewFault(vfs.NewMem(), nil)
	cfg := Config{FS: fsys, Dir: "wal", Epoch: 1, FileSize: 8 << 10}
	l, err := Create(cfg, 1, 1, Tail{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := l.Append([]Frame{{Meta: []byte("frame")}}); err != nil {
		t.Fatal(err)
	}
	_ = l.Close(0)
	replay := ReplayConfig{FS: fsys, Dir: "wal", Number: 1, Position: 1}
	res, err := Replay(replay, func(*Entry) error { return nil })
	if err != nil || res.Frames != 1 {
		t.Fatal(res, err)
	}
	var written int64
	synced := false
	fsys.SetHook(func(op vfs.Op) error {
		if strings.HasSuffix(op.Name, fileName(1)) || strings.HasSuffix(op.Name, renewed) {
			switch op.Kind {
			case vfs.OpWriteAt:
				written += op.Len
			case vfs.OpSyncData, vfs.OpSync:
				synced = written >= res.Tail.End
			}
		}
		return nil
	})
	cfg.Epoch, cfg.Rewrite = 2, true
	l, err = Create(cfg, 2, res.Position, res.Tail, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close(0)
	if !synced {
		t.Fatalf("%d bytes were written again before the sync, the log has %d", written, res.Tail.End)
	}
	if res, err := Replay(replay, func(*Entry) error { return nil }); err != nil || res.Frames != 1 {
		t.Fatal(res, err)
	}
}

// Salvage passes over a damaged frame and delivers the frames after it.
func TestSalvage(t *testing.T) {
	fsys := vfs.NewMem()
	cfg := Config{FS: fsys, Dir: "wal", Epoch: 1, FileSize: 8 << 10}
	l, err := Create(cfg, 1, 1, Tail{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"one", "two", "three", "four"} {
		if _, _, err := l.Append([]Frame{{Meta: []byte(s)}}); err != nil {
			t.Fatal(err)
		}
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	_ = l.Close(0)
	f, err := fsys.Open("wal/"+fileName(1), vfs.Write)
	if err != nil {
		t.Fatal(err)
	}
	at := int64(headerSize) + FrameSize(3, 0, 0)
	if _, err := f.WriteAt([]byte{0xff}, at+20); err != nil { // the size of "two"
		t.Fatal(err)
	}
	_ = f.Close()
	replay := ReplayConfig{FS: fsys, Dir: "wal", Number: 1, Position: 1}
	res, err := Replay(replay, func(*Entry) error { return nil })
	if err != nil || res.Damage == nil || res.Frames != 1 {
		t.Fatal(res, err)
	}
	var got []string
	if err := Salvage(replay, res.Position-1, func(e *Entry) error {
		got = append(got, string(e.Meta))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if strings.Join(got, " ") != "three four" {
		t.Fatal(got)
	}
}
