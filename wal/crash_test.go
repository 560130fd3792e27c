package wal

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/pipeproc/pipeproc/vfs"
)

// seeds returns how many random runs a test makes: WAL_SEEDS, or n.
func seeds(n int) uint64 {
	if s, err := strconv.Atoi(os.Getenv("WAL_SEEDS")); err == nil {
		n = s
	}
	if testing.Short() {
		n /= 10
	}
	return uint64(n)
}

// world is a log and what is known about it, over many lives.
type world struct {
	t     *testing.T
	r     *rand.Rand
	fs    *vfs.Crash
	cfg   Config
	l     *Log
	all   []Frame // all[i] has position i+1
	acked uint64  // highest position reported durable
	from  Mark    // where a replay starts, durable itself
}

// Whatever the moment of the power loss and whatever it spares: what was synced
// is there, what is there is a prefix, and the next life can build on it.
func TestCrash(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		for seed := range seeds(200) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				r := rand.New(rand.NewPCG(seed, 1))
				w := &world{t: t, r: r, fs: vfs.NewCrash(), from: Mark{1, 1}}
				if r.IntN(2) == 0 {
					w.fs.Grain = 512
				}
				w.cfg = config(w.fs, mapped)
				w.cfg.FileSize = int64(8<<10) << r.IntN(2)
				w.cfg.ShortSize = int64(8<<10) << r.IntN(2)
				must(t, w.fs.MkdirAll(testDir))
				must(t, w.fs.SyncDir("/"))
				w.l = create(t, w.cfg)
				for range 6 {
					w.live(r.IntN(40))
					w.die()
				}
			})
		}
	})
}

// live does some work.
func (w *world) live(steps int) {
	syncs := w.r.IntN(4) // in some lives nothing is ever synced
	for range steps {
		switch p := w.r.IntN(20); {
		case p < syncs:
			w.sync()
		case p == 4:
			must(w.t, w.l.Prepare())
		case p == 5:
			_, err := w.l.Roll()
			must(w.t, err)
		case p == 6 && syncs > 0: // a checkpoint
			m, err := w.l.Roll()
			must(w.t, err)
			w.sync()
			w.from = m
			must(w.t, w.l.Drop(m.Number))
		default:
			var batch []Frame
			for range w.r.IntN(5) {
				batch = append(batch, random(w.r, 16<<w.r.IntN(8)))
			}
			if w.r.IntN(30) == 0 {
				batch = append(batch, sized(w.r.Uint64(), 40<<10))
			}
			appendAll(w.t, w.l, batch...)
			w.all = append(w.all, batch...)
		}
	}
}

func (w *world) sync() {
	must(w.t, w.l.Sync())
	w.acked = w.l.Durable()
	if w.acked != uint64(len(w.all)) {
		w.t.Fatalf("durable %d after a sync at %d", w.acked, len(w.all))
	}
}

// die loses power or the process, perhaps several times, and starts anew.
func (w *world) die() {
	for again := true; again; again = w.r.IntN(4) == 0 {
		least := w.acked
		if w.r.IntN(4) == 0 {
			w.fs = w.fs.Kill()
			least = uint64(len(w.all))
		} else {
			w.fs = w.fs.Crash(vfs.RandomPick(w.r.Uint64(), float64(w.r.IntN(11))/10))
		}
		cfg := replayConfig(w.fs)
		cfg.Number, cfg.Position = w.from.Number, w.from.Position
		got, res := readAll(w.t, cfg)
		if res.Damage != nil {
			w.t.Fatalf("%v; acknowledged up to %d", res.Damage, w.acked)
		}
		skipped := w.from.Position - 1
		checkPrefix(w.t, got, w.all[skipped:], int(least-skipped))
		w.all = w.all[:res.Position-1]

		w.cfg.FS = w.fs
		w.cfg.Epoch++
		w.l = reopen(w.t, w.cfg, res)
		w.acked = res.Position - 1 // Create makes it so
	}
}

