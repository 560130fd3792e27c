package damage

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

const dir = "store"

var bg = context.Background()

// recipe is how a store is made.
type recipe struct {
	mode  pipeproc.SyncMode
	kills int // 0: closed properly at the end
	seed  uint64
}

func (r recipe) String() string {
	name := map[pipeproc.SyncMode]string{pipeproc.SyncAlways: "always", pipeproc.SyncNever: "never"}[r.mode]
	if name == "" {
		name = "interval"
	}
	return fmt.Sprintf("%s, %d kills, history %d", name, r.kills, r.seed)
}

// store is a store as its last life left it.
type store struct {
	recipe
	im    image
	older []image // what it was at earlier moments
	truth *observed
	ended int64 // by the clock, which did not jump
}

// lives is how often a store was opened. The lives that are not killed are closed.
func (r recipe) lives() int { return max(2, r.kills) }

// clock goes on by itself, a little with each look.
type clock struct{ ms atomic.Int64 }

func (c *clock) now() time.Time { return time.UnixMilli(c.ms.Add(1)) }

func newClock(ms int64) *clock {
	c := &clock{}
	c.ms.Store(ms)
	return c
}

func options(fsys vfs.FS, mode pipeproc.SyncMode, c *clock) *pipeproc.Options {
	return &pipeproc.Options{FS: fsys, Sync: mode, WALSize: 64 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10},
		Clock: c.now, MaxOpenFiles: 16, MaxMapped: 8, GC: &pipeproc.GCOptions{Interval: 1000 * time.Hour}}
}

// builder is a store in the making.
type builder struct {
	*store
	rnd  *rand.Rand
	disk *vfs.Crash
	n    *pipeproc.Node
	c    *clock
	ops  int
}

// build makes a store: in each of its lives random commands, and at the end its truth,
// which the live node tells.
func build(r recipe) (*store, error) {
	b := &builder{store: &store{recipe: r}, rnd: rand.New(rand.NewPCG(r.seed, uint64(r.kills)<<8|uint64(r.mode)&0xff)), disk: vfs.NewCrash(), c: newClock(1_700_000_000_000)}
	for life := range r.lives() {
		if err := b.live(life); err != nil {
			return nil, fmt.Errorf("%v: life %d: %w", r, life, err)
		}
	}
	b.ended = b.c.ms.Load()
	return b.store, nil
}

func (b *builder) live(life int) (err error) {
	if b.n, err = pipeproc.Open(dir, options(b.disk, b.mode, b.c)); err != nil {
		return err
	}
	n := b.n
	if len(n.Recovery().Damage) > 0 {
		return fmt.Errorf("damage: %v", n.Recovery().Damage)
	}
	for range 25 + b.rnd.IntN(40) {
		if err := b.step(); err != nil {
			return err
		}
		if b.rnd.IntN(12) == 0 {
			if err := b.keep(); err != nil {
				return err
			}
		}
	}
	last := life == b.lives()-1
	killed := b.lives()-life <= b.kills
	if killed && last {
		b.truth = observe(n)
	}
	if killed {
		disk := b.disk.Kill()
		_ = n.Close()
		b.disk = disk
	} else if err := n.Close(); err != nil {
		return err
	}
	if !last {
		return b.keep()
	}
	if b.im, err = take(b.disk); err != nil || killed {
		return err
	}
	// Of a closed store, the truth is what the next opening finds.
	if n, err = pipeproc.Open(dir, options(b.disk.Kill(), b.mode, b.c)); err != nil {
		return err
	}
	b.truth = observe(n)
	return n.Close()
}

// keep takes an older copy of all files.
func (b *builder) keep() error {
	im, err := take(b.disk.Kill())
	b.older = append(b.older, im)
	return err
}

var topicNames = []string{"a", "b", "c", "packed", "gone"}

func (b *builder) body(n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(b.rnd.Uint32())
	}
	if b.rnd.IntN(2) == 0 {
		copy(p[n/4:], make([]byte, n/2))
	}
	return p
}

// step does one random command.
func (b *builder) step() error {
	n, rnd := b.n, b.rnd
	b.ops++
	switch k := rnd.IntN(40); {
	case k < 24:
		var recs []pipeproc.Record
		for range 1 + rnd.IntN(5) {
			r := pipeproc.Record{Topic: topicNames[rnd.IntN(len(topicNames))], Body: b.body(rnd.IntN(400))}
			if rnd.IntN(4) == 0 {
				r.Key, r.Headers = []byte("key"), []pipeproc.Header{{Name: "trace", Value: b.body(9)}}
			}
			recs = append(recs, r)
		}
		if rnd.IntN(3) == 0 {
			recs = append(recs, pipeproc.Record{Topic: topicNames[rnd.IntN(2)], Body: b.body(3000 + rnd.IntN(12000))})
		}
		_, err := n.Commit(bg, recs...)
		return err
	case k < 26:
		return n.Checkpoint(bg)
	case k < 27:
		return n.Sync(bg)
	case k < 29:
		name := topicNames[rnd.IntN(2)]
		i, err := n.Topic(bg, name)
		if errors.Is(err, pipeproc.ErrInvalidTopic) {
			return nil
		}
		if err != nil {
			return err
		}
		return n.Prune(bg, name, i.First+rnd.Uint64N(i.Next-i.First+1))
	case k < 30:
		if err := n.DeleteTopic(bg, "gone"); !errors.Is(err, pipeproc.ErrInvalidTopic) {
			return err
		}
		return nil
	case k < 31:
		err := n.CreateTopic(bg, "packed", pipeproc.TopicOptions{SegmentSize: 64 << 10, Compression: pipeproc.Zstd})
		if errors.Is(err, pipeproc.ErrTopicExists) {
			return nil
		}
		return err
	case k < 32:
		name := topicNames[rnd.IntN(3)]
		if _, err := n.Topic(bg, name); err != nil {
			return nil //nolint:nilerr // not there yet
		}
		return n.SetRetention(bg, name, pipeproc.Retention{MaxAge: time.Duration(100+rnd.IntN(1000)) * 100 * time.Hour})
	default:
		return b.proc()
	}
}

// proc does something with a proc.
func (b *builder) proc() error {
	rnd := b.rnd
	o := pipeproc.ProcOptions{Name: []string{"p", "q"}[rnd.IntN(2)], Topic: topicNames[rnd.IntN(2)], Count: 1 + rnd.IntN(5),
		Retry: pipeproc.RetryPolicy{ReclaimTimeout: -1}}
	i, err := b.n.EnsureProc(bg, o)
	if err != nil {
		return nil //nolint:nilerr // of another topic
	}
	if i.Claim == (pipeproc.Token{}) {
		_, err := b.n.Claim(bg, o)
		return err
	}
	switch rnd.IntN(4) {
	case 0:
		_, err = b.n.Reclaim(bg, o.Name, i.Claim, "no")
	case 1:
		_, _, err = b.n.AckCommit(bg, o.Name, i.Claim, pipeproc.Record{Topic: "c", Body: b.body(50)})
	default:
		_, err = b.n.Ack(bg, o.Name, i.Claim)
	}
	return err
}
