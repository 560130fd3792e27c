package wal

import (
	"errors"
	"math/rand/v2"
	"path"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc/vfs"
)

func TestRoundTrip(t *testing.T) {
	for _, name := range []string{"mem", "os"} {
		modes(t, func(t *testing.T, mapped bool) {
			t.Run(name, func(t *testing.T) {
				cfg := config(vfs.NewMem(), mapped)
				rcfg := replayConfig(cfg.FS)
				if name == "os" {
					cfg.FS = vfs.OS()
					cfg.Dir = filepath.Join(t.TempDir(), "wal")
					rcfg.FS, rcfg.Dir = cfg.FS, cfg.Dir
				}
				roundTrip(t, cfg, rcfg)
			})
		})
	}
}

func roundTrip(t *testing.T, cfg Config, rcfg ReplayConfig) {
	r := rand.New(rand.NewPCG(1, 2))
	l := create(t, cfg)
	var want []Frame
	for range 60 {
		var batch []Frame
		for range r.IntN(12) {
			batch = append(batch, random(r, 1<<r.IntN(13)))
		}
		if r.IntN(20) == 0 {
			batch = append(batch, random(r, 700<<10)) // has parts that are not copied
		}
		appendAll(t, l, batch...)
		want = append(want, batch...)
		if r.IntN(5) == 0 {
			must(t, l.Prepare())
		}
		if r.IntN(5) == 0 {
			must(t, l.Sync())
			if l.Durable() != l.Position() {
				t.Fatalf("durable %d, position %d", l.Durable(), l.Position())
			}
		}
	}
	size, files := l.Size(), l.Files()
	must(t, l.Close(0))
	if _, _, err := l.Append(want[:1]); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if err := l.Sync(); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	got, res := readAll(t, rcfg)
	checkPrefix(t, got, want, len(want))
	if res.Damage != nil || len(res.Cut) != 0 || len(res.Void) != 0 {
		t.Errorf("%+v", res)
	}
	if size != res.Bytes+int64(len(res.Files))*headerSize || files != len(res.Files) {
		t.Errorf("Size %d, Files %d; replay says %+v", size, files, res)
	}

	// The next log carries on, and knows what is there.
	cfg.Epoch++
	l = reopen(t, cfg, res)
	if l.Size() != size+headerSize || l.Files() != files+1 {
		t.Errorf("after reopening: Size %d, Files %d", l.Size(), l.Files())
	}
	appendAll(t, l, want[0])
	must(t, l.Close(0))
	got, _ = readAll(t, rcfg)
	checkPrefix(t, got, append(want, want[0]), len(want)+1)
}

func TestRollMarks(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		fs := vfs.NewMem()
		l := create(t, config(fs, mapped))
		if m, err := l.Roll(); err != nil || m != (Mark{1, 1}) {
			t.Fatal(m, err) // still empty
		}
		appendAll(t, l, frame("a"), frame("b"))
		m, err := l.Roll()
		if err != nil || m != (Mark{2, 3}) {
			t.Fatal(m, err)
		}
		if again, err := l.Roll(); err != nil || again != m {
			t.Fatal(again, err)
		}
		appendAll(t, l, frame("c"))
		must(t, l.Sync())
		must(t, l.Drop(m.Number))
		if l.Files() != 1 || l.Size() != headerSize+64 {
			t.Error(l.Files(), l.Size())
		}
		cfg := replayConfig(fs)
		cfg.Number, cfg.Position = m.Number, m.Position
		got, res := readAll(t, cfg)
		checkPrefix(t, got, []Frame{frame("c")}, 1)
		if len(res.Void) != 1 || res.Void[0] != 1 || res.Highest != 2 {
			t.Errorf("%+v", res)
		}
	})
}

