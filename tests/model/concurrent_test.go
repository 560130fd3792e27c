package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestConcurrent has goroutines commit to shared topics, each acknowledgement
// durable, while crash images are taken at random operations. In each image
// every commit acknowledged before is there, batches are whole, and the commits
// of a goroutine are a prefix of what it did, in order.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	seeds := []uint64{1, 2, 3}
	if *flagSeed != 0 {
		seeds = []uint64{*flagSeed}
	}
	end := time.Now().Add(*flagDuration)
	for {
		for _, seed := range seeds {
			n, err := runConcurrent(seed)
			if err != nil {
				t.Fatalf("seed %d: %v\nrun it again with: go test ./tests/model -run TestConcurrent -model.seed=%d", seed, err, seed)
			}
			t.Logf("seed %d: %d crash images opened", seed, n)
		}
		if !time.Now().Before(end) {
			return
		}
		seeds = []uint64{uint64(time.Now().UnixNano())}
	}
}

const (
	cWorkers = 8
	cCommits = 60 // of each worker
	cTopics  = 4
)

// cImage is a crash image with what each worker had acknowledged and tried.
type cImage struct {
	disk         *vfs.Crash
	acked, tried [cWorkers]int64
	moved, moves int64 // of the mover
	how          string
}

// cBody is the body of worker w's n-th commit in one of its topics: both
// numbers, the number of topics that got it, and ballast.
func cBody(w, n, topics, size int) []byte {
	b := make([]byte, 24+size)
	binary.LittleEndian.PutUint64(b, uint64(w))
	binary.LittleEndian.PutUint64(b[8:], uint64(n))
	binary.LittleEndian.PutUint64(b[16:], uint64(topics))
	for i := 24; i < len(b); i++ {
		b[i] = byte(w*31 + n + i)
	}
	return b
}

func runConcurrent(seed uint64) (opened int, err error) {
	disk := newDisk([]int64{4096, 512}[seed%2])
	cfg := config{mode: pipeproc.SyncAlways, walSize: 64 << 10, topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
	var acked, tried [cWorkers]atomic.Int64
	var mover mover
	images := make(chan *cImage, 4)
	var next atomic.Int64
	next.Store(20)
	var mu sync.Mutex
	rng := rand.New(rand.NewPCG(seed, 77))
	hook := func(op vfs.Op) error {
		if op.N < next.Load() {
			return nil
		}
		mu.Lock()
		defer mu.Unlock()
		if op.N < next.Load() {
			return nil
		}
		next.Store(op.N + 5 + rng.Int64N(60))
		i := &cImage{how: fmt.Sprintf("%s %s", op.Kind, op.Name)}
		for w := range i.acked {
			i.acked[w] = acked[w].Load()
		}
		i.moved = mover.acked.Load()
		if rng.IntN(4) == 0 {
			i.disk = disk.Kill()
			i.how = "kill at " + i.how
		} else {
			p := chances[rng.IntN(len(chances))]
			i.disk = disk.Crash(vfs.RandomPick(rng.Uint64(), p))
			i.how = fmt.Sprintf("power cut (%.1f survive) at %s", p, i.how)
		}
		for w := range i.tried {
			i.tried[w] = tried[w].Load()
		}
		i.moves = mover.tried.Load()
		images <- i
		return nil
	}
	fault := vfs.NewFault(disk, nil)
	var c clock
	c.ms.Store(1_700_000_000_000)
	n, err := pipeproc.Open(dir, historyOptions(cfg, fault, &c))
	if err != nil {
		return 0, err
	}
	fault.SetHook(hook)

	var found error
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range images {
			if found == nil {
				opened++
				found = i.verify(cfg)
			}
		}
	}()
	var wg sync.WaitGroup
	fails := make(chan error, cWorkers+3)
	var stop atomic.Bool
	moved := make(chan struct{})
	if err := mover.start(n); err != nil {
		fails <- err
	}
	go func() {
		defer close(moved)
		if err := mover.move(n, &stop); err != nil {
			fails <- fmt.Errorf("mover: %w", err)
		}
	}()
	for w := range cWorkers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, uint64(w)))
			for k := range cCommits {
				if err := cCommit(n, r, w, k, &acked[w], &tried[w]); err != nil {
					fails <- fmt.Errorf("worker %d, commit %d: %w", w, k, err)
					return
				}
				c.ms.Add(1)
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	if _, err := n.Commit(bg, pipeproc.Record{Topic: movedFrom, Body: cBody(cWorkers, 0, 1, 0)}); err != nil { // wakes the mover
		fails <- err
	}
	<-moved
	fault.SetHook(nil)
	if from, to := mover.acked.Load(), mover.tried.Load(); from != to {
		fails <- fmt.Errorf("the mover ended at %d of %d", from, to)
	}
	cerr := n.Close()
	// A hook may still be at work in another goroutine's operation.
	mu.Lock()
	next.Store(1 << 62)
	mu.Unlock()
	close(images)
	<-done
	close(fails)
	if found == nil && cerr == nil {
		last := &cImage{disk: disk.Crash(nothing), how: "power cut after close"}
		for w := range last.acked {
			last.acked[w], last.tried[w] = acked[w].Load(), tried[w].Load()
		}
		last.moved, last.moves = mover.acked.Load(), mover.tried.Load()
		found = last.verify(cfg)
	}
	return opened, errors.Join(found, cerr, <-fails)
}

