package behaviour_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
	"github.com/pipeproc/pipeproc/vfs"
)

// Disks that are full, or odd in some way: field cases S7, S8, S9, S14, S15, S17.

var diskModes = map[string]pipeproc.SyncMode{
	"always": pipeproc.SyncAlways, "interval": pipeproc.SyncInterval(1 << 40), "never": pipeproc.SyncNever,
}

func forEachMode(t *testing.T, fn func(t *testing.T, o pipeproc.Options)) {
	for name, mode := range diskModes {
		t.Run(name, func(t *testing.T) {
			fn(t, pipeproc.Options{Sync: mode, WALSize: 1 << 20, Topic: pipeproc.TopicOptions{SegmentSize: 1 << 20}})
		})
	}
}

// openDisk opens the store on fsys, and closes it when the test ends.
func openDisk(t *testing.T, fsys vfs.FS, o pipeproc.Options) *pipeproc.Node {
	t.Helper()
	o.FS = fsys
	n, err := pipeproc.Open("d", &o)
	must(t, err)
	t.Cleanup(func() { n.Close() })
	if d := n.Recovery().Damage; len(d) > 0 {
		t.Fatalf("damage: %v", d)
	}
	return n
}

func commitTo(t *testing.T, n *pipeproc.Node, topic string, count, size int) {
	t.Helper()
	for range count {
		must(t, errOnly(n.Commit(bg, pipeproc.Record{Topic: topic, Body: make([]byte, size)})))
	}
}

func wantLength(t *testing.T, when string, n *pipeproc.Node, topic string, want uint64) {
	t.Helper()
	if got, err := n.Length(bg, topic); got != want || err != nil {
		t.Fatalf("%s: %d records, %v; want %d; Err: %v", when, got, err, want, n.Err())
	}
}

// wantNoSpace checks that err says what has happened and what can be done.
func wantNoSpace(t *testing.T, when string, err, cause error) {
	t.Helper()
	if !errors.Is(err, pipeproc.ErrNoSpace) || pipeproc.Code(err) != "no_space" || !errors.Is(err, cause) {
		t.Fatalf("%s: %v; want no_space", when, err)
	}
	what := "the disk is full"
	if cause == syscall.EDQUOT {
		what = "quota is used up"
	}
	for _, text := range []string{what, "make room"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s: it does not say %q: %v", when, text, err)
		}
	}
}

// fill leaves no room on m.
func fill(m *vfs.Crash) { m.SetCapacity(used(m)) }

func used(m *vfs.Crash) int64 {
	const all = 1 << 40
	m.SetCapacity(all)
	free, _ := m.Free(".")
	return all - free
}

// killed is a store after starts that were killed when each had committed a record.
func killed(t *testing.T, m *vfs.Crash, o pipeproc.Options, starts int) *vfs.Crash {
	t.Helper()
	for range starts {
		o.FS = m
		n, err := pipeproc.Open("d", &o) // not kept until the end of the test
		must(t, err)
		if d := n.Recovery().Damage; len(d) > 0 {
			t.Fatalf("damage: %v", d)
		}
		commitTo(t, n, "t", 1, 1)
		m = m.Kill()
		must(t, n.Close())
	}
	return m
}

// TestS7RoomAgain: field case S7. The disk is full when a killed store is opened, and
// later there is room: nothing of what is then acknowledged is hidden by the log that
// was found first.
func TestS7RoomAgain(t *testing.T) {
	forEachMode(t, func(t *testing.T, o pipeproc.Options) {
		m := killed(t, vfs.NewCrash(), o, 1)
		m.SetCapacity(1)
		n := openDisk(t, m, o)
		_, err := n.Commit(bg, pipeproc.Record{Topic: "t", Body: make([]byte, 1<<20)})
		wantNoSpace(t, "commit", err, syscall.ENOSPC)
		_, err = n.Commit(bg, pipeproc.Record{Topic: "t"})
		t.Log("a small commit on the full disk:", err)
		have, err := n.Length(bg, "t")
		must(t, err)
		m.SetCapacity(0)
		commitTo(t, n, "t", 20, 1)
		wantLength(t, "room again", n, "t", have+20)
		m = m.Kill()
		n = openDisk(t, m, o)
		wantLength(t, "killed", n, "t", have+20)
		commitTo(t, n, "t", 1, 1)
		must(t, n.Close())
		wantLength(t, "closed", openDisk(t, m, o), "t", have+21)
	})
}