// A recycled file is full of frames whose ends coincide with those of the new
// ones, and none of them comes back.
func TestStaleFrames(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		fs := vfs.NewCrash()
		l := create(t, config(fs, mapped))
		tag := uint64(0)
		fill := func(n int) {
			for range n {
				tag++
				appendAll(t, l, sized(tag, 128))
			}
		}
		const perFile = (16<<10 - headerSize) / 128
		fill(3*perFile + 1)
		must(t, l.Sync())
		if len(l.live) != 4 {
			t.Fatal(len(l.live))
		}
		must(t, l.Drop(l.cur.number))
		m := Mark{l.cur.number, l.cur.first}
		for range 2*perFile + 10 {
			number := l.cur.number
			fill(1)
			must(t, l.Sync())
			if b := content(t, fs, l.cur.number); l.cur.number > number && le.Uint64(b[len(b)-128:]) == 0 {
				t.Fatal("the file was not recycled")
			}
			cfg := replayConfig(fs)
			cfg.Number, cfg.Position = m.Number, m.Position
			if _, res := readAll(t, cfg); res.Position != tag+1 || res.Damage != nil || len(res.Cut) != 0 {
				t.Fatalf("%d frames appended: %+v", tag, res)
			}
		}
	})
}

// The same frames at the same places of the same file number, but of an earlier
// epoch or another store, are void too.
func TestForeignFrames(t *testing.T) {
	old := vfs.NewMem()
	l := create(t, config(old, false))
	appendAll(t, l, sized(1, 128), sized(2, 128), sized(3, 128))
	stale := content(t, old, 1)[headerSize:]

	for name, change := range map[string]func(*Config){
		"epoch": func(c *Config) { c.Epoch++ },
		"store": func(c *Config) { c.Store[15]++ },
	} {
		fs := vfs.NewMem()
		cfg := config(fs, false)
		change(&cfg)
		l := create(t, cfg)
		appendAll(t, l, sized(1, 128))
		b := content(t, fs, 1)
		copy(b[headerSize+128:], stale[128:])
		setContent(t, fs, 1, b)
		rcfg := replayConfig(fs)
		rcfg.Store = cfg.Store
		if _, res := readAll(t, rcfg); res.Position != 2 || res.Damage != nil || len(res.Cut) != 0 {
			t.Errorf("%s: %+v", name, res)
		}
	}
}

// A second life after a torn tail, and a third after another: the chain says
// which bytes count.
func TestGenerations(t *testing.T) {
	modes(t, func(t *testing.T, mapped bool) {
		fs := vfs.NewMem()
		cfg := config(fs, mapped)
		l := create(t, cfg)
		var want []Frame
		for gen := range uint64(5) {
			for i := range uint64(5) {
				f := sized(gen*10+i, 256)
				appendAll(t, l, f)
				want = append(want, f)
			}
			// The last frame is torn; void ones with a good sum lie beyond.
			number, end := l.cur.number, l.cur.end.Load()
			appendAll(t, l, sized(99, 256))
			must(t, l.Close(0))
			b := content(t, fs, number)
			b[end-1] ^= 1
			setContent(t, fs, number, b)
			want = want[:len(want)-1]

			got, res := readAll(t, replayConfig(fs))
			checkPrefix(t, got, want, len(want))
			if res.Damage != nil || len(res.Cut) != 1 || res.Cut[0].From != end-256 || res.Cut[0].To != end+256 ||
				res.Tail.Number != number || res.Tail.End != end-256 {
				t.Fatalf("%+v", res)
			}
			// Put it right again: it stays void, if only the next file exists.
			b[end-1] ^= 1
			cfg.Epoch++
			l = reopen(t, cfg, res)
			setContent(t, fs, number, b)
			got, res = readAll(t, replayConfig(fs))
			checkPrefix(t, got, want, len(want))
			if res.Damage != nil || len(res.Cut) != 0 {
				t.Fatalf("%+v", res)
			}
		}
	})
}
