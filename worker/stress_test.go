package worker

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/record"
)

var (
	seedFlag   = flag.Uint64("worker.seed", 0, "seed of TestEverything; 0: a new one")
	recordsPer = flag.Int("worker.records", 60, "records of each proc of TestEverything")
)

// dice is a source of randomness for all goroutines.
type dice struct {
	mu  sync.Mutex
	rng *rand.Rand
}

func (d *dice) roll(n int) int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.rng.IntN(n)
}

// chaos makes processors and a Source that fail in all ways they can, until
// calm is closed.
type chaos struct {
	dice
	f       *fake
	calm    chan struct{}
	release chan struct{} // for processors that hang
}

func (c *chaos) over() bool {
	select {
	case <-c.calm:
		return true
	default:
		return false
	}
}

// fault is now and then an error.
func (c *chaos) fault(list ...error) hook {
	return func(string) error {
		if c.over() || c.roll(20) > 0 {
			return nil
		}
		return list[c.roll(len(list))]
	}
}

// process emits one record for each, and fails in all ways.
func (c *chaos) process(ctx context.Context, w *Work) error {
	for _, rec := range w.Records() {
		w.EmitRecord(record.Record{Key: rec.Key, Body: rec.Body})
	}
	if c.over() {
		return nil
	}
	switch c.roll(60) {
	case 0:
		panic("by chance")
	case 1:
		runtime.Goexit()
	case 2:
		return errs.Conflict
	case 3:
		<-ctx.Done()
		return ctx.Err()
	case 4:
		<-ctx.Done()
	case 5:
		if c.roll(4) == 0 {
			<-c.release
		}
	case 6:
		w.EmitTo("no topic", record.Record{})
	}
	return nil
}

// TestEverything: jobs that come, go and change, processors that fail, hang and
// panic, a Source that fails, all at once. Once that has ended, every record is
// acknowledged, each with its output; then Close finds nothing left.
func TestEverything(t *testing.T) {
	seed := *seedFlag
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-worker.seed=%d", seed)
	const procs = 12
	f := newFake(t)
	f.loud, f.even = false, true
	c := &chaos{dice: dice{rng: rand.New(rand.NewPCG(seed, 1))}, f: f, calm: make(chan struct{}), release: make(chan struct{})}
	f.onClaim = c.fault(errs.NoSpace, errs.Overloaded, errors.New("bad luck"))
	f.onAck = c.fault(errs.NoSpace, errs.ClaimLost, errs.OutcomeUnknown)
	f.onReclaim = c.fault(errs.NoSpace)
	f.onRelease = c.fault(errs.NoSpace)
	p := New(f, Options{Concurrency: 4})
	job := func(i int) Job {
		return Job{Proc: fmt.Sprint("p", i), To: []string{"x"}, Count: 1 + c.roll(5), Lanes: 1 + c.roll(3), Fn: c.process}
	}
	var wg sync.WaitGroup
	for i := range procs {
		f.proc(fmt.Sprint("p", i)).timeout = time.Duration(1+i) * time.Millisecond
		wg.Go(func() {
			for k := range *recordsPer {
				f.add(fmt.Sprint("p", i), fmt.Sprintf("%d=%d", k%3, k))
				switch c.roll(10) {
				case 0:
					p.Remove(fmt.Sprint("p", i))
				case 1:
					f.disable(fmt.Sprint("p", i), c.roll(2) == 0)
				case 2:
					_, _, _ = p.Stats(), p.Jobs(), p.Has("p1")
				default:
					add(t, p, job(i))
				}
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
	close(c.calm)
	for i := range procs {
		add(t, p, job(i))
		f.disable(fmt.Sprint("p", i), false)
	}
	f.wait(func() bool {
		for _, a := range f.procs {
			if a.next < len(a.records) {
				return false
			}
		}
		return true
	})
	close(c.release)
	closePool(t, p)
	t.Logf("%+v", p.Stats())
}

// TestCloseAmidEverything: Close in the middle of it, several times over.
func TestCloseAmidEverything(t *testing.T) {
	for round := range 30 {
		f := newFake(t)
		f.loud, f.even = false, true
		c := &chaos{dice: dice{rng: rand.New(rand.NewPCG(5, 6))}, f: f, calm: make(chan struct{}), release: make(chan struct{})}
		f.onClaim = c.fault(errs.NoSpace)
		f.onAck = c.fault(errs.NoSpace, errs.ClaimLost)
		p := New(f, Options{Concurrency: 4})
		close(c.release)
		var wg sync.WaitGroup
		for i := range 4 {
			name := fmt.Sprint("p", i)
			f.proc(name).timeout = 2 * time.Millisecond
			wg.Go(func() {
				for k := range 101 { // the last one is not removed
					f.add(name, "k=1", "2")
					if err := p.Add(Job{Proc: name, Topic: name, To: []string{"x"}, Count: 3, Lanes: k % 3, Fn: c.process}); err != nil {
						return
					}
					if k%5 == 4 {
						p.Remove(name)
					}
					runtime.Gosched()
				}
			})
		}
		f.wait(func() bool { return f.procs["p0"].next+f.procs["p1"].next > round })
		for range 2 {
			wg.Go(func() {
				if err := p.Close(context.Background()); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		closePool(t, p)
		if n := f.watched(); n != 0 {
			t.Fatalf("%d watches are left", n)
		}
	}
}