// TestS7SyncWithoutLog: what an earlier opening has logged and not synced is durable
// once a Sync has returned, although there was no room for another log.
func TestS7SyncWithoutLog(t *testing.T) {
	o := pipeproc.Options{Sync: pipeproc.SyncNever, WALSize: 1 << 20}
	m := killed(t, vfs.NewCrash(), o, 1)
	var full atomic.Bool
	full.Store(true)
	n := openDisk(t, vfs.NewFault(m, func(op vfs.Op) error {
		if full.Load() && op.Kind == vfs.OpCreate && strings.Contains(op.Name, "/wal/") {
			return syscall.ENOSPC
		}
		return nil
	}), o)
	must(t, n.Sync(bg))
	cut := m.Crash(func(vfs.Unit) bool { return false })
	wantLength(t, "power cut", openDisk(t, cut, o), "t", 1)
	full.Store(false)
	commitTo(t, n, "t", 1, 1)
	wantLength(t, "room again, killed", openDisk(t, m.Kill(), o), "t", 2)
}

// TestS8CoveredFilesMakeRoom: field case S8. The only room for a log is in the files
// of the logs before, which a checkpoint covers.
func TestS8CoveredFilesMakeRoom(t *testing.T) {
	for _, first := range []string{"commit", "prune", "delete", "checkpoint", "close"} {
		t.Run(first, func(t *testing.T) {
			forEachMode(t, func(t *testing.T, o pipeproc.Options) {
				m := killed(t, vfs.NewCrash(), o, 3)
				if n := openDisk(t, m, o); n != nil { // its room is what the first checkpoint takes
					commitTo(t, n, "u", 1, 1)
					must(t, n.Checkpoint(bg))
					commitTo(t, n, "t", 1, 1)
					m = m.Kill()
				}
				// Whatever is void is gone: the log has no spare.
				infos, err := m.ReadDir("d/wal")
				must(t, err)
				for _, i := range infos {
					f, err := m.Open("d/wal/"+i.Name, vfs.Read)
					must(t, err)
					var head [8]byte
					if _, err := f.ReadAt(head[:], 0); err != nil || string(head[:6]) != "PPWALO" {
						must(t, m.Remove("d/wal/"+i.Name))
					}
					f.Close()
				}
				fill(m)
				n := openDisk(t, m, o)
				wantLength(t, "full", n, "t", 4)
				switch first {
				case "commit":
					commitTo(t, n, "t", 1, 1)
				case "prune":
					must(t, n.Prune(bg, "t", 2))
				case "delete":
					must(t, n.DeleteTopic(bg, "t"))
				case "checkpoint":
					must(t, n.Checkpoint(bg))
				case "close":
					must(t, n.Close())
					n = openDisk(t, m, o)
				}
				commitTo(t, n, "u", 1, 1)
				wantLength(t, "then", n, "u", 2)
				wantLength(t, "killed", openDisk(t, m.Kill(), o), "u", 2)
			})
		})
	}
}

// TestS9KilledStarts: field case S9. However many starts are killed after a commit,
// their logs take at most twice WALSize besides what is in them.
func TestS9KilledStarts(t *testing.T) {
	starts := 1000
	if testing.Short() {
		starts = 100
	}
	forEachMode(t, func(t *testing.T, o pipeproc.Options) {
		t.Parallel()
		o.WALSize = 256 << 10
		m, most := vfs.NewCrash(), int64(0)
		for i := range starts {
			m = killed(t, m, o, 1)
			infos, err := m.ReadDir("d/wal")
			must(t, err)
			size := int64(0)
			for _, f := range infos {
				size += f.Allocated
			}
			if most = max(most, size); most > 2*o.WALSize {
				t.Fatalf("after %d starts the log's files take %d bytes, more than twice %d", i+1, most, o.WALSize)
			}
		}
		t.Logf("at most %d KiB in files", most>>10)
		wantLength(t, "in the end", openDisk(t, m, o), "t", uint64(starts))
	})
}

