//go:build linux

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// reading is what is watched for growth.
type reading struct {
	at                  time.Duration
	heap, disk          int64
	descriptors, gos    int
	slow                time.Duration // the 99th percentile of commits since the last reading
	commits, reads, pro int64
}

func (r reading) String() string {
	return fmt.Sprintf("after %v: heap %d KiB, disk %d KiB, %d descriptors, %d goroutines, commits within %v; %d commits, %d ranges, %d records processed",
		r.at.Round(time.Millisecond), r.heap>>10, r.disk>>10, r.descriptors, r.gos, r.slow.Round(time.Microsecond), r.commits, r.reads, r.pro)
}

// TestSoak does everything at once on one node, for as long as asked: commits,
// ranges, gets, procs whose workers lose their claims, a pipeline whose processor
// fails and panics, collection, checkpoints, backups. Memory, disk, descriptors,
// goroutines and latency must not grow from the first half to the second.
func TestSoak(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "data")
	r, w, err := os.Pipe() // the poller of Go takes two descriptors at its first use
	if err != nil {
		t.Fatal(err)
	}
	_, _ = r.Close(), w.Close()
	before := process.Descriptors()
	rnd := rand.New(rand.NewPCG(*seed, 100))
	failing := rand.New(rand.NewPCG(*seed, 101))
	var failMu sync.Mutex
	n, err := pipeproc.Open(dir, &pipeproc.Options{Sync: pipeproc.SyncInterval(5 * time.Millisecond), WALSize: 1 << 20, MaxOpenFiles: 32, MaxMapped: 16,
		Topic: pipeproc.TopicOptions{SegmentSize: 256 << 10}, GC: &pipeproc.GCOptions{Interval: 200 * time.Millisecond, MinAge: 300 * time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	fails := func() int {
		failMu.Lock()
		defer failMu.Unlock()
		return failing.IntN(400)
	}
	var processed, commits, reads, given atomic.Int64
	err = n.Register("copy", pipeproc.Each(func(_ context.Context, r pipeproc.Record, w *pipeproc.Work) error {
		switch fails() {
		case 0:
			return errors.New("it does not want to")
		case 1:
			panic("it cannot")
		}
		processed.Add(1)
		w.Emit(r.Body)
		return nil
	}))
	if err != nil {
		t.Fatal(err)
	}
	const topics = 4
	name := func(i int) string { return fmt.Sprintf("in%d", i) }
	for i := range topics {
		_, err = n.DefineSystemProc(t.Context(), pipeproc.SystemProcOptions{Name: fmt.Sprint("stage", i), From: []string{name(i)}, To: []string{fmt.Sprint("out", i)},
			Count: 50, Retry: pipeproc.RetryPolicy{MaxReclaims: -1}, ProcessorName: "copy"})
		if err != nil {
			t.Fatal(err)
		}
		for _, topic := range []string{name(i), fmt.Sprint("out", i), fmt.Sprint("done", i)} {
			if err := n.CreateTopic(t.Context(), topic, pipeproc.TopicOptions{}); err != nil {
				t.Fatal(err)
			}
			if err := n.SetRetention(t.Context(), topic, pipeproc.Retention{MaxBytes: 1 << 20, Force: true}); err != nil {
				t.Fatal(err)
			}
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex
	var times []time.Duration
	check := func(what string, err error) {
		if err != nil && ctx.Err() == nil && !errors.Is(err, pipeproc.ErrPruned) && !errors.Is(err, pipeproc.ErrClaimLost) && !errors.Is(err, pipeproc.ErrInvalidTopic) &&
			!errors.Is(err, pipeproc.ErrInvalidSequence) {
			t.Errorf("%s: %v", what, err)
		}
	}
	work := func(every time.Duration, fn func(r *rand.Rand)) {
		r := rand.New(rand.NewPCG(*seed, rnd.Uint64()))
		wg.Go(func() {
			tick := time.NewTicker(every) // some pace, so that it does not depend on the machine
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					fn(r)
				}
			}
		})
	}
	for i := range topics {
		work(2*time.Millisecond, func(r *rand.Rand) {
			recs := make([]pipeproc.Record, 1+r.IntN(4))
			for k := range recs {
				recs[k] = pipeproc.Record{Topic: name(i), Body: bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(2000))}
			}
			begin := time.Now()
			_, err := n.Commit(ctx, recs...)
			mu.Lock()
			times = append(times, time.Since(begin))
			mu.Unlock()
			check("commit", err)
			commits.Add(1)
		})
		work(5*time.Millisecond, func(r *rand.Rand) { // a worker that dies now and then: its claim times out
			p := fmt.Sprint("worker", i)
			k, err := n.Claim(ctx, pipeproc.ProcOptions{Name: p, Topic: fmt.Sprint("out", i), Count: 20, Retry: pipeproc.RetryPolicy{ReclaimTimeout: 50 * time.Millisecond, MaxReclaims: -1}})
			check("proc", err)
			if k.Empty() {
				return
			}
			switch r.IntN(20) {
			case 0:
				given.Add(1) // killed
			case 1:
				_, err = n.Reclaim(ctx, p, k.Token, "it was too much")
				check("reclaim", err)
			default:
				_, _, err = n.AckCommit(ctx, p, k.Token, pipeproc.Record{Topic: fmt.Sprint("done", i), Body: []byte(k.Range.String())})
				check("ack", err)
			}
		})
		work(20*time.Millisecond, func(r *rand.Rand) {
			for _, err := range n.Range(ctx, name(i), pipeproc.RangeOptions{Reverse: r.IntN(2) == 0, Limit: r.IntN(500)}) {
				if err != nil {
					check("range", err)
					break
				}
			}
			reads.Add(1)
		})
	}
	work(100*time.Millisecond, func(*rand.Rand) { check("checkpoint", n.Checkpoint(ctx)) })
	work(250*time.Millisecond, func(*rand.Rand) {
		to := filepath.Join(root, "backup")
		_, err := n.Backup(ctx, to)
		check("backup", err)
		_ = os.RemoveAll(to)
	})
	work(300*time.Millisecond, func(*rand.Rand) {
		rep, err := n.Verify(ctx, nil)
		check("verify", err)
		if err == nil && len(rep.Damage) > 0 {
			t.Errorf("verify: %v", rep.Damage)
		}
	})
	work(70*time.Millisecond, func(r *rand.Rand) { // short-lived things
		topic := fmt.Sprint("short", r.IntN(5))
		_, err := n.Commit(ctx, pipeproc.Record{Topic: topic, Body: make([]byte, 1000)})
		check("commit", err)
		p, err := n.OpenLiveProc(ctx, pipeproc.LiveOptions{Topic: topic})
		check("live", err)
		if err == nil {
			check("cancel", p.Cancel(ctx))
		}
		check("delete", n.DeleteTopic(ctx, topic))
	})

	begin := time.Now()
	var list []reading
	const parts = 20
	tick := time.NewTicker(*soakFor / parts)
	defer tick.Stop()
	for range parts {
		<-tick.C
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		r := reading{at: time.Since(begin), heap: int64(m.HeapAlloc), disk: diskOf(dir), descriptors: process.Descriptors(), gos: runtime.NumGoroutine(),
			commits: commits.Load(), reads: reads.Load(), pro: processed.Load()}
		mu.Lock()
		slices.Sort(times)
		if len(times) > 0 {
			r.slow = times[len(times)*99/100]
		}
		times = times[:0]
		mu.Unlock()
		list = append(list, r)
		if *soakFor > time.Minute {
			t.Log(r)
		}
	}
	cancel()
	wg.Wait()
	if err := n.Close(); err != nil {
		t.Error(err)
	}
	if n := process.Descriptors(); n > before {
		t.Errorf("%d descriptors are open in the end, %d were in the beginning", n, before)
	}
	// The first readings are those of a store that grows to its bounds.
	a, b := list[parts/4:parts*5/8], list[parts*5/8:]
	most := func(l []reading, fn func(r reading) float64) float64 {
		x := 0.0
		for _, r := range l {
			x = max(x, fn(r))
		}
		return x
	}
	for what, w := range map[string]struct {
		fn    func(r reading) float64
		slack float64
	}{
		"the heap":    {func(r reading) float64 { return float64(r.heap) }, 8 << 20},
		"the disk":    {func(r reading) float64 { return float64(r.disk) }, 16 << 20},
		"descriptors": {func(r reading) float64 { return float64(r.descriptors) }, 16},
		"goroutines":  {func(r reading) float64 { return float64(r.gos) }, 20},
		"latency":     {func(r reading) float64 { return float64(r.slow) }, float64(time.Second)},
	} {
		if x, y := most(a, w.fn), most(b, w.fn); y > 1.5*x+w.slack {
			t.Errorf("%s grow from %.0f to %.0f\n%v", what, x, y, list)
		}
	}
	last := list[parts-1]
	if last.commits == 0 || last.reads == 0 || last.pro == 0 {
		t.Errorf("not everything was done: %v", last)
	}
	fmt.Printf("soak: %v; %d claims of dead workers timed out; seed %d; failed: %v\n", last, given.Load(), *seed, t.Failed())
}

func diskOf(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			if fi, err := e.Info(); err == nil {
				sum += fi.Size()
			}
		}
		return nil
	})
	return sum
}
