package wal

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc/vfs"
)

// faults are ways for the n-th operation to fail.
var faults = map[string]func(n int64) func(vfs.Op) error{
	"once": func(n int64) func(vfs.Op) error { return vfs.FailNth(n, syscall.EIO) },
	"from then on": func(n int64) func(vfs.Op) error {
		return func(op vfs.Op) error {
			if op.N >= n {
				return syscall.ENOSPC
			}
			return nil
		}
	},
	// A write that fails although all or half of it is done, so that what was
	// refused may well be on disk.
	"whole write": func(n int64) func(vfs.Op) error {
		return vfs.FailNth(n, vfs.ShortWrite{N: 1 << 30, Err: syscall.EIO})
	},
	"half a write": func(n int64) func(vfs.Op) error {
		return func(op vfs.Op) error {
			if op.N == n {
				return vfs.ShortWrite{N: int(op.Len / 2), Err: syscall.EIO}
			}
			return nil
		}
	},
}

// Whichever operation fails, and however: no false success, and afterwards all
// that was acknowledged is there, and nothing that was refused.
func TestFaults(t *testing.T) {
	for name, fault := range faults {
		t.Run(name, func(t *testing.T) {
			modes(t, func(t *testing.T, mapped bool) {
				for n := int64(1); ; n++ {
					w := &faulty{fs: vfs.NewCrash(), from: Mark{1, 1}}
					f := vfs.NewFault(w.fs, fault(n))
					must(t, w.fs.MkdirAll(testDir))
					must(t, w.fs.SyncDir("/"))
					w.run(config(f, mapped), n)
					w.check(t, fmt.Sprint("operation ", n))
					if f.Count() < n {
						if w.refused > 0 || w.acked != uint64(len(w.all)) {
							t.Fatalf("without a fault %d were refused, %d of %d acknowledged", w.refused, w.acked, len(w.all))
						}
						break
					}
				}
			})
		})
	}
}

// faulty is a log on a file system with faults, and what it has promised.
type faulty struct {
	fs      *vfs.Crash
	l       *Log
	all     []Frame
	acked   uint64
	from    Mark
	refused int
}

// run does some of everything and notes what succeeds.
func (w *faulty) run(cfg Config, seed int64) {
	cfg.FileSize = 8192
	var err error
	if w.l, err = Create(cfg, 1, 1, Tail{}, nil); err != nil {
		w.refused++
		return
	}
	r := rand.New(rand.NewPCG(uint64(seed), 3))
	for i := range 24 {
		batch := []Frame{random(r, 600), random(r, 600)}
		if i == 7 {
			batch = append(batch, random(r, 20<<10), random(r, 40))
		}
		if i == 9 {
			batch = append(batch, frame("large", string(make([]byte, lentPart))), frame("after"))
		}
		before := w.l.Position()
		n, first, err := w.l.Append(batch)
		if (err == nil) != (n == len(batch)) || first != before+1 || w.l.Position() != before+uint64(n) {
			panic(fmt.Sprint("Append = ", n, first, err))
		}
		w.note(err)
		w.all = append(w.all, batch[:n]...)
		switch i % 4 {
		case 1, 3:
			w.sync()
		case 2:
			w.note(w.l.Prepare())
		}
		if i%8 == 5 {
			m, err := w.l.Roll()
			if w.note(err) && w.sync() {
				w.from = m
				w.note(w.l.Drop(m.Number))
			}
		}
	}
	w.sync()
	w.note(w.l.Close(1))
}

// note counts failures; ok is whether there was none.
func (w *faulty) note(err error) (ok bool) {
	if err != nil {
		w.refused++
	}
	return err == nil
}

func (w *faulty) sync() bool {
	before := w.l.Durable()
	if !w.note(w.l.Sync()) {
		if w.l.Durable() != before {
			panic("a sync failed and yet moved on")
		}
		return false
	}
	if w.l.Durable() != uint64(len(w.all)) {
		panic("a sync succeeded half")
	}
	w.acked = uint64(len(w.all))
	return true
}

// check replays what may be left.
func (w *faulty) check(t *testing.T, what string) {
	t.Helper()
	never := func(vfs.Unit) bool { return false }
	for i, fs := range []*vfs.Crash{w.fs, w.fs.Kill(), w.fs.Crash(never),
		w.fs.Crash(vfs.RandomPick(1, 0.5)), w.fs.Crash(vfs.RandomPick(2, 0.9))} {
		cfg := replayConfig(fs)
		cfg.Number, cfg.Position = w.from.Number, w.from.Position
		cfg.AllowMissing = w.l == nil
		got, res := readAll(t, cfg)
		if res.Damage != nil {
			t.Fatalf("%s, state %d: %v", what, i, res.Damage)
		}
		skipped := w.from.Position - 1
		least := w.acked
		if i < 2 {
			least = uint64(len(w.all))
		}
		if len(got) > len(w.all[skipped:]) || uint64(len(got))+skipped < least {
			t.Fatalf("%s, state %d: %d frames after %d; %d acknowledged, %d appended", what, i, len(got), skipped, w.acked, len(w.all))
		}
		checkPrefix(t, got, w.all[skipped:], 0)
	}
}

// A failed Create leaves nothing open and can be tried again.
func TestCreateFaults(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		for n := int64(1); ; n++ {
			mem, want := small(t, 6)
			_, res := readAll(t, replayConfig(mem))
			f := vfs.NewFault(mem, vfs.FailNth(n, syscall.EIO))
			cfg := config(f, mapped)
			cfg.Epoch, cfg.FileSize = 2, 8192
			l, err := Create(cfg, res.Highest+1, res.Position, res.Tail, res.Void)
			if err != nil && !errors.Is(err, syscall.EIO) {
				t.Fatal(err)
			}
			if err == nil {
				_ = l.Close(0)
			}
			count := f.Count()
			f.SetHook(nil)
			got, res := readAll(t, replayConfig(mem))
			checkPrefix(t, got, want, len(want))
			cfg.Epoch++
			l = reopen(t, cfg, res)
			appendAll(t, l, frame("more"))
			must(t, l.Sync())
			got, _ = readAll(t, replayConfig(mem))
			checkPrefix(t, got, append(want, frame("more")), len(want)+1)
			if count < n {
				break
			}
		}
	})
}