func cCommit(n *pipeproc.Node, r *rand.Rand, w, k int, acked, tried *atomic.Int64) error {
	first, topics := r.IntN(cTopics), 1+r.IntN(3)
	var recs []pipeproc.Record
	size := []int{0, 50, 300, 3000}[r.IntN(4)]
	for i := range topics {
		recs = append(recs, pipeproc.Record{Topic: fmt.Sprintf("t%d", (first+i)%cTopics), Body: cBody(w, k, topics, size)})
	}
	tried.Store(int64(k + 1))
	if _, err := n.Commit(bg, recs...); err != nil {
		return err
	}
	acked.Store(int64(k + 1))
	return nil
}

// verify opens the image and checks what it holds.
func (i *cImage) verify(cfg config) error {
	if err := i.check(cfg); err != nil {
		return fmt.Errorf("%s: %w", i.how, err)
	}
	return nil
}

func (i *cImage) check(cfg config) error {
	var c clock
	c.ms.Store(1_700_000_030_000) // not so far ahead that an opening doubts it
	n, err := pipeproc.Open(dir, historyOptions(cfg, i.disk, &c))
	if err != nil {
		return err
	}
	defer n.Close()
	if d := n.Recovery().Damage; len(d) > 0 {
		return fmt.Errorf("damage: %v", d)
	}
	if err := n.Err(); err != nil {
		return err
	}
	if err := checkMoved(n, i.moved, i.moves); err != nil {
		return err
	}
	var got [cWorkers]map[int]int // commit -> topics still to be seen
	for w := range got {
		got[w] = map[int]int{}
	}
	infos, err := n.Topics(bg)
	if err != nil {
		return err
	}
	for _, info := range infos {
		if info.Name == movedTo {
			continue
		}
		last := [cWorkers]int{}
		seq, time := uint64(0), int64(0)
		for r, err := range n.Range(bg, info.Name, pipeproc.RangeOptions{}) {
			if err != nil {
				return err
			}
			if r.ID.Seq != seq || r.ID.Millis < time {
				return fmt.Errorf("topic %s: %v follows %d-%d", info.Name, r.ID, time, seq)
			}
			seq, time = seq+1, r.ID.Millis
			if len(r.Body) < 24 {
				return fmt.Errorf("topic %s: %v has %d bytes", info.Name, r.ID, len(r.Body))
			}
			le := binary.LittleEndian
			w, k, topics := int(le.Uint64(r.Body)), int(le.Uint64(r.Body[8:])), int(le.Uint64(r.Body[16:]))
			if string(r.Body) != string(cBody(w, k, topics, len(r.Body)-24)) {
				return fmt.Errorf("topic %s: %v has a wrong body", info.Name, r.ID)
			}
			if w == cWorkers { // the last record
				continue
			}
			if k+1 <= last[w] {
				return fmt.Errorf("topic %s: commit %d of worker %d follows %d", info.Name, k, w, last[w]-1)
			}
			last[w] = k + 1
			if _, ok := got[w][k]; !ok {
				got[w][k] = topics
			}
			got[w][k]--
		}
	}
	for w := range got {
		n := int64(len(got[w]))
		if n < i.acked[w] || n > i.tried[w] {
			return fmt.Errorf("worker %d: %d commits survived, want %d to %d", w, n, i.acked[w], i.tried[w])
		}
		for k := range int(n) {
			if rest, ok := got[w][k]; !ok || rest != 0 {
				return fmt.Errorf("worker %d: commit %d of %d: there %v, %d topics missing", w, k, n, ok, rest)
			}
		}
	}
	return nil
}
