package model

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// clock is a clock that moves only when it is told to.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time { return time.UnixMilli(c.ms.Load()) }

const dir = "store"

// config is how a world's store is opened.
type config struct {
	mode    pipeproc.SyncMode
	grain   int64
	walSize int64
	topic   pipeproc.TopicOptions
	nature
}

func (c config) String() string {
	return fmt.Sprintf("mode=%d grain=%d wal=%d segment=%d versions=%d stale=%v", c.mode, c.grain, c.walSize, c.topic.SegmentSize, c.versions, c.stale)
}

const (
	maxBody  = 128 << 10
	maxBatch = 600 << 10
)

// image is a file system as a crash left it, with what must be found in it:
// lo to hi commands of the order, and at least safe of them after yet another
// power cut.
type image struct {
	disk         *vfs.Crash
	lo, safe, hi int64
	full         bool // everything in it is durable
	opening      bool // taken while a node was being opened
	how          string
}

// life is one node on one file system, from open to its end.
type life struct {
	disk  *vfs.Crash
	fault *vfs.Fault
	node  *pipeproc.Node

	// What is known at any moment: commands acknowledged, commands that must
	// survive a power cut, and commands that may have reached the log.
	acked, durable, tried atomic.Int64

	*opening

	armed     atomic.Int64 // operations until a crash image is taken, 0 for none
	power     atomic.Bool  // of the armed image: power cut or kill
	survive   atomic.Uint64
	isOpening atomic.Bool
	dead      atomic.Bool
	observe   func()
	nature    nature
	image     atomic.Pointer[image]
}

var errDead = errors.New("this life is over")

// hook runs before each operation on the file system.
func (l *life) hook(op vfs.Op) error {
	if l.dead.Load() {
		return errDead
	}
	l.observe()
	if l.armed.Load() > 0 && l.armed.Add(-1) == 0 {
		l.capture(fmt.Sprintf("at %s %s", op.Kind, op.Name))
	}
	return nil
}

// chances are the probabilities with which unsynced units survive.
var chances = []float64{0, .1, .5, .9, 1}

// arm has a crash image taken at the n-th operation from now.
func (l *life) arm(rng *rand.Rand, n int64) {
	l.power.Store(rng.IntN(4) > 0)
	l.survive.Store(rng.Uint64())
	l.armed.Store(n)
}

// capture takes a crash image now. It may run on any goroutine.
func (l *life) capture(where string) {
	i := &image{lo: l.acked.Load(), safe: l.durable.Load(), opening: l.isOpening.Load()}
	if seed := l.survive.Load(); l.power.Load() {
		p := chances[seed%uint64(len(chances))]
		i.disk = l.nature.crash(l.disk, vfs.RandomPick(seed, p))
		i.lo, i.full = i.safe, true
		i.how = fmt.Sprintf("power cut (%.1f survive) %s", p, where)
	} else {
		i.disk = l.disk.Kill()
		i.how = "kill " + where
	}
	i.hi = l.tried.Load()
	l.image.CompareAndSwap(nil, i)
}

// end stops the life's node without letting it touch anything any more.
func (l *life) end() {
	l.dead.Store(true)
	if l.node != nil {
		_ = l.node.Close()
	}
}

// world is a store under test, with its model.
type world struct {
	cfg   config
	rng   *rand.Rand
	clock clock
	*life
	cmds   []command
	st     *state
	counts map[string]int
	tokens tokens
	waits  waits // of this life
}

// now returns the time that a command has which is made now: what the clock says, if the
// node believes it. Nothing elapses in the bubble until the next command.
func (w *world) now() int64 { return w.clock.ms.Load() + w.node.Stats().Ahead.Milliseconds() }

func newWorld(cfg config, seed uint64) *world {
	w := &world{cfg: cfg, rng: rand.New(rand.NewPCG(seed, 0x6d6f64656c)), counts: map[string]int{}}
	w.clock.ms.Store(1_700_000_000_000)
	w.st = newState(cfg.topic)
	return w
}

func (w *world) options(fs vfs.FS) *pipeproc.Options {
	return &pipeproc.Options{Sync: w.cfg.mode, WALSize: w.cfg.walSize, Topic: w.cfg.topic, MaxBody: maxBody, MaxBatch: maxBatch,
		MaxOpenFiles: 8, MaxMapped: 4, Clock: w.clock.now, FS: fs, GC: byHand, OnEvent: w.life.event}
}

// newDisk returns a file system with a durable, empty data directory.
func newDisk(grain int64) *vfs.Crash {
	disk := vfs.NewCrash()
	disk.Grain = grain
	_ = disk.MkdirAll(dir)
	_ = disk.SyncDir("/")
	return disk
}

// start opens a new store.
func (w *world) start() error {
	disk := newDisk(w.cfg.grain)
	return w.open(&image{disk: disk, full: true, how: "start"})
}

