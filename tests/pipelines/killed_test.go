package pipelines

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// TestOnceKilled: a pipeline runs in a process that is killed again and again,
// in every sync mode, and every input has exactly one output.
func TestOnceKilled(t *testing.T) {
	t.Logf("seed %d", *seed)
	start := time.Now()
	var killed, inputs, missing, doubled atomic.Int64
	t.Run("modes", func(t *testing.T) {
		for i, mode := range process.Modes {
			t.Run(mode, func(t *testing.T) {
				t.Parallel()
				k := &killer{t: t, mode: mode, dir: filepath.Join(t.TempDir(), "data"), rnd: rand.New(rand.NewPCG(*seed, uint64(i)))}
				begin := time.Now()
				r := k.run()
				fmt.Printf("pipeline killed, sync %s: %d kills (%d while it started, %d when it was idle), %v; %d reclaims seen; %v\n",
					mode, k.kills, k.early, k.idle, r, k.reclaims, time.Since(begin).Round(time.Millisecond))
				killed.Add(int64(k.kills))
				inputs.Add(int64(r.inputs))
				missing.Add(int64(r.missing))
				doubled.Add(int64(r.doubled))
			})
		}
	})
	fmt.Printf("once test: %d kills, %d inputs, missing %d, doubled %d, %v; seed %d; failed: %v\n", killed.Load(), inputs.Load(),
		missing.Load(), doubled.Load(), time.Since(start).Round(time.Millisecond), *seed, t.Failed())
}

// killer runs the child on one directory, over and over.
type killer struct {
	t         *testing.T
	mode, dir string
	rnd       *rand.Rand

	have               int // inputs that the child said to have committed
	kills, early, idle int
	reclaims           int // seen to be open, after a kill
}

func (k *killer) run() *report {
	each := max(*records / *kills, 1)
	for life := range *kills {
		until := k.have + k.rnd.IntN(2*each)
		k.life(&orders{Dir: k.dir, Mode: k.mode, Life: life, Target: until + 2*each, Ahead: max(each, 200)}, until)
		if life%max(*kills/8, 1) == 0 {
			k.check(false)
		}
	}
	k.life(&orders{Dir: k.dir, Mode: k.mode, Life: *kills, Target: *records, Ahead: max(each, 200), Final: true}, *records)
	r := k.check(true)
	if r.inputs < *records {
		k.t.Errorf("%d inputs, %d wanted", r.inputs, *records)
	}
	if r.dead == r.innocent && *records >= 2000 {
		k.t.Errorf("no record that always fails has gone to a dead-letter topic")
	}
	return r
}

// life runs one child and kills it soon after it has made a number of inputs;
// at times already while it opens the store. The final one ends by itself.
func (k *killer) life(o *orders, until int) {
	t := k.t
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute+time.Duration(*records)*500*time.Microsecond)
	defer cancel()
	c := process.Start(t, process.Command(ctx, nil, "pipeline", o.String()))
	var timer *time.Timer
	kill := func(most time.Duration) {
		if timer == nil && !o.Final {
			timer = time.AfterFunc(time.Duration(k.rnd.Int64N(int64(most))), c.Kill)
		}
	}
	early := k.rnd.IntN(6) == 0
	idle, drained := false, false
	for line, ok := c.Line(); ok; line, ok = c.Line() {
		have := 0
		switch _, _ = fmt.Sscanf(line, "in %d", &have); {
		case line == "started" && early && !o.Final:
			kill(40 * time.Millisecond)
			k.early++
		case line == "drained":
			drained, idle = true, timer == nil
			kill(time.Millisecond)
		case have > 0:
			k.have = have
			if have >= until {
				kill(10 * time.Millisecond)
			}
		}
	}
	err := c.Wait()
	if ctx.Err() != nil {
		k.keep()
		t.Fatalf("life %d: it hung, with %d inputs: %s", o.Life, k.have, c.Stderr())
	}
	if o.Final {
		if err != nil || !drained {
			k.keep()
			t.Fatalf("the final life: %v: %s", err, c.Stderr())
		}
		return
	}
	if timer != nil {
		timer.Stop()
	}
	if !process.Killed(err) {
		k.keep()
		t.Fatalf("life %d ended by itself: %v: %s", o.Life, err, c.Stderr())
	}
	k.kills++
	if idle {
		k.idle++
	}
}

// check reads the store as the child left it.
func (k *killer) check(done bool) *report {
	o := storeOptions(k.mode, *records < 100_000)
	o.ReadOnly = true
	n, err := pipeproc.Open(k.dir, o)
	if errors.Is(err, fs.ErrNotExist) && k.have == 0 {
		return &report{} // it was killed before there was a store
	}
	if err != nil {
		k.keep()
		k.t.Fatal(err)
	}
	defer n.Close()
	if r := n.Recovery(); len(r.Damage) > 0 {
		k.keep()
		k.t.Fatalf("damage: %v", r.Damage)
	}
	procs, err := n.Procs(context.Background())
	if err != nil {
		k.t.Error(err)
	}
	for _, p := range procs {
		k.reclaims += p.Reclaims
	}
	r := check(n, shapeOf(k.mode).stages(), done)
	if !r.ok() {
		k.keep()
		k.t.Fatalf("after %d kills, seed %d: %v", k.kills, *seed, r)
	}
	return r
}

// keep saves the directory of a failure.
func (k *killer) keep() { process.Keep(k.t, k.dir) }
