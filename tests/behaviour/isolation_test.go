package behaviour_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// isolated is a store of the topics "a", whose growing segment 1 has a file, and "b".
// Of both the log has more than the snapshot.
type isolated struct {
	t      *testing.T
	disk   *vfs.Crash
	fault  *vfs.Fault
	o      pipeproc.Options
	n      *pipeproc.Node
	acked  map[string]int // records acknowledged
	grows  vfs.Info       // the file of a's segment that grew at the last checkpoint
	damage atomic.Int32   // events
	log    bytes.Buffer
}

const isolatedBody = 4000

func isolatedRecord(topic string, i int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%s %06d ", topic, i), isolatedBody/9)
}

func newIsolated(t *testing.T, segment int64) *isolated {
	s := &isolated{t: t, disk: vfs.NewCrash(), acked: map[string]int{}}
	s.o = pipeproc.Options{Sync: pipeproc.SyncNever, WALSize: 1 << 20, Topic: pipeproc.TopicOptions{SegmentSize: segment},
		Logger:  slog.New(slog.NewTextHandler(&s.log, &slog.HandlerOptions{Level: slog.LevelError})),
		OnEvent: s.onEvent}
	s.use(s.disk)
	s.open()
	s.commit("a", 60)
	s.commit("b", 1)
	must(t, s.n.Checkpoint(bg))
	infos := files(t, s.disk, "d/segments", fmt.Sprintf("%016x-", 1))
	s.grows = infos[len(infos)-1]
	s.commit("a", 60)
	return s
}

func (s *isolated) onEvent(e pipeproc.Event) {
	if e.Kind == pipeproc.EventDamage {
		s.damage.Add(1)
	}
}

func (s *isolated) use(d *vfs.Crash) {
	s.disk = d
	s.fault = vfs.NewFault(d, nil)
	s.o.FS = s.fault
}

func (s *isolated) open() {
	s.t.Helper()
	o := s.o
	n, err := pipeproc.Open("d", &o)
	must(s.t, err)
	s.n = n
}

func (s *isolated) kill() {
	hook := s.disk.Kill()
	s.n.Close()
	s.use(hook)
}

// commit commits n records to topic, one by one.
func (s *isolated) commit(topic string, n int) {
	s.t.Helper()
	for range n {
		_, err := s.n.Commit(bg, pipeproc.Record{Topic: topic, Body: isolatedRecord(topic, s.acked[topic])})
		if err != nil {
			s.t.Fatalf("record %d of %s: %v", s.acked[topic], topic, err)
		}
		s.acked[topic]++
	}
}

// refused checks that a takes no commits.
func (s *isolated) refused() {
	s.t.Helper()
	_, err := s.n.Commit(bg, pipeproc.Record{Topic: "a", Body: []byte("x")})
	if !errors.Is(err, pipeproc.ErrTopicDamaged) || !strings.Contains(err.Error(), "repair") {
		s.t.Errorf("a commit to the damaged topic: %v", err)
	}
}

// check reads a topic and returns how many records it lacks. Each must be right.
func (s *isolated) check(topic string) (missing int) {
	s.t.Helper()
	for i := range s.acked[topic] {
		rec, err := s.at(topic, i)
		switch {
		case errors.Is(err, pipeproc.ErrCorrupt):
			missing++
		case err != nil:
			s.t.Fatalf("record %d of %s: %v", i, topic, err)
		case rec == nil:
			missing++
		case !bytes.Equal(rec, isolatedRecord(topic, i)):
			s.t.Fatalf("record %d of %s is another", i, topic)
		}
	}
	return missing
}

// at returns a record, or nil if the topic has a gap there.
func (s *isolated) at(topic string, i int) ([]byte, error) {
	for rec, err := range s.n.Range(bg, topic, pipeproc.RangeOptions{Start: pipeproc.AtSeq(uint64(i)), Limit: 1}) {
		if errors.Is(err, pipeproc.ErrInvalidSequence) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if rec.ID.Seq != uint64(i) {
			return nil, nil
		}
		return rec.Body, nil
	}
	return nil, nil
}