// open opens an image, checks that what is in it is right, and goes on with
// it. Crashes that are taken meanwhile are opened in turn.
func (w *world) open(i *image) error {
	for depth := 0; i != nil; depth++ {
		if w.life != nil {
			w.end()
		}
		l := &life{disk: i.disk, opening: newOpening(), nature: w.cfg.nature}
		l.acked.Store(i.lo)
		l.durable.Store(i.safe)
		l.tried.Store(i.hi)
		i.disk.KeepVersions(w.cfg.versions)
		l.observe = w.cfg.observer(i.disk)
		l.fault = vfs.NewFault(i.disk, l.hook)
		w.life = l
		if depth < 4 && w.rng.IntN(3) == 0 {
			l.arm(w.rng, 1+w.rng.Int64N(60))
		}
		l.isOpening.Store(true)
		w.reconfigure()
		n, err := pipeproc.Open(dir, w.options(l.fault))
		if err != nil {
			return fmt.Errorf("open after %s: %w", i.how, err)
		}
		l.node = n
		if err := w.survived(i); err != nil {
			return fmt.Errorf("after %s: %w", i.how, err)
		}
		l.isOpening.Store(false)
		next := l.image.Swap(nil)
		if next != nil && next.opening {
			// It cannot have lost or gained anything against i that was
			// durable there, except what follows from opening.
			got := l.found.Load()
			next.hi = l.acked.Load()
			if i.full || !next.full {
				next.lo = got
			}
			next.safe = min(next.safe, next.hi)
			if next.full {
				next.safe = next.lo
			}
			next.how += ", during open after " + i.how
			w.count("crash during open")
		}
		i = next
	}
	return nil
}

// reconfigure changes the options of the store between two lives, now and
// then: nothing of what is stored may depend on them.
func (w *world) reconfigure() {
	if w.rng.IntN(3) > 0 {
		return
	}
	grain, nature := w.cfg.grain, w.cfg.nature
	w.cfg = seedConfig(w.rng.Uint64())
	w.cfg.grain, w.cfg.nature = grain, nature
	if w.rng.IntN(3) == 0 {
		w.cfg.topic.Compression = pipeproc.Zstd
	}
	w.st.defOpt = w.cfg.topic
	w.count("other options")
}

// survived checks an opened image and cuts the model down to it.
func (w *world) survived(i *image) error {
	n := w.node
	r := n.Recovery()
	if len(r.Damage) > 0 {
		return fmt.Errorf("damage reported: %v", r.Damage)
	}
	if err := n.Err(); err != nil {
		return fmt.Errorf("the node takes no writes: %w", err)
	}
	got := w.found.Load()
	if got < i.lo || got > i.hi {
		return fmt.Errorf("%d commands survived, want %d to %d", got, i.lo, i.hi)
	}
	if got < int64(len(w.cmds)) {
		w.cmds = w.cmds[:got:got]
		w.st = fold(w.cfg.topic, w.cmds)
	}
	w.wake()
	all := int64(len(w.cmds))
	if p := int64(n.Stats().Position); p != all {
		return fmt.Errorf("position %d after open, want %d, of which %d follow from opening", p, all, all-got)
	}
	d := int64(n.DurablePosition())
	if d < got || d > all {
		return fmt.Errorf("position %d, durable %d after open", all, d)
	}
	w.acked.Store(all)
	w.durable.Store(d)
	w.tried.Store(all)
	return checkAll(n, w.st)
}

// crash takes an image right now and goes on with it.
func (w *world) crash(power bool) error {
	w.armed.Store(0)
	if w.image.Load() == nil {
		w.power.Store(power)
		w.survive.Store(w.rng.Uint64())
		w.capture("between operations")
	}
	w.count(map[bool]string{true: "power cut", false: "kill"}[power])
	return w.settle()
}

// settle goes on with a crash image if one was taken.
func (w *world) settle() error {
	i := w.image.Load()
	if i == nil {
		return nil
	}
	w.armed.Store(0)
	i.hi = min(i.hi, int64(len(w.cmds)))
	w.count("crash")
	return w.open(i)
}

func (w *world) count(what string) { w.counts[what]++ }

// write runs one command on the node, which the model says will be c, and
// notes its outcome. durable says whether success means that it is on disk.
func (w *world) write(c command, durable bool, fn func() error) error {
	return w.writeAll([]*command{&c}, b2i(durable), fn)
}

// writeAll runs what comes to several commands, of which the first ones are on
// disk when it succeeds.
func (w *world) writeAll(cs []*command, durable int, fn func() error) error {
	pos := int64(len(w.cmds))
	w.tried.Store(pos + int64(len(cs)))
	if err := fn(); err != nil {
		w.tried.Store(pos)
		return err
	}
	for _, c := range cs {
		w.cmds = append(w.cmds, *c)
		w.st.apply(c)
	}
	w.acked.Store(pos + int64(len(cs)))
	if durable > 0 {
		w.durable.Store(pos + int64(durable))
	}
	return w.noteDurable()
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}

// noteDurable checks the node's durable position and takes its word for it.
func (w *world) noteDurable() error {
	d := int64(w.node.DurablePosition())
	if d < w.durable.Load() || d > w.acked.Load() {
		return fmt.Errorf("durable position %d, want %d to %d", d, w.durable.Load(), w.acked.Load())
	}
	w.durable.Store(d)
	return nil
}
