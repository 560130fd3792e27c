package modeltest

import (
	"flag"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

var (
	flagSeed     = flag.Uint64("modeltest.seed", 0, "run this one seed of TestModel")
	flagSeeds    = flag.Int("modeltest.seeds", 12, "number of seeds that TestModel runs")
	flagDuration = flag.Duration("modeltest.duration", 0, "run TestModel and TestConcurrent for this long, with new seeds")
	flagOps      = flag.Int("modeltest.ops", 300, "operations of one run of TestModel")
	flagFull     = flag.Bool("modeltest.full", false, "try every crash point and every fault instead of a sample")
)

// seedConfig derives a run's settings from its seed.
func seedConfig(seed uint64) config {
	modes := []pipeproc.SyncMode{pipeproc.SyncAlways, pipeproc.SyncNever, pipeproc.SyncInterval(time.Millisecond)}
	return config{
		mode:    modes[seed%3],
		grain:   []int64{4096, 512}[seed/3%2],
		walSize: []int64{64 << 10, 128 << 10, 256 << 10}[seed/6%3],
		topic:   pipeproc.TopicOptions{SegmentSize: []int64{64 << 10, 128 << 10}[seed/18%2]},
	}
}

// runSeed is one run. It returns the number of operations done.
func runSeed(seed uint64, ops int) (done int, w *world, err error) {
	w = newWorld(seedConfig(seed), seed)
	if err := w.start(); err != nil {
		return 0, w, err
	}
	defer func() { w.end() }()
	for i := range ops {
		if err := w.step(); err != nil {
			return i + 1, w, err
		}
	}
	w.armed.Store(0)
	if err := w.node.Close(); err != nil {
		return ops, w, fmt.Errorf("last close: %w", err)
	}
	all := int64(len(w.cmds))
	err = w.open(&image{disk: w.disk.Crash(func(vfsUnit) bool { return false }), lo: all, safe: all, hi: all, full: true, how: "last close"})
	return ops, w, err
}

// shrink looks for fewer operations that fail, too, and returns their number
// and error. Runs are not fully deterministic, so each length gets some tries.
func shrink(seed uint64, ops int, first error) (int, error) {
	fails := func(n int) (int, error) {
		for range 3 {
			if done, _, err := runSeed(seed, n); err != nil {
				return done, err
			}
		}
		return n, nil
	}
	best, bestErr := ops, first
	for lo := 0; lo < best-1; {
		mid := (lo + best) / 2
		if n, err := fails(mid); err != nil {
			best, bestErr = n, err
		} else {
			lo = mid
		}
	}
	return best, bestErr
}

func replayLine(seed uint64, ops int) string {
	return fmt.Sprintf("go test ./internal/modeltest -run 'TestModel$' -modeltest.seed=%d -modeltest.ops=%d", seed, ops)
}

// TestModel runs random operations, reopenings and crashes against the model.
func TestModel(t *testing.T) {
	t.Parallel()
	var seeds []uint64
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
				testSeed(t, s)
			}
		})
	}
	wg.Wait()
}

func testSeed(t *testing.T, seed uint64) {
	done, w, err := runSeed(seed, *flagOps)
	if err == nil {
		var list []string
		for _, k := range slices.Sorted(maps.Keys(w.counts)) {
			list = append(list, fmt.Sprintf("%s %d", k, w.counts[k]))
		}
		t.Logf("seed %d %v: %v", seed, w.cfg, list)
		return
	}
	n, err2 := shrink(seed, done, err)
	t.Errorf("seed %d, %v, operation %d: %v\nshrunk to %d operations: %v\nrun it again with: %s", seed, w.cfg, done, err, n, err2, replayLine(seed, n))
}