// ranges reads a both ways: what is missing is one piece, which is told, and behind it
// reading goes on.
func (s *isolated) ranges(missing int) {
	s.t.Helper()
	for _, reverse := range []bool{false, true} {
		good, bad := 0, 0
		for _, err := range s.n.Range(bg, "a", pipeproc.RangeOptions{Reverse: reverse}) {
			if c, ok := errors.AsType[*pipeproc.CorruptError](err); ok {
				bad += int(c.Next - c.First)
				continue
			}
			must(s.t, err)
			good++
		}
		if good != s.acked["a"]-missing || bad != missing {
			s.t.Errorf("reverse %v: %d records, and %d are said to be missing; %d are", reverse, good, bad, missing)
		}
	}
}

// others commits 50 times the log's size to b, over checkpoints, closes, kills and
// opens.
func (s *isolated) others(missing int, faults func(vfs.Op) error) {
	s.t.Helper()
	for round := range 5 {
		s.fault.SetHook(faults)
		must(s.t, s.n.Checkpoint(bg)) // after an opening it tries again to write
		s.commit("b", 10<<20/isolatedBody)
		s.refused()
		must(s.t, s.n.Checkpoint(bg))
		if got := s.check("a"); got != missing {
			s.t.Fatalf("round %d: %d records of a cannot be read, %d were expected", round, got, missing)
		}
		if round%2 == 0 {
			must(s.t, s.n.Close())
		} else {
			s.kill()
		}
		s.fault.SetHook(nil)
		if infos, err := s.disk.ReadDir("d/wal"); err != nil || len(infos) > 40 {
			s.t.Fatalf("round %d: %d files in the log, %v", round, len(infos), err)
		}
		rep, err := pipeproc.Verify(bg, "d", &pipeproc.VerifyOptions{FS: s.fault})
		if err != nil || len(rep.Damage) == 0 {
			s.t.Fatalf("round %d: verify found %v, %v", round, rep.Damage, err)
		}
		s.fault.SetHook(faults)
		s.open()
	}
	s.fault.SetHook(faults)
}

// repaired repairs the store and checks that no more than missing records are gone.
func (s *isolated) repaired(missing int) {
	s.t.Helper()
	s.n.Close()
	if s.damage.Load() == 0 || !strings.Contains(s.log.String(), "repair") {
		s.t.Errorf("%d events; log: %s", s.damage.Load(), s.log.String())
	}
	s.fault.SetHook(nil)
	rep, err := pipeproc.Repair(bg, "d", &pipeproc.RepairOptions{FS: s.fault})
	must(s.t, err)
	said := 0
	for _, d := range rep.Dropped {
		said += int(d.Next - d.First)
	}
	s.t.Logf("%q %+v", rep.Actions, rep.Dropped)
	again, err := pipeproc.Verify(bg, "d", &pipeproc.VerifyOptions{FS: s.fault})
	if err != nil || len(again.Damage) > 0 {
		s.t.Errorf("verify after the repair: %v, %v", again.Damage, err)
	}
	s.open()
	if a, b := s.check("a"), s.check("b"); a != missing || b != 0 || said != missing {
		s.t.Errorf("after the repair %d records of a and %d of b are missing, and it said %d; %d of a were expected", a, b, said, missing)
	}
	s.commit("a", 10)
	s.commit("b", 10)
	must(s.t, s.n.Close())
}

// TestS3MissingSegment: the file of a's growing segment is removed after a kill. All
// else goes on, and a repair loses what was in the file and nothing else.
func TestS3MissingSegment(t *testing.T) {
	for _, segment := range []int64{64 << 20, 96 << 10} { // the log has one segment, several
		t.Run(fmt.Sprint(segment), func(t *testing.T) {
			s := newIsolated(t, segment)
			s.kill()
			must(t, s.disk.Remove("d/segments/"+s.grows.Name))
			s.open()
			missing := s.check("a")
			if missing == 0 || missing > 60 {
				t.Fatalf("%d records cannot be read", missing)
			}
			s.ranges(missing)
			s.others(missing, nil)
			s.ranges(missing)
			s.repaired(missing)
		})
	}
}

