package pipelines

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// claimTimeout is how long a claim stays open that a killed process leaves.
const claimTimeout = 100 * time.Millisecond

// orders are what a child is told, as text.
type orders struct {
	Dir, Mode string
	Life      int // which one of this store
	Target    int // inputs that there are to be in the end
	Ahead     int // how far the input may be ahead of the output
	Final     bool
}

const ordersFormat = "%q %q %d %d %d %t"

func (o *orders) String() string {
	return fmt.Sprintf(ordersFormat, o.Dir, o.Mode, o.Life, o.Target, o.Ahead, o.Final)
}

func storeOptions(mode string, small bool) *pipeproc.Options {
	o := &pipeproc.Options{Sync: process.Mode(mode), Workers: 4, WALSize: 4 << 20, Topic: pipeproc.TopicOptions{SegmentSize: 4 << 20}}
	if small {
		o.WALSize, o.Topic.SegmentSize = 256<<10, 128<<10
	}
	return o
}

// child runs the pipeline and commits its input until all of it is processed,
// and then, unless this is its final life, waits to be killed. It says how far
// it is, a line at a time.
func child(args []string) error {
	var o orders
	if _, err := fmt.Sscanf(args[0], ordersFormat, &o.Dir, &o.Mode, &o.Life, &o.Target, &o.Ahead, &o.Final); err != nil {
		return err
	}
	go func() { // ends with the parent
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(1)
	}()
	fmt.Println("started")
	stages := shapeOf(o.Mode).stages()
	opts := storeOptions(o.Mode, o.Target < 100_000)
	if o.Life%2 == 1 { // they run before Open returns
		opts.Processors = map[string]pipeproc.Processor{}
		for i := range stages {
			opts.Processors[stages[i].name] = stages[i].processor(nil)
		}
	}
	n, err := pipeproc.Open(o.Dir, opts)
	if err != nil {
		return err
	}
	if r := n.Recovery(); len(r.Damage) > 0 {
		return fmt.Errorf("damage: %w", errors.Join(r.Damage...))
	}
	if err := define(n, stages, claimTimeout, nil); err != nil {
		return err
	}
	done := consumers(n, stages, claimTimeout, claimTimeout+claimTimeout/5, func(err error) bool {
		fmt.Fprintln(os.Stderr, "consuming:", err)
		os.Exit(1)
		return false
	})
	if err := feed(n, &o); err != nil {
		return err
	}
	if err := n.WaitForProcs(context.Background()); err != nil {
		return err
	}
	fmt.Println("drained")
	if !o.Final {
		select {}
	}
	done()
	return n.Close()
}

// length returns how many records a topic has, which need not exist.
func length(n *pipeproc.Node, topic string) (int, error) {
	l, err := n.Length(context.Background(), topic)
	if errors.Is(err, pipeproc.ErrInvalidTopic) {
		return 0, nil
	}
	return int(l), err
}

// feed commits input, in batches of one to a hundred records.
func feed(n *pipeproc.Node, o *orders) error {
	topics := []string{"in-0", "in-1"}
	have := 0
	for _, t := range topics {
		l, err := length(n, t)
		if err != nil {
			return err
		}
		have += l
	}
	var b pipeproc.Batch
	made := 0
	for i := 0; have < o.Target; i++ {
		b.Reset()
		for range min(1+i*i%100, o.Target-have) {
			r := input(topics[(made+i/3)%2], o.Life, made)
			if err := b.AddRecord(&r); err != nil {
				return err
			}
			made++
			have++
		}
		if err := n.CommitBatch(context.Background(), &b); err != nil {
			return err
		}
		fmt.Println("in", have)
		if have > o.Ahead { // each input comes out at the end of left
			if err := n.WaitForRecord(context.Background(), "out-0", uint64(have-o.Ahead)); err != nil {
				return err
			}
		}
	}
	return nil
}
