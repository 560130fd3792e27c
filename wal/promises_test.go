package wal

import (
	"path"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/vfs"
)

// Each test here is for one rule whose lack random tests would hardly notice.

// failWhole makes the operations fail that pick picks; writes are done all the
// same.
func failWhole(pick func(op vfs.Op) bool) func(vfs.Op) error {
	return func(op vfs.Op) error {
		if pick(op) {
			return vfs.ShortWrite{N: 1 << 30, Err: syscall.EIO}
		}
		return nil
	}
}

// A refused frame that is on disk all the same does not come back, neither at
// once nor after a frame that took its place.
func TestRefusedFramesStayAway(t *testing.T) {
	fs := vfs.NewMem()
	fault := vfs.NewFault(fs, nil)
	l := create(t, config(fault, false))
	want := []Frame{sized(1, 128)}
	appendAll(t, l, want...)
	first := true
	fault.SetHook(failWhole(func(op vfs.Op) bool {
		defer func() { first = false }()
		return first && op.Kind == vfs.OpWriteAt
	}))
	if n, _, err := l.Append([]Frame{sized(2, 128), sized(3, 128)}); n != 0 || err == nil {
		t.Fatal(n, err)
	}
	got, res := readAll(t, replayConfig(fs))
	checkPrefix(t, got, want, 1)
	if res.Damage != nil {
		t.Error(res.Damage)
	}
	appendAll(t, l, sized(4, 128))
	got, res = readAll(t, replayConfig(fs))
	checkPrefix(t, got, append(want, sized(4, 128)), 2)
	if res.Damage != nil || len(res.Cut) != 0 {
		t.Errorf("%+v", res)
	}
}

// Once the header of the next file may be on disk, nothing more goes into this
// one.
func TestHalfDoneRoll(t *testing.T) {
	fs := vfs.NewMem()
	fault := vfs.NewFault(fs, nil)
	l := create(t, config(fault, false))
	appendAll(t, l, sized(1, 10<<10))
	fault.SetHook(failWhole(func(op vfs.Op) bool {
		return op.Kind == vfs.OpWriteAt && op.Len == headerSize || op.Kind == vfs.OpRemove
	}))
	if n, _, err := l.Append([]Frame{sized(2, 10<<10)}); n != 0 || err == nil {
		t.Fatal(n, err)
	}
	fault.SetHook(nil)
	appendAll(t, l, frame("would fit"))
	must(t, l.Sync())
	got, res := readAll(t, replayConfig(fs))
	checkPrefix(t, got, []Frame{sized(1, 10<<10), frame("would fit")}, 2)
	if res.Damage != nil || !slices.Equal(res.Files, []uint64{1, 3}) || !slices.Equal(res.Void, []uint64{2}) {
		t.Errorf("%+v", res)
	}
}

// What a later life was built on was made durable, so its loss is damage even
// if that life wrote nothing.
func TestLossUnderALaterLife(t *testing.T) {
	fs := vfs.NewMem()
	cfg := config(fs, true)
	l := create(t, cfg)
	appendAll(t, l, sized(1, 128), sized(2, 128))
	must(t, l.Close(0))
	_, res := readAll(t, replayConfig(fs))
	cfg.Epoch++
	must(t, reopen(t, cfg, res).Close(0))
	b := content(t, fs, 1)
	clear(b[res.Tail.End-128:])
	setContent(t, fs, 1, b)
	got, res := readAll(t, replayConfig(fs))
	if len(got) != 1 || res.Damage == nil || res.Damage.File != fileName(1) || res.Damage.Offset != headerSize+128 {
		t.Errorf("%+v", res)
	}
}

// Files are synced oldest first, and then their names.
func TestSyncOrder(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		var ops []string
		fault := vfs.NewFault(vfs.NewMem(), nil)
		l := create(t, config(fault, mapped))
		for i := range uint64(36) { // 12 to a file, short ones, which a mapped log stores
			appendAll(t, l, sized(i, 1000))
		}
		fault.SetHook(func(op vfs.Op) error {
			ops = append(ops, string(op.Kind)+" "+path.Base(op.Name))
			return nil
		})
		must(t, l.Sync())
		first := "syncdata "
		if mapped {
			first = "mapsync "
		}
		want := []string{first + fileName(1), "syncdata " + fileName(2), "syncdata " + fileName(3), "syncdir wal"}
		if !slices.Equal(ops, want) {
			t.Errorf("got %q", ops)
		}
		ops = nil
		must(t, l.Sync())
		if len(ops) != 0 {
			t.Errorf("a sync without need: %q", ops)
		}
		appendAll(t, l, frame("x"))
		ops = nil
		must(t, l.Sync())
		if want := []string{first + fileName(3)}; !slices.Equal(ops, want) {
			t.Errorf("got %q", ops)
		}
	})
}

