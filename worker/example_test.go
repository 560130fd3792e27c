package worker_test

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/worker"
)

// list is a Source with one proc, whose records are in a slice. It shows what a
// Source must do; the real one is the node.
type list struct {
	mu      sync.Mutex
	records []record.Record
	next    int           // first record that is not acknowledged
	out     []int         // records of output of each acknowledgement
	done    chan struct{} // closed when all are acknowledged
}

func (l *list) Claim(_ context.Context, proc string, count int, c *worker.Task) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	c.Proc, c.Topic, c.Attempt, c.Timeout = proc, "orders", 1, -1
	c.Records = append(c.Records[:0], l.records[l.next:min(l.next+count, len(l.records))]...)
	return nil
}

func (l *list) AckCommit(_ context.Context, c *worker.Task, out *topics.Batch) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.next += len(c.Records)
	if out != nil {
		l.out = append(l.out, out.Len())
	}
	if l.next == len(l.records) {
		close(l.done)
	}
	return nil
}

func (l *list) Reclaim(context.Context, *worker.Task, error) error { return nil }

func (l *list) Release(context.Context, *worker.Task) error { return nil }

func (l *list) Watch(string, string, func()) func() { return func() {} } // nothing is ever added

func Example() {
	src := &list{done: make(chan struct{})}
	for i, body := range []string{"two teas", "one coffee", "a cake"} {
		src.records = append(src.records, record.Record{ID: record.ID{Seq: uint64(i)}, Topic: "orders", Body: []byte(body)})
	}
	pool := worker.New(src, worker.Options{})
	err := pool.Add(worker.Job{
		Proc: "shout", Topic: "orders", To: []string{"loud"}, Count: 2,
		Fn: worker.Each(func(_ context.Context, rec record.Record, w *worker.Work) error {
			loud := strings.ToUpper(string(rec.Body))
			fmt.Println(rec.ID.Seq, loud)
			w.Emit([]byte(loud))
			return nil
		}),
	})
	if err != nil {
		fmt.Println(err)
	}
	<-src.done
	if err := pool.Close(context.Background()); err != nil {
		fmt.Println(err)
	}
	fmt.Println("output of each claim:", src.out)
	// Output:
	// 0 TWO TEAS
	// 1 ONE COFFEE
	// 2 A CAKE
	// output of each claim: [2 1]
}
