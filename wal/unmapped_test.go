package wal

import (
	"testing"

	"github.com/pipeproc/pipeproc/vfs"
)

// TestMapsNotFreely has a log do all that it does with its files where they must not
// be renamed, cut or removed while they are mapped: none is mapped.
func TestMapsNotFreely(t *testing.T) {
	mapsFreely = false
	defer func() { mapsFreely = vfs.MapsFreely }()
	fs := vfs.NewFault(vfs.NewMem(), func(op vfs.Op) error {
		if op.Kind == vfs.OpMap {
			t.Errorf("%s is mapped", op.Name)
		}
		return nil
	})
	cfg := config(fs, true)
	cfg.FileSize, cfg.Fill = 64<<10, true
	l := create(t, cfg)
	var want []Frame
	for range 40 {
		f := sized(uint64(len(want)), 10<<10)
		want = append(want, f)
		appendAll(t, l, f)
		must(t, l.Sync())
	}
	got, _ := readAll(t, replayConfig(fs))
	checkPrefix(t, got, want, len(want))
	must(t, l.Drop(l.cur.number)) // some are kept, some removed
	must(t, l.Prepare())
	for range 40 { // in files that are renamed
		appendAll(t, l, sized(uint64(len(want)), 10<<10))
	}
	must(t, l.Sync())
	must(t, l.Close(0))
}
