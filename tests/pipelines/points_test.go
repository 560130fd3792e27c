package pipelines

import (
	"errors"
	"fmt"
	"hash/maphash"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/vfs"
)

// TestOncePoints: the power is cut, and the process killed, before each
// operation of a short history of a pipeline. What is left is opened, holds an
// output for exactly what was acknowledged, and is processed to the end.
func TestOncePoints(t *testing.T) {
	t.Logf("seed %d", *seed)
	start := time.Now()
	p := &points{t: t, stages: small(), images: make(chan *image, 4), hash: maphash.MakeSeed(), seen: map[uint64]map[string]int64{}}
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(p.verify)
	}
	err := p.history()
	close(p.images)
	wg.Wait()
	if err != nil {
		t.Errorf("seed %d: %v", *seed, err)
	}
	fmt.Printf("once at every operation: %d operations, %d crashes, %d different ones opened and drained, %v, %v; seed %d; failed: %v\n",
		p.ops.Load(), p.crashes.Load(), p.opened.Load(), &p.sum, time.Since(start).Round(time.Millisecond), *seed, t.Failed())
}

type points struct {
	t                    *testing.T
	stages               []stage
	images               chan *image
	ops, crashes, opened atomic.Int64

	hash maphash.Seed
	mu   sync.Mutex
	seen map[uint64]map[string]int64 // images that were opened, and the ends of their topics
	sum  report
}

// changes reports whether an operation changes what is on disk.
func changes(op vfs.Op) bool {
	switch op.Kind {
	case vfs.OpCreate, vfs.OpMkdir, vfs.OpRemove, vfs.OpRename, vfs.OpLink, vfs.OpSyncDir, vfs.OpWriteAt, vfs.OpTruncate,
		vfs.OpPreallocate, vfs.OpSync, vfs.OpSyncData, vfs.OpMapSync, vfs.OpLock:
		return true
	}
	return false
}

// history runs a pipeline, and takes images before every operation that follows
// one that changed something.
func (p *points) history() error {
	rnd := rand.New(rand.NewPCG(*seed, 0))
	disk := vfs.NewCrash()
	l := newLife(disk, p.stages)
	var changed atomic.Bool
	var mu sync.Mutex
	hook := func(op vfs.Op) error {
		p.ops.Add(1)
		mu.Lock()
		defer mu.Unlock()
		if changed.Swap(changes(op)) {
			p.take(l, fmt.Sprintf("before %s %s (operation %d)", op.Kind, op.Name, op.N))
		}
		return nil
	}
	l.fault = vfs.NewFault(disk, hook)
	commits := 8
	if *full {
		commits = 40
	}
	made := 0
	for life := range 2 {
		if err := l.open(life); err != nil {
			return err
		}
		if err := l.start(p.stages); err != nil {
			return err
		}
		for i := range commits {
			n := 1 + rnd.IntN(12)
			if err := l.feed(rnd, life, made, n); err != nil {
				return err
			}
			made += n
			var err error
			switch i % 4 {
			case 1:
				err = l.node.WaitForProcs(l.ctx)
			case 2:
				err = l.node.Checkpoint(l.ctx)
			}
			if err != nil {
				return err
			}
		}
		if err := l.drain(p.stages); err != nil {
			return err
		}
		if r := check(l.node, p.stages, true); !r.ok() {
			return errors.New(r.String())
		}
		if err := l.close(); err != nil {
			return err
		}
		l.stop = nil
	}
	return nil
}

// take queues what crashes at this moment could leave: nothing that was not
// synced, all of it, some of it, and what a killed process leaves.
func (p *points) take(l *life, how string) {
	ends := l.known.ends()
	disk := l.disk.Kill()
	add := func(what string, d *vfs.Crash) {
		p.images <- &image{disk: d, ends: ends, how: what + " " + how}
	}
	chances := []float64{0, 1, .5}
	if *full {
		chances = []float64{0, 1, .2, .5, .8, .5}
	}
	for i, c := range chances {
		add(fmt.Sprintf("power cut (%.1f survive)", c), disk.Crash(vfs.RandomPick(*seed+uint64(p.ops.Load())*8+uint64(i), c)))
	}
	add("kill", disk)
}

// verify opens images.
func (p *points) verify() {
	failures := 0
	for i := range p.images {
		if failures > 3 {
			continue
		}
		p.crashes.Add(1)
		if err := p.open(i); err != nil {
			failures++
			p.t.Errorf("seed %d, %s: %v", *seed, i.how, err)
		}
	}
}

// open opens an image, unless an equal one was opened before: then what was
// found there counts. A kill is not told from a power cut that leaves all.
func (p *points) open(i *image) error {
	h := fingerprint(p.hash, i.disk, dir)
	p.mu.Lock()
	found := p.seen[h]
	p.mu.Unlock()
	if found != nil {
		return i.missing(func(topic string) (int64, error) { return found[topic], nil })
	}
	p.opened.Add(1)
	found, r, err := p.recover(i)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[h] = found
	p.sum.add(r)
	return nil
}

// recover opens an image, checks it and lets the pipeline go on to its end. It
// returns the ends of the topics as they were.
func (p *points) recover(i *image) (map[string]int64, *report, error) {
	l := newLife(i.disk, p.stages)
	if err := l.open(24); err != nil {
		return nil, nil, err
	}
	defer l.close()
	if err := l.verify(p.stages, i); err != nil {
		return nil, nil, err
	}
	ends := map[string]int64{}
	for topic := range i.ends {
		n, err := length(l.node, topic)
		if err != nil {
			return nil, nil, err
		}
		ends[topic] = int64(n)
	}
	if err := l.feed(rand.New(rand.NewPCG(*seed, 1)), 24, 0, 7); err != nil {
		return nil, nil, err
	}
	if err := l.drain(p.stages); err != nil {
		return nil, nil, err
	}
	r := check(l.node, p.stages, true)
	if !r.ok() {
		return nil, nil, errors.New(r.String())
	}
	if r.strays > 0 { // no record fails so often by one crash
		return nil, nil, fmt.Errorf("dead letters of claims that do not fail: %v", r)
	}
	return ends, r, l.close()
}

// fingerprint sums up all that is on a disk.
func fingerprint(seed maphash.Seed, fs vfs.FS, name string) uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	var walk func(name string)
	walk = func(name string) {
		infos, _ := fs.ReadDir(name)
		for _, i := range infos {
			path := name + "/" + i.Name
			fmt.Fprintf(&h, "%s %d\n", path, i.Size)
			if i.Dir {
				walk(path)
				continue
			}
			f, err := fs.Open(path, vfs.Read)
			if err != nil {
				continue
			}
			b := make([]byte, i.Size)
			_, _ = f.ReadAt(b, 0)
			_, _ = h.Write(b)
			_ = f.Close()
		}
	}
	walk(name)
	return h.Sum64()
}
