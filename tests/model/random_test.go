package model

import (
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
)

var (
	flagSeed     = flag.Uint64("model.seed", 0, "run this one seed of TestModel")
	flagSeeds    = flag.Int("model.seeds", 12, "number of seeds that TestModel runs")
	flagDuration = flag.Duration("model.duration", 0, "run TestModel and TestConcurrent for this long, with new seeds")
	flagOnly     = flag.String("model.only", "", "of -model.seed, the operations to run, such as 3,7-9")
	flagShrink   = flag.Duration("model.shrink", 20*time.Second, "how long to look for a shorter history when TestModel fails")
	flagOps      = flag.Int("model.ops", 300, "operations of one run of TestModel")
	flagFull     = flag.Bool("model.full", false, "try every crash point and every fault instead of a sample")
)

// seedConfig derives a run's settings from its seed.
func seedConfig(seed uint64) config {
	modes := []pipeproc.SyncMode{pipeproc.SyncAlways, pipeproc.SyncNever, pipeproc.SyncInterval(time.Millisecond)}
	return config{
		mode:    modes[seed%3],
		grain:   []int64{4096, 512}[seed/3%2],
		walSize: []int64{64 << 10, 128 << 10, 256 << 10}[seed/6%3],
		topic:   pipeproc.TopicOptions{SegmentSize: []int64{64 << 10, 128 << 10}[seed/18%2]},
		nature:  natureOf(seed),
	}
}

// runSeed is one run. It returns the number of operations done.
func runSeed(t *testing.T, seed uint64, ops int) (done int, w *world, err error) {
	list := make([]int, ops)
	for i := range list {
		list[i] = i
	}
	return runList(t, seed, list)
}

// runList runs those operations of a seed whose numbers are in list. Each has
// random choices of its own, so that an operation stays what it is, as far as the
// state allows, when others are left out. A run is in a bubble, where no time passes
// but when an operation waits.
func runList(t *testing.T, seed uint64, list []int) (done int, w *world, err error) {
	synctest.Test(t, func(*testing.T) { done, w, err = play(seed, list) })
	return done, w, err
}

func play(seed uint64, list []int) (done int, w *world, err error) {
	w = newWorld(seedConfig(seed), seed)
	if err := w.start(); err != nil {
		return 0, w, err
	}
	defer func() { w.end() }()
	for i, k := range list {
		w.rng = rand.New(rand.NewPCG(seed, uint64(k)+1))
		if err := w.step(); err != nil {
			return i + 1, w, err
		}
	}
	w.armed.Store(0)
	if err := w.node.Close(); err != nil {
		return len(list), w, fmt.Errorf("last close: %w", err)
	}
	all := int64(len(w.cmds))
	err = w.open(&image{disk: w.disk.Crash(func(vfsUnit) bool { return false }), lo: all, safe: all, hi: all, full: true, how: "last close"})
	return len(list), w, err
}

// TestModel runs random operations, reopenings and crashes against the model.
func TestModel(t *testing.T) {
	t.Parallel()
	var seeds []uint64
	if *flagOnly != "" {
		list, err := parseList(*flagOnly)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 20 { // a run is not fully deterministic
			if done, w, err := runList(t, *flagSeed, list); err != nil {
				t.Fatalf("seed %d, %v, try %d, operation %d of %d: %v", *flagSeed, w.cfg, i+1, done, len(list), err)
			}
		}
		return
	}
	switch {
	case *flagSeed != 0:
		seeds = []uint64{*flagSeed}
	case *flagDuration == 0:
		for s := range uint64(*flagSeeds) {
			seeds = append(seeds, s+1)
		}
	}
	if seeds != nil {
		for _, s := range seeds {
			t.Run(fmt.Sprint(s), func(t *testing.T) {
				t.Parallel()
				testSeed(t, s)
			})
		}
		return
	}
	base := uint64(time.Now().UnixNano())
	end := time.Now().Add(*flagDuration)
	var wg sync.WaitGroup
	for k := range uint64(2) {
		wg.Go(func() {
			for s := base + k; time.Now().Before(end) && !t.Failed(); s += 2 {
				t.Run(fmt.Sprint(s), func(t *testing.T) { testSeed(t, s) })
			}
		})
	}
	wg.Wait()
}

func testSeed(t *testing.T, seed uint64) {
	done, w, err := runSeed(t, seed, *flagOps)
	if err == nil {
		var list []string
		for _, k := range slices.Sorted(maps.Keys(w.counts)) {
			list = append(list, fmt.Sprintf("%s %d", k, w.counts[k]))
		}
		t.Logf("seed %d %v: %v", seed, w.cfg, list)
		return
	}
	list := make([]int, done)
	for i := range list {
		list[i] = i
	}
	list, err2 := shrink(list, err, time.Now().Add(*flagShrink), func(l []int) (int, error) {
		done, _, err := runList(t, seed, l)
		return done, err
	})
	t.Errorf("seed %d, %v, operation %d: %v\nshrunk to %d operations: %v\nrun it again with: %s", seed, w.cfg, done, err, len(list), err2, replayLine(seed, list))
}
