package pipelines

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/vfs"
)

// TestOncePower: the power is cut at random moments, again and again, with a
// random choice of what was not synced, also while the store is being opened. In
// some lives the disk fails now and then, too.
func TestOncePower(t *testing.T) {
	t.Logf("seed %d", *seed)
	start := time.Now()
	var sum report
	cuts, errs, histories := 0, 0, 0
	for h := range *power {
		if t.Failed() {
			break
		}
		w := &blackout{rnd: rand.New(rand.NewPCG(*seed, uint64(h))), stages: small()}
		r, err := w.run()
		if err != nil {
			t.Errorf("seed %d, history %d, life %d (after %s): %v", *seed, h, w.lives, w.how, err)
			break
		}
		histories++
		cuts += w.lives
		errs += w.errors
		sum.add(r)
	}
	fmt.Printf("once under power cuts: %d histories, %d cuts, %d commits failed for the disk, %v, %v; seed %d; failed: %v\n", histories, cuts, errs, &sum,
		time.Since(start).Round(time.Millisecond), *seed, t.Failed())
}

// blackout is a history of lives on one disk.
type blackout struct {
	rnd    *rand.Rand
	stages []stage
	lives  int
	errors int    // commits that failed for the disk
	how    string // the latest crash
}

const livesEach = 12

func (w *blackout) run() (*report, error) {
	disk := vfs.NewCrash()
	if w.rnd.IntN(3) == 0 {
		disk.Grain = 512
	}
	var last *image
	for ; w.lives < livesEach; w.lives++ {
		next, err := w.life(disk, last)
		if err != nil {
			return nil, err
		}
		disk, last = next.disk, next
		w.how = next.how
	}
	l := newLife(disk, w.stages)
	if err := l.open(w.lives); err != nil {
		return nil, err
	}
	if err := l.verify(w.stages, last); err != nil {
		return nil, err
	}
	if err := l.drain(w.stages); err != nil {
		return nil, err
	}
	r := check(l.node, w.stages, true)
	if err := l.close(); err != nil {
		return nil, err
	}
	if !r.ok() {
		return nil, fmt.Errorf("%v", r)
	}
	return r, nil
}

// drain attaches the processors and waits until there is nothing to do.
func (l *life) drain(stages []stage) error {
	if err := l.start(stages); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(l.ctx, 2*time.Minute)
	defer cancel()
	if err := l.node.WaitForProcs(ctx); err != nil {
		procs, _ := l.node.Procs(context.Background())
		return fmt.Errorf("waiting for the end: %w: %+v", err, procs)
	}
	return nil
}

// life runs the pipeline until its crash.
func (w *blackout) life(disk *vfs.Crash, last *image) (*image, error) {
	l := newLife(disk, w.stages)
	l.seed = w.rnd.Uint64()
	early := w.rnd.IntN(5) == 0
	if early {
		l.armed.Store(1 + w.rnd.Int64N(60))
	}
	err := l.open(w.lives)
	if err == nil {
		err = w.work(l, last, !early)
	}
	_ = l.close()
	if l.left() == nil {
		if err != nil {
			return nil, err
		}
		l.crash("after closing")
	}
	return l.left(), nil
}

// work returns an error when the life ends, or when something is wrong.
func (w *blackout) work(l *life, last *image, arm bool) error {
	if err := l.verify(w.stages, last); err != nil && l.left() == nil {
		return err
	}
	if arm {
		l.armed.Store(1 + w.rnd.Int64N(500))
	}
	if err := l.start(w.stages); err != nil {
		return err
	}
	if w.rnd.IntN(3) == 0 { // and a disk that fails now and then
		l.odds.Store(20 + w.rnd.Int64N(100))
	}
	made := 0
	for range 1 + w.rnd.IntN(60) {
		n := 1 + w.rnd.IntN(20)
		err := l.feed(w.rnd, w.lives, made, n)
		made += n
		if l.odds.Load() > 0 && l.ctx.Err() == nil {
			w.errors += b2i(err != nil)
			continue
		}
		if err != nil {
			return err
		}
		switch w.rnd.IntN(8) {
		case 0:
			if err := l.node.WaitForProcs(l.ctx); err != nil {
				return err
			}
		case 1:
			if err := l.node.Checkpoint(l.ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

func b2i(b bool) int {
	if b {
		return 1
	}
	return 0
}