// In an unsynced log, nothing but Sync syncs.
func TestAppendDoesNotSync(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		fault := vfs.NewFault(vfs.NewMem(), nil)
		l := create(t, config(fault, mapped))
		fault.SetHook(func(op vfs.Op) error {
			switch op.Kind {
			case vfs.OpSync, vfs.OpSyncData, vfs.OpMapSync, vfs.OpSyncDir:
				t.Errorf("%s", op.Kind)
			}
			return nil
		})
		for i := range uint64(20) {
			appendAll(t, l, sized(i, 5<<10))
			must(t, l.Drop(l.cur.number))
		}
		must(t, l.Close(2))
	})
}

// Drop does not take a file away from a sync that is under way.
func TestDropWaitsForSync(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		fault := vfs.NewFault(vfs.NewMem(), nil)
		cfg := config(fault, mapped)
		cfg.Spares = -1
		l := create(t, cfg)
		appendAll(t, l, sized(1, 10<<10), sized(2, 10<<10))
		dropped := make(chan error, 1)
		number, begun := l.cur.number, false
		fault.SetHook(func(op vfs.Op) error {
			if !begun && (op.Kind == vfs.OpSyncData || op.Kind == vfs.OpMapSync) {
				begun = true
				go func() { dropped <- l.Drop(number) }()
				select {
				case err := <-dropped:
					dropped <- err
				case <-time.After(20 * time.Millisecond):
				}
			}
			return nil
		})
		must(t, l.Sync())
		must(t, <-dropped)
		if l.Files() != 1 {
			t.Error(l.Files())
		}
	})
}

// A number in a header counts as used: the file may have been on its way to it.
func TestNumbersInHeadersAreUsed(t *testing.T) {
	fs := vfs.NewMem()
	l := create(t, config(fs, false))
	appendAll(t, l, frame("a"))
	h := fileHeader{store: testStore, epoch: 1, number: 9, size: 16 << 10, first: 2, prev: l.tail()}
	b := make([]byte, 16<<10)
	h.put(b)
	setContent(t, fs, 3, b)
	got, res := readAll(t, replayConfig(fs))
	checkPrefix(t, got, []Frame{frame("a")}, 1)
	if res.Highest != 9 || !slices.Equal(res.Void, []uint64{3}) || res.Damage != nil {
		t.Errorf("%+v", res)
	}
}

// tail returns where the log ends.
func (l *Log) tail() Tail { return Tail{Number: l.cur.number, End: l.cur.end.Load()} }

// A mapped log stores short frames and writes others. In either way a killed
// process loses nothing, and Sync makes both durable.
func TestMappedBothWays(t *testing.T) {
	disk := vfs.NewCrash()
	fault := vfs.NewFault(disk, nil)
	cfg := config(fault, true)
	cfg.FileSize = 1 << 20
	l := create(t, cfg)
	must(t, disk.SyncDir("/"))
	var ops []vfs.OpKind
	fault.SetHook(func(op vfs.Op) error { ops = append(ops, op.Kind); return nil })
	var sent []Frame
	step := func(want []vfs.OpKind, frames ...Frame) {
		t.Helper()
		ops = nil
		appendAll(t, l, frames...)
		sent = append(sent, frames...)
		if !slices.Equal(ops, want) {
			t.Errorf("appending %d frames: %v, want %v", len(frames), ops, want)
		}
		got, _ := readAll(t, replayConfig(disk.Kill()))
		checkPrefix(t, got, sent, len(sent))
	}
	durable := func(want vfs.OpKind) {
		t.Helper()
		ops = nil
		must(t, l.Sync())
		if !slices.Equal(ops, []vfs.OpKind{want}) {
			t.Errorf("sync: %v, want %v", ops, want)
		}
		got, _ := readAll(t, replayConfig(disk.Crash(func(vfs.Unit) bool { return false })))
		checkPrefix(t, got, sent, len(sent))
	}
	none, one := []vfs.OpKind(nil), []vfs.OpKind{vfs.OpWriteAt}
	step(none, sized(1, 200))
	step(none, sized(2, 496), sized(3, 504))
	durable(vfs.OpMapSync)
	step(one, sized(4, 1024))
	step(none, sized(5, 104))
	step(one, sized(6, 512), sized(7, 512))
	durable(vfs.OpSyncData)
	step(none, sized(8, 104))
	durable(vfs.OpSyncData)
	fault.SetHook(nil)
	must(t, l.Close(0))
}