// TestS3NotAFile: a folder is in the file's place.
func TestS3NotAFile(t *testing.T) {
	s := newIsolated(t, 64<<20)
	s.kill()
	must(t, s.disk.Remove("d/segments/"+s.grows.Name))
	must(t, s.disk.MkdirAll("d/segments/"+s.grows.Name))
	s.open()
	missing := s.check("a")
	s.others(missing, nil)
	s.repaired(missing)
}

// failA is a hook that fails the operations on a's segment files.
func failA(kinds ...vfs.OpKind) func(vfs.Op) error {
	return func(op vfs.Op) error {
		for _, k := range kinds {
			if op.Kind == k && strings.Contains(op.Name, fmt.Sprintf("%016x-", 1)) {
				return syscall.EIO
			}
		}
		return nil
	}
}

// TestS3WriteFails: a's files take no writes, for ever, or cannot be sealed, and a
// repair on a disk that works again loses nothing.
func TestS3WriteFails(t *testing.T) {
	for name, hook := range map[string]func(vfs.Op) error{
		"write":       failA(vfs.OpWriteAt),
		"preallocate": failA(vfs.OpPreallocate),
		"seal":        failA(vfs.OpTruncate),
		"all":         failA(vfs.OpWriteAt, vfs.OpPreallocate, vfs.OpTruncate, vfs.OpCreate, vfs.OpRemove),
	} {
		t.Run(name, func(t *testing.T) {
			s := newIsolated(t, 96<<10)
			s.kill() // what is reserved is not known any more
			s.open()
			s.fault.SetHook(hook)
			must(t, s.n.Checkpoint(bg))
			s.refused()
			s.others(0, hook)
			s.repaired(0)
		})
	}
}

// TestS3ErrorPasses: a topic whose file can be written again takes commits again
// without a repair, in the same opening or in the next.
func TestS3ErrorPasses(t *testing.T) {
	for _, reopen := range []bool{false, true} {
		s := newIsolated(t, 96<<10)
		s.fault.SetHook(failA(vfs.OpWriteAt))
		must(t, s.n.Checkpoint(bg))
		s.refused()
		if reopen {
			must(t, s.n.Close())
			s.fault.SetHook(failA(vfs.OpWriteAt))
			s.open()
			must(t, s.n.Checkpoint(bg))
			s.refused()
		}
		s.fault.SetHook(nil)
		must(t, s.n.Checkpoint(bg))
		s.commit("a", 100)
		must(t, s.n.Close())
		if rep, err := pipeproc.Verify(bg, "d", &pipeproc.VerifyOptions{FS: s.fault}); err != nil || len(rep.Damage) > 0 {
			t.Errorf("verify: %v, %v", rep.Damage, err)
		}
		s.open()
		if got := s.check("a"); got != 0 {
			t.Errorf("%d records of a are missing", got)
		}
		must(t, s.n.Close())
	}
}

// TestS3FileComesBack: the operator puts the file back. A repair then finds all of it.
func TestS3FileComesBack(t *testing.T) {
	s := newIsolated(t, 64<<20)
	s.kill()
	must(t, s.disk.Rename("d/segments/"+s.grows.Name, "d/away"))
	s.open()
	missing := s.check("a")
	must(t, s.n.Checkpoint(bg))
	must(t, s.n.Close())
	must(t, s.disk.Rename("d/away", "d/segments/"+s.grows.Name))
	s.open()
	if got := s.check("a"); missing == 0 || got != 0 {
		t.Errorf("%d records of a cannot be read, %d before", got, missing)
	}
	s.repaired(0)
}

