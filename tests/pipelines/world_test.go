package pipelines

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

const dir = "store"

// small returns the stages of simulated histories.
func small() []stage {
	return shape{gather: 10, spread: 10, lanes: 2, left: 1, right: 10, dense: true}.stages()
}

// known is what a process knows of its topics, which no power cut may take
// back: the ends of what was acknowledged to it or shown to its processors.
type known map[string]*atomic.Int64

func newKnown(stages []stage) known {
	k := known{}
	for i := range stages {
		for _, t := range stages[i].from {
			k[t] = new(atomic.Int64)
		}
	}
	return k
}

func (k known) note(topic string, seq uint64) {
	for e := k[topic]; ; {
		old := e.Load()
		if old > int64(seq) || e.CompareAndSwap(old, int64(seq)+1) {
			return
		}
	}
}

func (k known) ends() map[string]int64 {
	m := map[string]int64{}
	for t, e := range k {
		m[t] = e.Load()
	}
	return m
}

// image is what a crash left.
type image struct {
	disk *vfs.Crash
	ends map[string]int64 // what must be there
	how  string
}

// missing reports a topic that is shorter than it must be.
func (i *image) missing(length func(topic string) (int64, error)) error {
	for topic, end := range i.ends {
		if got, err := length(topic); err != nil || got < end {
			return fmt.Errorf("%s has %d records (%v), and %d were acknowledged or shown before", topic, got, err, end)
		}
	}
	return nil
}

var errDead = errors.New("this life is over")

// life is a node on a simulated disk, until its end.
type life struct {
	disk  *vfs.Crash
	fault *vfs.Fault
	known known
	node  *pipeproc.Node
	dead  atomic.Bool
	armed atomic.Int64    // operations until the crash; 0: none comes
	seed  uint64          // of what survives
	odds  atomic.Int64    // 1 of so many operations fails; 0: none
	calls atomic.Uint64   // operations, while some fail
	ctx   context.Context // ends with the crash
	end   context.CancelCauseFunc
	stop  func() // ends the callers of stages that are no system procs
	mu    sync.Mutex
	image *image // what the crash left; guarded by mu
}

func newLife(disk *vfs.Crash, stages []stage) *life {
	l := &life{disk: disk, known: newKnown(stages)}
	l.fault = vfs.NewFault(disk, l.hook)
	l.ctx, l.end = context.WithCancelCause(context.Background())
	return l
}

// hook runs before each operation on the file system.
func (l *life) hook(op vfs.Op) error {
	if l.dead.Load() {
		return errDead
	}
	if l.armed.Load() > 0 && l.armed.Add(-1) == 0 {
		l.crash(fmt.Sprintf("at %s %s", op.Kind, op.Name))
		return errDead
	}
	if odds := l.odds.Load(); odds > 0 && rand.New(rand.NewPCG(l.seed, l.calls.Add(1))).Int64N(odds) == 0 {
		return syscall.EIO
	}
	return nil
}

// event ends a life whose node has failed: nothing can be acknowledged any more.
func (l *life) event(e pipeproc.Event) {
	if e.Kind == pipeproc.EventFailed && !l.dead.Load() {
		l.crash("after " + e.Err.Error())
	}
}

// crash ends the life, by a power cut or, at times, by a kill.
func (l *life) crash(where string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.dead.Swap(true) {
		return
	}
	i := &image{ends: l.known.ends()} // before the disk: what is known then is on it
	if chances := []float64{0, .2, .5, .8, 1}; l.seed%6 < 5 {
		chance := chances[l.seed%6]
		i.disk = l.disk.Crash(vfs.RandomPick(l.seed, chance))
		i.how = fmt.Sprintf("power cut (%.1f survive) %s", chance, where)
	} else {
		i.disk = l.disk.Kill()
		i.how = "kill " + where
	}
	l.image = i
	l.end(errDead)
}

// left returns what the crash left, nil if there was none.
func (l *life) left() *image {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.image
}

// open opens the store. hours is what its clock is ahead of the time: claims of
// earlier lives have timed out then.
func (l *life) open(hours int) error {
	n, err := pipeproc.Open(dir, &pipeproc.Options{FS: l.fault, WALSize: 64 << 10, Workers: 3, OnEvent: l.event,
		Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10},
		Clock: func() time.Time { return time.Now().Add(time.Duration(hours) * time.Hour) }})
	if err == nil {
		l.node = n
	}
	return err
}

// verify checks an image's node before its processors are attached.
func (l *life) verify(stages []stage, before *image) error {
	if d := l.node.Recovery().Damage; len(d) > 0 {
		return fmt.Errorf("damage: %v", d)
	}
	if before != nil {
		err := before.missing(func(topic string) (int64, error) {
			n, err := length(l.node, topic)
			return int64(n), err
		})
		if err != nil {
			return fmt.Errorf("%w; found at opening: %+v", err, l.node.Recovery())
		}
	}
	if r := check(l.node, stages, false); !r.ok() {
		return errors.New(r.String())
	}
	return nil
}

// feed commits a batch of n inputs.
func (l *life) feed(rnd *rand.Rand, number, made, n int) error {
	var b pipeproc.Batch
	var topics []string
	for i := range n {
		r := input([]string{"in-0", "in-1"}[rnd.IntN(2)], number, made+i)
		topics = append(topics, r.Topic)
		if err := b.AddRecord(&r); err != nil {
			return err
		}
	}
	if err := l.node.CommitBatch(l.ctx, &b); err != nil {
		return err
	}
	for i, id := range b.IDs() {
		l.known.note(topics[i], id.Seq)
	}
	return nil
}

// start attaches the processors, and runs what is no system proc.
func (l *life) start(stages []stage) error {
	if err := define(l.node, stages, time.Minute, l.known.note); err != nil {
		return err
	}
	if l.stop == nil {
		l.stop = consumers(l.node, stages, time.Minute, 0, func(err error) bool {
			if l.odds.Load() > 0 && l.ctx.Err() == nil {
				return true // the disk failed
			}
			l.end(err)
			return false
		})
	}
	return nil
}

// close ends the node, which cannot do anything any more, if it is dead.
func (l *life) close() error {
	if l.stop != nil {
		l.stop()
	}
	if l.node == nil {
		return nil
	}
	return l.node.Close()
}