// Files are recycled, the surplus goes, and no file is made while there is a
// spare.
func TestRecycling(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		fs := vfs.NewMem()
		created := 0
		cfg := config(vfs.NewFault(fs, func(op vfs.Op) error {
			if op.Kind == vfs.OpCreate && path.Base(op.Name) != MarkName {
				created++
			}
			return nil
		}), mapped)
		l := create(t, cfg)
		for range 4 {
			appendAll(t, l, sized(0, 12<<10), sized(1, 12<<10))
		}
		must(t, l.Drop(l.cur.number))
		infos, err := fs.ReadDir(testDir)
		must(t, err)
		if len(infos) != 4 || created != 8 {
			t.Fatalf("%d files, %d created; want 3 and the mark, of 8", len(infos), created)
		}
		for range 20 {
			appendAll(t, l, sized(0, 12<<10), sized(1, 12<<10))
			must(t, l.Drop(l.cur.number))
		}
		if created != 8 {
			t.Errorf("%d files created", created)
		}
		must(t, l.Close(1))
		if infos, err = fs.ReadDir(testDir); err != nil || len(infos) != 3 {
			t.Error(infos, err)
		}
	})
}

func TestPrepare(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		fs := vfs.NewMem()
		fault := vfs.NewFault(fs, nil)
		l := create(t, config(fault, mapped))
		must(t, l.Prepare())
		must(t, l.Prepare()) // has enough
		infos, _ := fs.ReadDir(testDir)
		if len(infos) != 2+l.readySpares() {
			t.Fatal(infos)
		}
		fault.SetHook(func(op vfs.Op) error {
			if op.Kind != vfs.OpWriteAt {
				t.Errorf("a roll with a spare at hand does %s", op.Kind)
			}
			return nil
		})
		want := []Frame{sized(0, 12<<10), sized(1, 12<<10)}
		appendAll(t, l, want...)
		fault.SetHook(nil)
		must(t, l.Sync())
		got, _ := readAll(t, replayConfig(fs))
		checkPrefix(t, got, want, 2)
	})
}

func TestOversize(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		cfg := config(vfs.NewMem(), mapped)
		cfg.MaxFrame = 1 << 20
		l := create(t, cfg)
		want := []Frame{frame("a"), sized(1, 1<<20), frame("b"), sized(2, 512<<10), sized(3, 1<<20)}
		appendAll(t, l, want...)
		n, first, err := l.Append([]Frame{frame("c"), sized(4, 1<<20+8)})
		if n != 0 || first != 6 || !errors.Is(err, ErrTooLarge) || l.Position() != 5 {
			t.Fatal(n, first, err, l.Position())
		}
		appendAll(t, l, frame("c"))
		want = append(want, frame("c"))
		got, res := readAll(t, replayConfig(cfg.FS))
		checkPrefix(t, got, want, len(want))
		if res.Damage != nil {
			t.Error(res.Damage)
		}
		// Reading with too low a limit is an error, and loses nothing.
		rcfg := replayConfig(cfg.FS)
		rcfg.MaxFrame = 512 << 10
		if res, err := Replay(rcfg, nil); !errors.Is(err, ErrTooLarge) || res.Position != 2 || res.Void != nil {
			t.Error(res, err)
		}
		// Files of another size are not kept as spares.
		must(t, l.Sync())
		must(t, l.Drop(l.cur.number))
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, f := range l.spares {
			if f.size != cfg.FileSize {
				t.Errorf("spare of %d bytes", f.size)
			}
		}
	})
}

func TestNoSpace(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		mem := vfs.NewMem()
		l := create(t, config(mem, mapped))
		want := []Frame{sized(0, 10<<10)}
		appendAll(t, l, want...)
		mem.SetCapacity(16 << 10)
		n, first, err := l.Append([]Frame{sized(1, 10<<10)})
		if n != 0 || first != 2 || !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(n, first, err)
		}
		if err := l.Prepare(); !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		appendAll(t, l, frame("small")) // still fits
		n, first, err = l.Append([]Frame{frame("also"), sized(1, 10<<10), frame("no")})
		if n != 1 || first != 3 || !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(n, first, err)
		}
		mem.SetCapacity(0)
		appendAll(t, l, sized(1, 10<<10))
		must(t, l.Sync())
		want = append(want, frame("small"), frame("also"), sized(1, 10<<10))
		got, res := readAll(t, replayConfig(mem))
		checkPrefix(t, got, want, len(want))
		if len(res.Files) != 2 || len(res.Void) != 0 {
			t.Errorf("%+v", res)
		}
	})
}