// TestS3Freed: a damaged topic can be pruned and deleted, which frees what is kept.
func TestS3Freed(t *testing.T) {
	for _, prune := range []bool{false, true} {
		s := newIsolated(t, 64<<20)
		s.kill()
		must(t, s.disk.Remove("d/segments/"+s.grows.Name))
		s.open()
		must(t, s.n.Checkpoint(bg))
		if prune {
			must(t, s.n.Prune(bg, "a", uint64(s.acked["a"])))
		} else {
			must(t, s.n.DeleteTopic(bg, "a"))
		}
		must(t, s.n.Checkpoint(bg))
		if tails := s.n.Stats().TailBytes; tails > 16<<10 {
			t.Errorf("prune %v: %d bytes are kept in memory", prune, tails)
		}
		must(t, s.n.Close())
		if prune {
			s.acked["a"] = 0
			s.open()
			must(t, s.n.Close())
			_, err := pipeproc.Repair(bg, "d", &pipeproc.RepairOptions{FS: s.fault})
			must(t, err)
			s.open()
			_, err = s.n.Commit(bg, pipeproc.Record{Topic: "a"})
			must(t, err)
		} else {
			s.open()
			s.commit("a", 0)
			_, err := s.n.Commit(bg, pipeproc.Record{Topic: "a"})
			must(t, err)
		}
		must(t, s.n.Close())
	}
}

// TestS3SyncFails: a failed sync is not the topic's affair alone.
func TestS3SyncFails(t *testing.T) {
	s := newIsolated(t, 64<<20)
	s.fault.SetHook(failA(vfs.OpSync, vfs.OpSyncData))
	if err := s.n.Checkpoint(bg); err == nil || s.n.Err() == nil {
		t.Errorf("a checkpoint whose sync failed: %v, %v", err, s.n.Err())
	}
	s.n.Close()
}

// TestS3ReadOnly: a file that may not be written harms its topic, until it may. A file
// system that is read-only is not one topic's affair.
func TestS3ReadOnly(t *testing.T) {
	for _, why := range []error{syscall.EACCES, syscall.EROFS} {
		s := newIsolated(t, 64<<20)
		s.fault.SetHook(func(op vfs.Op) error {
			switch {
			case !strings.Contains(op.Name, s.grows.Name):
			case op.Kind == vfs.OpWriteAt:
				return syscall.EBADF // it is open for reading
			case op.Kind == vfs.OpOpen:
				return why
			}
			return nil
		})
		err := s.n.Checkpoint(bg)
		if why == syscall.EROFS {
			if !errors.Is(err, why) || s.damage.Load() > 0 {
				t.Errorf("checkpoint: %v, %d events", err, s.damage.Load())
			}
		} else {
			must(t, err)
			s.refused()
		}
		s.fault.SetHook(nil)
		must(t, s.n.Checkpoint(bg))
		s.commit("a", 1)
		must(t, s.n.Close())
	}
}

// TestS3TriesAgain: the node tries by itself whether a topic's file can be written again,
// less and less often.
func TestS3TriesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newIsolated(t, 64<<20)
		var tries atomic.Int32
		s.fault.SetHook(func(op vfs.Op) error {
			if op.Kind == vfs.OpWriteAt && strings.Contains(op.Name, s.grows.Name) {
				tries.Add(1)
				return syscall.EIO
			}
			return nil
		})
		must(t, s.n.Checkpoint(bg))
		s.refused()
		tries.Store(0)
		time.Sleep(time.Hour)
		if n := tries.Load(); n < 50 || n > 200 {
			t.Errorf("%d tries in an hour", n)
		}
		s.fault.SetHook(nil)
		time.Sleep(time.Minute)
		s.commit("a", 1)
		if s.damage.Load() != 1 {
			t.Errorf("%d events about one damage", s.damage.Load())
		}
		must(t, s.n.Close())
	})
}

// TestS3NoSpace: a full disk is not damage.
func TestS3NoSpace(t *testing.T) {
	for _, full := range []error{syscall.ENOSPC, syscall.EMFILE} {
		s := newIsolated(t, 64<<20)
		s.fault.SetHook(func(op vfs.Op) error {
			if strings.Contains(op.Name, ".seg") && (op.Kind == vfs.OpWriteAt || op.Kind == vfs.OpPreallocate) {
				return full
			}
			return nil
		})
		if err := s.n.Checkpoint(bg); !errors.Is(err, full) {
			t.Errorf("checkpoint: %v", err)
		}
		s.fault.SetHook(nil)
		must(t, s.n.Checkpoint(bg))
		s.commit("a", 1)
		must(t, s.n.Close())
		if s.damage.Load() > 0 {
			t.Errorf("%v was taken for damage", full)
		}
	}
}