// TestNextSnapshotHasRoom: the disk becomes full while the first checkpoint is being
// written. The next one must have its room all the same, since it is what frees space.
func TestNextSnapshotHasRoom(t *testing.T) {
	o := pipeproc.Options{WALSize: 1 << 20, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
	m := vfs.NewCrash()
	n := openDisk(t, vfs.NewFault(m, func(op vfs.Op) error {
		if op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, "snapshot-1") {
			fill(m)
		}
		return nil
	}), o)
	commitTo(t, n, "t", 50, 10000)
	must(t, n.Checkpoint(bg))
	for err := error(nil); err == nil; {
		_, err = n.Commit(bg, pipeproc.Record{Topic: "t", Body: make([]byte, 10000)})
	}
	l, err := n.Length(bg, "t")
	must(t, err)
	must(t, n.Prune(bg, "t", l-5))
	must(t, n.Checkpoint(bg))
	commitTo(t, n, "t", 1, 10000)
	wantLength(t, "pruned", n, "t", 6)
}

// TestCutOffThinning: an opening that shortens the log by a checkpoint, or one without
// room for a log and a checkpoint after it, may be killed or lose its power at each
// operation. Nothing is lost that must not be, and nothing is called damaged.
func TestCutOffThinning(t *testing.T) {
	if process.Race {
		t.Skip("it copies whole file systems over and over; run without the race detector")
	}
	forEachMode(t, func(t *testing.T, o pipeproc.Options) {
		t.Parallel()
		o.WALSize = 64 << 10
		base := vfs.NewCrash()
		n := openDisk(t, base, o) // segments and a snapshot that something refers to
		commitTo(t, n, "t", 5, 30000)
		must(t, n.Checkpoint(bg))
		commitTo(t, n, "t", 1, 30000)
		base = killed(t, base.Kill(), o, 2)
		records := uint64(8)
		for ; openDisk(t, base.Kill(), o).Stats().Checkpoints == 0; records++ {
			base = killed(t, base, o, 1)
		}
		stride := int64(1)
		if testing.Short() {
			stride = 5
		}
		for _, thin := range []bool{true, false} {
			images := 0
			for at, more := int64(1), true; more; at += stride {
				m := base.Kill()
				var cuts []*vfs.Crash
				var full atomic.Bool
				full.Store(!thin)
				f := vfs.NewFault(m, func(op vfs.Op) error {
					if op.N == at {
						r := rand.New(rand.NewPCG(uint64(at), 7))
						some := func(vfs.Unit) bool { return r.IntN(2) == 0 }
						cuts = []*vfs.Crash{m.Kill(), m.Crash(func(vfs.Unit) bool { return false }), m.Crash(some), m.Crash(some)}
					}
					if full.Load() && op.Kind == vfs.OpPreallocate && strings.Contains(op.Name, "/wal/") {
						return syscall.ENOSPC
					}
					return nil
				})
				n := openDisk(t, f, o)
				if n.Stats().Checkpoints == 0 {
					t.Fatal("the log is not shortened: the test shows nothing")
				}
				if !thin {
					must(t, n.Checkpoint(bg))
				}
				full.Store(false)
				commitTo(t, n, "t", 1, 1)
				must(t, n.Close())
				more = cuts != nil
				for i, cut := range cuts {
					images++
					n := openDisk(t, cut, o) // and no damage
					got, err := n.Length(bg, "t")
					if (i == 0 || o.Sync == pipeproc.SyncAlways) && got < records || got < 5 || got > records+1 || err != nil {
						t.Fatalf("thin %v, cut %d at operation %d: %d records, %v", thin, i, at, got, err)
					}
					commitTo(t, n, "t", 1, 1)
					must(t, n.Close())
				}
			}
			t.Logf("thin %v: %d images", thin, images)
		}
	})
}