func TestStickySyncFailure(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		fault := vfs.NewFault(vfs.NewMem(), nil)
		l := create(t, config(fault, mapped))
		appendAll(t, l, frame("a"))
		must(t, l.Sync())
		appendAll(t, l, frame("b"))
		kind := vfs.OpSyncData
		if mapped {
			kind = vfs.OpMapSync
		}
		closed, removed, opened := 0, 0, 4 // the file, the folder, the mark and its mapping
		if mapped {
			opened++
		}
		fault.SetHook(func(op vfs.Op) error {
			switch op.Kind {
			case kind:
				return syscall.EIO
			case vfs.OpClose, vfs.OpUnmap:
				closed++
			case vfs.OpRemove:
				removed++
			}
			return nil
		})
		err := l.Sync()
		if !errors.Is(err, ErrFailed) || !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		count := fault.Count()
		for range 3 {
			if again := l.Sync(); again != err {
				t.Error(again)
			}
			if _, _, again := l.Append([]Frame{frame("c")}); again != err {
				t.Error(again)
			}
			if _, again := l.Roll(); again != err {
				t.Error(again)
			}
			if again := l.Prepare(); again != err {
				t.Error(again)
			}
			if again := l.Drop(9); again != err {
				t.Error(again)
			}
		}
		if l.Durable() != 1 || fault.Count() != count {
			t.Errorf("durable %d, %d more operations", l.Durable(), fault.Count()-count)
		}
		must(t, l.Close(0))
		if closed != opened || removed != 0 {
			t.Errorf("%d files, mappings and folders closed of %d, %d removed", closed, opened, removed)
		}
	})
}

// A mapped file that is cut short under the log is an error, not the end of the
// process, and the log continues in a new file.
func TestMapFault(t *testing.T) {
	cfg := config(vfs.OS(), true)
	cfg.Dir = t.TempDir()
	l := create(t, cfg)
	want := []Frame{sized(0, 8<<10)}
	appendAll(t, l, want...)
	must(t, l.cur.f.Truncate(8192+4096))
	n, _, err := l.Append([]Frame{sized(1, 1000)})
	if n != 0 || !errors.Is(err, vfs.ErrMapFault) {
		t.Fatal(n, err)
	}
	appendAll(t, l, sized(2, 6<<10))
	must(t, l.Sync())
	rcfg := replayConfig(cfg.FS)
	rcfg.Dir = cfg.Dir
	got, res := readAll(t, rcfg)
	checkPrefix(t, got, append(want, sized(2, 6<<10)), 2)
	if res.Damage != nil || len(res.Files) != 2 {
		t.Errorf("%+v", res)
	}
}

func TestRefusedConfigs(t *testing.T) {
	fs := vfs.NewMem()
	for i, f := range []func(c *Config){
		func(c *Config) { c.FS = nil },
		func(c *Config) { c.Dir = "" },
		func(c *Config) { c.FileSize = 4096 },
		func(c *Config) { c.FileSize = -1 },
		func(c *Config) { c.MaxFrame = 1 << 32 },
		func(c *Config) { c.MaxFrame = -1 },
	} {
		cfg := config(fs, false)
		f(&cfg)
		if _, err := Create(cfg, 1, 1, Tail{}, nil); err == nil {
			t.Errorf("case %d accepted", i)
		}
	}
	l := create(t, config(fs, false))
	for _, c := range []struct {
		number, position uint64
		prev             Tail
	}{{0, 1, Tail{}}, {2, 0, Tail{}}, {2, 1, Tail{2, 4096, 0}}, {2, 1, Tail{1, 0, 0}}, {1, 1, Tail{}}} {
		if _, err := Create(config(fs, false), c.number, c.position, c.prev, nil); err == nil {
			t.Errorf("%+v accepted", c)
		}
	}
	must(t, l.Close(0))
}
