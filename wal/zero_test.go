package wal

import (
	"testing"

	"github.com/pipeproc/pipeproc/vfs"
)

// Without a spare the next file is short and was written before it is used; with
// one the usual size is back. A mapped log has no use for that.
func TestShortFiles(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		fs := vfs.NewMem()
		zeroed := map[string]int64{}
		cfg := config(vfs.NewFault(fs, func(op vfs.Op) error {
			if op.Kind == vfs.OpWriteAt && op.Off == zeroed[op.Name] {
				zeroed[op.Name] += op.Len
			}
			return nil
		}), mapped)
		cfg.FileSize, cfg.ShortSize = 256<<10, 128<<10
		l := create(t, cfg)
		size := func(want int64) {
			t.Helper()
			if mapped {
				want = cfg.FileSize
			} else if n := zeroed[cfg.Dir+"/"+fileName(l.cur.number)]; n < want {
				t.Errorf("%d of %d bytes written", n, want)
			}
			if l.cur.size != want {
				t.Errorf("file %d has %d bytes, want %d", l.cur.number, l.cur.size, want)
			}
		}
		var want []Frame
		fill := func(n int64) {
			want = append(want, sized(uint64(len(want)), n))
			appendAll(t, l, want[len(want)-1])
		}
		size(128 << 10)
		fill(40 << 10)
		if l.Wanting() != mapped {
			t.Error("a spare is wanted too early")
		}
		fill(40 << 10)
		if !l.Wanting() {
			t.Error("no spare is wanted when half is full")
		}
		fill(60 << 10) // no spare
		size(128 << 10)
		must(t, l.Prepare())
		fill(100 << 10)
		size(256 << 10)
		fill(200 << 10) // does not fit a short one
		if l.cur.size != 256<<10 {
			t.Error(l.cur.size)
		}
		must(t, l.Sync())
		got, res := readAll(t, replayConfig(fs))
		checkPrefix(t, got, want, len(want))
		if res.Damage != nil || len(res.Cut) != 0 {
			t.Errorf("%+v", res)
		}
	})
}

// On a full disk a log can begin where an old file is that it has no other use
// for.
func TestCreateInTheRoomOfOldFiles(t *testing.T) {
	mem := vfs.NewMem()
	cfg := config(mem, false)
	cfg.FileSize = 256 << 10
	cfg.ShortSize = 128 << 10
	l := create(t, cfg)
	appendAll(t, l, frame("a"))
	must(t, l.Sync())
	must(t, l.Close(1))
	mem.SetCapacity(134 << 10)
	l, err := Create(cfg, 2, 2, Tail{}, []uint64{1})
	must(t, err)
	appendAll(t, l, frame("b"))
	must(t, l.Close(1))
}