// quota refuses with as what would have the files on m take more than limit bytes, if
// that is not 0.
func quota(m *vfs.Crash, limit *atomic.Int64, as error) *vfs.Fault {
	return vfs.NewFault(m, func(op vfs.Op) error {
		most := limit.Load()
		if most == 0 || op.Kind != vfs.OpPreallocate && op.Kind != vfs.OpWriteAt {
			return nil
		}
		info, err := m.Stat(op.Name)
		if more := op.Off + op.Len - info.Allocated; err == nil && more > 0 && used(m)+more > most {
			return &vfsError{op, as}
		}
		return nil
	})
}

type vfsError struct {
	op  vfs.Op
	err error
}

func (e *vfsError) Error() string { return fmt.Sprintf("%s %s: %v", e.op.Kind, e.op.Name, e.err) }
func (e *vfsError) Unwrap() error { return e.err }

// TestS14Quota: field case S14. A quota that is used up is a full disk, with another
// word for it.
func TestS14Quota(t *testing.T) {
	for _, as := range []error{syscall.ENOSPC, syscall.EDQUOT} {
		t.Run(as.Error(), func(t *testing.T) {
			forEachMode(t, func(t *testing.T, o pipeproc.Options) {
				var limit atomic.Int64
				var said atomic.Int32
				o.OnEvent = func(e pipeproc.Event) {
					if e.Kind == pipeproc.EventDiskFull && errors.Is(e.Err, as) {
						said.Add(1)
					}
				}
				m := vfs.NewCrash()
				n := openDisk(t, quota(m, &limit, as), o)
				commitTo(t, n, "t", 200, 20000)
				limit.Store(used(m))
				var err error
				for err == nil {
					_, err = n.Commit(bg, pipeproc.Record{Topic: "t", Body: make([]byte, 20000)})
				}
				wantNoSpace(t, "commit", err, as)
				if said.Load() == 0 || n.Err() != nil {
					t.Errorf("%d events, Err: %v", said.Load(), n.Err())
				}
				l, err := n.Length(bg, "t")
				must(t, err)
				must(t, n.Prune(bg, "t", l-2)) // prune works, and so does a checkpoint
				must(t, n.Checkpoint(bg))
				wantLength(t, "pruned", n, "t", 2)

				o.OnEvent = nil
				k := m.Kill()
				n = openDisk(t, quota(k, &limit, as), o)
				wantLength(t, "killed and opened", n, "t", 2)
				limit.Store(0)
				commitTo(t, n, "t", 1, 20000)
				wantLength(t, "with room", openDisk(t, k.Kill(), o), "t", 3)
			})
		})
	}
}

// TestS15StoreWithoutRoom: field case S15. On a file system that writes elsewhere what
// is overwritten STORE itself may find no room, at either copy and with a part of
// the page written. The node goes on, unless nobody knows which copy counts.
func TestS15StoreWithoutRoom(t *testing.T) {
	for nth := 1; nth <= 2; nth++ {
		for _, part := range []int{0, 512, 4096} {
			t.Run(fmt.Sprintf("write %d, %d bytes", nth, part), func(t *testing.T) {
				o := pipeproc.Options{Sync: pipeproc.SyncAlways, WALSize: 1 << 20}
				m, at := vfs.NewCrash(), 0
				m.Grain = 512
				f := vfs.NewFault(m, nil)
				n := openDisk(t, f, o)
				commitTo(t, n, "t", 3, 20000)
				f.SetHook(func(op vfs.Op) error {
					if op.Kind == vfs.OpWriteAt && strings.HasSuffix(op.Name, "/STORE") {
						if at++; at == nth {
							return vfs.ShortWrite{N: part, Err: syscall.ENOSPC}
						}
					}
					return nil
				})
				err := n.Checkpoint(bg)
				f.SetHook(nil)
				if nth == 1 && part == 4096 { // the page may get to the disk all the same
					if n.Err() == nil {
						t.Fatalf("it is not known which copy counts, and the node goes on: %v", err)
					}
				} else {
					if nth == 1 {
						wantNoSpace(t, "checkpoint", err, syscall.ENOSPC)
					} else {
						must(t, err)
					}
					if n.Err() != nil {
						t.Fatalf("the node stops: %v", n.Err())
					}
					wantLength(t, "a cut", openDisk(t, m.Crash(everyOther()), o), "t", 3)
					for i := range 3 {
						commitTo(t, n, "t", 1, 20000)
						must(t, n.Checkpoint(bg))
						wantLength(t, "a cut", openDisk(t, m.Crash(everyOther()), o), "t", uint64(4+i))
					}
					wantLength(t, "killed", openDisk(t, m.Kill(), o), "t", 6)
					return
				}
				wantLength(t, "killed", openDisk(t, m.Kill(), o), "t", 3)
				wantLength(t, "a cut", openDisk(t, m.Crash(everyOther()), o), "t", 3)
			})
		}
	}
}