// features returns the feature flags in the copies of STORE, and in the snapshots.
func (s *isolated) features() (all []uint64) {
	s.t.Helper()
	for _, at := range []struct {
		name string
		off  int64
	}{{"STORE", 16}, {"STORE", 4096 + 16}, {"snapshot-0", 80}, {"snapshot-1", 80}} {
		f, err := s.disk.Open("d/"+at.name, vfs.Read)
		must(s.t, err)
		var b [8]byte
		_, err = f.ReadAt(b[:], at.off)
		must(s.t, err)
		must(s.t, f.Close())
		all = append(all, binary.LittleEndian.Uint64(b[:]))
	}
	return all
}

// TestS3Flag: a store is one for older programs until a snapshot keeps something. Then
// STORE says so, and each snapshot written from then on.
func TestS3Flag(t *testing.T) {
	s := newIsolated(t, 64<<20)
	must(t, s.n.Checkpoint(bg))
	s.kill()
	if got := s.features(); slices.Max(got) != 0 {
		t.Errorf("features of a store that keeps nothing: %x", got)
	}
	must(t, s.disk.Remove("d/segments/"+s.grows.Name))
	s.open()
	must(t, s.n.Checkpoint(bg)) // all is in the file that was
	if got := s.features(); slices.Max(got) != 0 {
		t.Errorf("features of a store whose damaged topic keeps nothing: %x", got)
	}
	must(t, s.n.Close())

	s = newIsolated(t, 64<<20)
	s.kill()
	must(t, s.disk.Remove("d/segments/"+s.grows.Name))
	s.open()
	must(t, s.n.Checkpoint(bg))
	s.commit("b", 1)
	must(t, s.n.Checkpoint(bg))
	if got := s.features(); slices.Min(got) != 1<<5 || slices.Max(got) != 1<<5 {
		t.Errorf("features of a store that keeps blocks: %x", got)
	}
	s.commit("b", 1)
	must(t, s.n.Close())
	s.repairedFlag()
}

// repairedFlag checks that a repair without STORE takes the flags from the snapshot.
func (s *isolated) repairedFlag() {
	s.t.Helper()
	must(s.t, s.disk.Remove("d/STORE"))
	_, err := pipeproc.Repair(bg, "d", &pipeproc.RepairOptions{FS: s.fault})
	must(s.t, err)
	if got := s.features(); got[0] != 1<<5 || got[1] != 1<<5 {
		s.t.Errorf("features after STORE was rebuilt: %x", got)
	}
	s.open()
	if got := s.check("a"); got == 0 || got > 60 {
		s.t.Errorf("%d records of a are missing", got)
	}
	must(s.t, s.n.Close())
}

// TestS3KeptDamaged: damage of kept blocks in the snapshot is said, and costs those only.
func TestS3KeptDamaged(t *testing.T) {
	s := newIsolated(t, 64<<20)
	s.kill()
	must(t, s.disk.Remove("d/segments/"+s.grows.Name))
	s.open()
	before := s.check("a")
	must(t, s.n.Checkpoint(bg))
	must(t, s.n.Close())
	infos := files(t, s.disk, "d", "snapshot-")
	for _, i := range infos {
		if i.Size > 200<<10 {
			flip(t, s.disk, "d/"+i.Name, 60<<10)
		}
	}
	rep, err := pipeproc.Verify(bg, "d", &pipeproc.VerifyOptions{FS: s.fault})
	if err != nil || len(rep.Damage) < 2 {
		t.Errorf("verify: %v, %v", rep.Damage, err)
	}
	s.open()
	if s.n.Err() == nil {
		t.Error("the snapshot is damaged and the node takes commits")
	}
	if got := s.check("a"); got <= before || got > before+20 {
		t.Errorf("%d records cannot be read, %d before", got, before)
	}
	s.n.Close()
	fixed, err := pipeproc.Repair(bg, "d", &pipeproc.RepairOptions{FS: s.fault})
	must(t, err)
	t.Logf("%q %+v", fixed.Actions, fixed.Dropped)
	s.open()
	if got := s.check("a"); got <= before || got > before+66 {
		t.Errorf("%d records are gone, %d before", got, before)
	}
	must(t, s.n.Close())
}
