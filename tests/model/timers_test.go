package model

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestTimers runs random operations on procs whose claims time out and whose
// retries wait, against the model, in a bubble whose time passes as the test
// says. After each step everything that the node says of procs is compared.
func TestTimers(t *testing.T) {
	t.Parallel()
	seeds := []uint64{1, 2, 3, 4, 5, 6, 7, 8}
	if *flagSeed != 0 {
		seeds = []uint64{*flagSeed}
	}
	end := time.Now().Add(*flagDuration)
	for {
		for _, seed := range seeds {
			synctest.Test(t, func(t *testing.T) {
				w := &timeWorld{t: t, rng: rand.New(rand.NewPCG(seed, 0x74696d65)), fs: vfs.NewMem(), counts: map[string]int{}}
				if err := w.run(200); err != nil {
					t.Errorf("seed %d: %v\nrun it again with: go test ./tests/model -run TestTimers -model.seed=%d", seed, err, seed)
				} else {
					t.Logf("seed %d: %v", seed, w.counts)
				}
			})
		}
		if t.Failed() || !time.Now().Before(end) {
			return
		}
		seeds = []uint64{uint64(time.Now().UnixNano())}
	}
}

// timeWorld is a store and its model. Everything happens at a multiple of 100
// milliseconds, and each proc has a timeout with a rest of its own, so that no
// two claims time out at once.
type timeWorld struct {
	t      *testing.T
	rng    *rand.Rand
	fs     vfs.FS
	node   *pipeproc.Node
	st     *state
	counts map[string]int

	due    map[string]time.Time // when a claim times out
	free   map[string]time.Time // when a retry may be
	lapsed map[string]bool      // timed out while the proc was disabled
}

func (w *timeWorld) open() (err error) {
	o := &pipeproc.Options{Sync: pipeproc.SyncNever, FS: w.fs, GC: byHand, MaxBatch: maxBatch, MaxBody: maxBody}
	w.node, err = pipeproc.Open(dir, o)
	return err
}

func (w *timeWorld) run(steps int) error {
	w.st = newState(pipeproc.TopicOptions{SegmentSize: 64 << 20})
	w.due, w.free, w.lapsed = map[string]time.Time{}, map[string]time.Time{}, map[string]bool{}
	if err := w.open(); err != nil {
		return err
	}
	defer func() { _ = w.node.Close() }()
	ops := []op2{{3, "commit", w.commit}, {8, "claim", w.claim}, {3, "ack", w.ack}, {2, "reclaim", w.reclaim}, {2, "disable", w.disable},
		{3, "resume", w.resume}, {1, "seek", w.seek}, {1, "destroy", w.destroy}, {10, "pass", w.pass}, {1, "reopen", w.reopen}}
	for i := range steps {
		k, o := w.rng.IntN(34), op2{}
		for _, o = range ops {
			if k -= o.weight; k < 0 {
				break
			}
		}
		w.counts[o.name]++
		err := o.run()
		if err == nil {
			err = w.settle()
		}
		if err != nil {
			return fmt.Errorf("step %d, %s, at %v: %w", i, o.name, time.Now().UnixMilli(), err)
		}
	}
	return nil
}

type op2 struct {
	weight int
	name   string
	run    func() error
}

// settle waits until nothing happens any more, and compares.
func (w *timeWorld) settle() error {
	synctest.Wait()
	return checkAll(w.node, w.st)
}

func (w *timeWorld) now() int64 { return time.Now().UnixMilli() }

var timerProcs = []pipeproc.ProcOptions{
	{Name: "a", Topic: "in", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 1011 * time.Millisecond, MaxReclaims: -1}},
	{Name: "b", Topic: "in", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 523 * time.Millisecond, MaxReclaims: 2}},
	{Name: "c", Topic: "in", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 2037 * time.Millisecond, Backoff: 700 * time.Millisecond, MaxBackoff: 3 * time.Second, MaxReclaims: -1}},
	{Name: "d", Topic: "in", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 841 * time.Millisecond, MaxReclaims: 3, OnMaxReclaims: pipeproc.StrategyDeadLetter, DeadLetterTopic: "dead", Backoff: 200 * time.Millisecond}},
	{Name: "e", Topic: "in", Retry: pipeproc.RetryPolicy{ReclaimTimeout: never, Backoff: time.Second, MaxReclaims: -1}},
	{Name: "f", Topic: "in", Retry: pipeproc.RetryPolicy{ReclaimTimeout: 1 * time.Millisecond, MaxReclaims: -1, OnMaxReclaims: pipeproc.StrategyContinue}},
}

func (w *timeWorld) proc() pipeproc.ProcOptions { return timerProcs[w.rng.IntN(len(timerProcs))] }

// apply makes a command part of the model, and sets the times that follow.
func (w *timeWorld) apply(c *command) {
	w.st.apply(c)
	for _, k := range c.procs {
		name, p := k.name, k.st
		delete(w.lapsed, name)
		switch {
		case p == nil || !p.open:
			delete(w.due, name)
		case p.timeout >= 0 && w.due[name].IsZero():
			w.due[name] = time.Now().Add(p.timeout)
		case w.due[name].Before(time.Now()) && p.timeout >= 0: // it lapsed
			w.lapsed[name] = p.disabled
		}
		if p == nil || p.retryAt == 0 {
			delete(w.free, name)
		} else if w.free[name].IsZero() {
			w.free[name] = time.Now().Add(p.delay(p.reclaims))
		}
	}
}

// do runs a call that comes to c, to nothing, or to an error.
func (w *timeWorld) do(c *command, want error, call func() error) error {
	err := call()
	if want != nil {
		return wants(err, want)
	}
	if err == nil && c != nil {
		w.apply(c)
	}
	return err
}