// everyOther has every other unit survive a power cut.
func everyOther() func(vfs.Unit) bool {
	keep := false
	return func(vfs.Unit) bool { keep = !keep; return keep }
}

// TestS15OpenWithoutRoom: a store whose STORE cannot be written is not opened for
// writing, says why, can be read, and is opened when there is room.
func TestS15OpenWithoutRoom(t *testing.T) {
	o := pipeproc.Options{WALSize: 1 << 20}
	m := killed(t, vfs.NewCrash(), o, 2)
	o.FS = vfs.NewFault(m, vfs.FailKind(vfs.OpWriteAt, "/STORE", syscall.ENOSPC))
	_, err := pipeproc.Open("d", &o)
	wantNoSpace(t, "open", err, syscall.ENOSPC)
	if !strings.Contains(err.Error(), "read-only") {
		t.Errorf("it does not say that the store can be read: %v", err)
	}
	o.ReadOnly = true
	n, err := pipeproc.Open("d", &o)
	must(t, err)
	wantLength(t, "read-only", n, "t", 2)
	must(t, n.Close())
	o.ReadOnly = false
	wantLength(t, "room again", openDisk(t, m, o), "t", 2)
}

// TestS17NoMappings: field case S17. Where there are no shared mappings, the log is
// written and segments are read, and Stats says so.
func TestS17NoMappings(t *testing.T) {
	forEachMode(t, func(t *testing.T, o pipeproc.Options) {
		m := vfs.NewCrash()
		none := vfs.NewFault(m, vfs.FailKind(vfs.OpMap, "", syscall.ENODEV))
		n := openDisk(t, none, o)
		body := bytes.Repeat([]byte("x"), 3000)
		for range 1000 { // several files of the log, and several segments
			must(t, errOnly(n.Commit(bg, pipeproc.Record{Topic: "t", Body: body})))
		}
		if n.Stats().WALMapped {
			t.Error("Stats says that the log is mapped")
		}
		for range 3 { // what is read again would be mapped
			for seq := uint64(0); seq < 1000; seq += 50 {
				r, err := n.Get(bg, "t", seq)
				if err != nil || !bytes.Equal(r.Body, body) {
					t.Fatalf("record %d: %v", seq, err)
				}
			}
			count := 0
			for r, err := range n.Range(bg, "t", pipeproc.RangeOptions{}) {
				must(t, err)
				if count++; !bytes.Equal(r.Body, body) {
					t.Fatal("another record")
				}
			}
			if count != 1000 {
				t.Fatalf("%d records", count)
			}
		}
		must(t, n.Sync(bg))
		k := m.Crash(func(vfs.Unit) bool { return false })
		wantLength(t, "a cut after a sync", openDisk(t, k, o), "t", 1000)
		n = openDisk(t, m.Kill(), o)
		wantLength(t, "killed, with mappings again", n, "t", 1000)
		if n.Stats().WALMapped != (o.Sync != pipeproc.SyncAlways) {
			t.Errorf("WALMapped is %v", n.Stats().WALMapped)
		}
	})
}
