package behaviour_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// lottery is a random history of topics some of whose files fail, or are removed while
// the store is not in use, over kills, power cuts and closes.
type lottery struct {
	t     *testing.T
	rnd   *rand.Rand
	disk  *vfs.Crash
	fault *vfs.Fault
	o     pipeproc.Options
	n     *pipeproc.Node
	sick  atomic.Int64 // the topic whose files take no writes; 0: none
	sent  map[string][][]byte
	lost  map[string]map[int]bool // in files that were removed
	seen  int                     // commits that were refused

	removed bool // a file was
}

var lotteryTopics = []string{"a", "b", "c", "d"} // which get the ids 1 to 4

func (l *lottery) hook(op vfs.Op) error {
	id := l.sick.Load()
	if id == 0 || !strings.Contains(op.Name, fmt.Sprintf("/%016x-", id)) {
		return nil
	}
	switch op.Kind {
	case vfs.OpWriteAt, vfs.OpPreallocate, vfs.OpTruncate, vfs.OpCreate:
		return syscall.EIO
	}
	return nil
}

func (l *lottery) use(d *vfs.Crash) {
	l.disk, l.fault = d, vfs.NewFault(d, l.hook)
	l.o.FS = l.fault
}

func (l *lottery) open() {
	l.t.Helper()
	o := l.o
	n, err := pipeproc.Open("d", &o)
	must(l.t, err)
	l.n = n
	if err := n.Err(); err != nil {
		l.t.Fatalf("the whole node is damaged: %v", err)
	}
	if d := n.Recovery().Damage; len(d) > 0 && !l.removed {
		l.t.Fatalf("damage in a store that has none: %v", d)
	}
}

func (l *lottery) commit() {
	topic := lotteryTopics[l.rnd.IntN(len(lotteryTopics))]
	body := fmt.Appendf(nil, "%s %06d %s", topic, len(l.sent[topic]), strings.Repeat("x", l.rnd.IntN(20000)))
	_, err := l.n.Commit(bg, pipeproc.Record{Topic: topic, Body: body})
	switch {
	case err == nil:
		l.sent[topic] = append(l.sent[topic], body)
	case errors.Is(err, pipeproc.ErrTopicDamaged), errors.Is(err, syscall.EIO):
		l.seen++
	default:
		l.t.Fatalf("commit to %s: %v", topic, err)
	}
}

// remove removes a random segment file.
func (l *lottery) remove() {
	list := files(l.t, l.disk, "d/segments", ".seg")
	if len(list) == 0 {
		return
	}
	l.removed = true
	must(l.t, l.disk.Remove(path.Join("d/segments", list[l.rnd.IntN(len(list))].Name)))
	must(l.t, l.disk.SyncDir("d/segments"))
	l.open()
	for topic := range l.sent {
		for i := range l.sent[topic] {
			if !l.has(topic, i) {
				if l.lost[topic] == nil {
					l.lost[topic] = map[int]bool{}
				}
				l.lost[topic][i] = true
			}
		}
	}
	l.shut()
}

// has reports whether a record can be read. If not, that must be known.
func (l *lottery) has(topic string, i int) bool {
	for rec, err := range l.n.Range(bg, topic, pipeproc.RangeOptions{Start: pipeproc.AtSeq(uint64(i)), Limit: 1}) {
		switch {
		case errors.Is(err, pipeproc.ErrCorrupt), errors.Is(err, pipeproc.ErrInvalidSequence):
			return false
		case err != nil:
			l.t.Fatalf("record %d of %s: %v", i, topic, err)
		case rec.ID.Seq != uint64(i):
			return false // in a gap
		case !bytes.Equal(rec.Body, l.sent[topic][i]):
			l.t.Fatalf("record %d of %s is another", i, topic)
		}
		return true
	}
	return false
}

func (l *lottery) check() {
	l.t.Helper()
	for topic := range l.sent {
		for i := range l.sent[topic] {
			if l.has(topic, i) == l.lost[topic][i] {
				l.t.Fatalf("record %d of %s: it was in a removed file: %v", i, topic, l.lost[topic][i])
			}
		}
	}
}

// shut ends the node somehow.
func (l *lottery) shut() {
	switch l.rnd.IntN(3) {
	case 0:
		must(l.t, l.n.Close())
		return
	case 1:
		killed := l.disk.Kill()
		l.n.Close()
		l.use(killed)
	case 2:
		cut := l.disk.Crash(vfs.RandomPick(l.rnd.Uint64(), l.rnd.Float64()))
		l.n.Close()
		l.use(cut)
	}
}

// TestS3Lottery: random histories. What was not in a removed file is always there, and
// a store without one is never called damaged, however often its files failed. At the
// end a repair on a disk that works loses nothing more.
func TestS3Lottery(t *testing.T) {
	seeds, refused, lost := 30, 0, 0
	if testing.Short() {
		seeds = 8
	}
	for seed := range uint64(seeds) {
		l := &lottery{t: t, rnd: rand.New(rand.NewPCG(seed, 3)), sent: map[string][][]byte{}, lost: map[string]map[int]bool{},
			o: pipeproc.Options{Sync: pipeproc.SyncAlways, WALSize: 128 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}}
		l.use(vfs.NewCrash())
		l.open()
		for _, topic := range lotteryTopics {
			must(t, l.n.CreateTopic(bg, topic, pipeproc.TopicOptions{}))
		}
		for range 300 {
			switch l.rnd.IntN(40) {
			case 0:
				l.shut()
				l.open()
				l.check()
			case 1:
				if seed%2 == 1 && l.rnd.IntN(3) == 0 {
					l.shut()
					l.remove()
					l.open()
					l.check()
				}
			case 2:
				must(t, l.n.Checkpoint(bg))
			case 3:
				l.sick.Store(int64(l.rnd.IntN(len(lotteryTopics) + 1)))
			default:
				l.commit()
			}
		}
		l.check()
		l.shut()
		l.sick.Store(0)
		rep, err := pipeproc.Repair(bg, "d", &pipeproc.RepairOptions{FS: l.fault})
		must(t, err)
		l.open()
		if d := l.n.Recovery().Damage; len(d) > 0 {
			t.Errorf("seed %d: damage after the repair: %v", seed, d)
		}
		l.check()
		gone := 0
		for _, d := range rep.Dropped {
			gone += int(d.Next - d.First)
		}
		want := 0
		for _, m := range l.lost {
			want += len(m)
		}
		if gone != want {
			t.Errorf("seed %d: the repair said that %d records are gone, %d are: %v", seed, gone, want, rep.Dropped)
		}
		refused += l.seen
		l.seen = 0
		for range 50 {
			l.commit()
		}
		if l.seen > 0 {
			t.Errorf("seed %d: %d commits were refused after the repair", seed, l.seen)
		}
		must(t, l.n.Close())
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
		lost += want
	}
	t.Logf("%d histories, %d commits refused, %d records in removed files", seeds, refused, lost)
}
