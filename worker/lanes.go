package worker

import (
	"context"
	"sync"

	"github.com/cespare/xxhash/v2"

	"github.com/pipeproc/pipeproc/record"
)

// lanes run the parts of one claim side by side. Their memory is reused.
type lanes struct {
	list []*lane // as many as were ever needed
	wg   sync.WaitGroup

	mu  sync.Mutex
	err error // the first failure of the current claim, guarded by mu
}

type lane struct {
	work    Work
	out     laneOutput
	records []record.Record
}

// split divides recs among the first n lanes: records with a key by the key, so
// that each key keeps its order, the others by position.
func (l *lanes) split(recs []record.Record, n int) []*lane {
	for len(l.list) < n {
		l.list = append(l.list, new(lane))
	}
	list := l.list[:n]
	for _, a := range list {
		a.records = a.records[:0]
		a.out.reset()
	}
	for i := range recs {
		k := uint64(i)
		if key := recs[i].Key; len(key) > 0 {
			k = xxhash.Sum64(key)
		}
		a := list[k%uint64(n)]
		a.records = append(a.records, recs[i])
	}
	return list
}

// run calls the job's function for the n lanes of c and, once all have
// returned, returns the first failure. The first failure cancels ctx.
func (l *lanes) run(ctx context.Context, cancel context.CancelFunc, job *Job, c *Task, n int) ([]*lane, error) {
	list := l.split(c.Records, n)
	l.err = nil
	for _, a := range list {
		if len(a.records) > 0 {
			a.work.reset(job, c, a.records, nil, &a.out)
			l.wg.Add(1)
			go l.call(ctx, cancel, a)
		}
	}
	l.wg.Wait()
	return list, l.err
}

func (l *lanes) call(ctx context.Context, cancel context.CancelFunc, a *lane) {
	err := errGoexit // unless invoke returns
	defer func() {
		if err != nil {
			l.mu.Lock()
			if l.err == nil {
				l.err = err
			}
			l.mu.Unlock()
			cancel()
		}
		l.wg.Done()
	}()
	err = invoke(ctx, a.work.job.Fn, &a.work)
}
