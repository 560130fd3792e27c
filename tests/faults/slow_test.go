//go:build linux

package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestF27SlowDisk: each sync takes two seconds. Commits that come together are synced
// together; a caller that does not want to wait that long returns with the reason and
// leaves nothing; reads do not wait.
func TestF27SlowDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := vfs.NewFault(vfs.NewMem(), nil)
		n, err := pipeproc.Open("data", &pipeproc.Options{FS: slow})
		if err != nil {
			t.Fatal(err)
		}
		commit := func(ctx context.Context, body string) error {
			_, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte(body)})
			return err
		}
		if err := commit(t.Context(), "first"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the keeper is at rest, so that it never waits for a lock that is held in a sleep
		slow.SetHook(func(op vfs.Op) error {
			if op.Kind == vfs.OpSync || op.Kind == vfs.OpSyncData || op.Kind == vfs.OpMapSync {
				time.Sleep(2 * time.Second) // what the disk takes, in the bubble's time
			}
			return nil
		})
		begin := time.Now()
		var acked, gone atomic.Int64
		var wg sync.WaitGroup
		for i := range 200 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				if i%2 == 1 {
					ctx, cancel = context.WithTimeout(t.Context(), time.Second)
				}
				defer cancel()
				switch err := commit(ctx, fmt.Sprint(i)); {
				case err == nil:
					acked.Add(1)
				case errors.Is(err, context.DeadlineExceeded):
					gone.Add(1)
				default:
					t.Error(err)
				}
			})
			if i == 0 {
				synctest.Wait() // its sync is under way, so the others queue
			}
		}
		read := time.Now()
		for range 100 {
			if _, err := n.Get(t.Context(), "t", 0); err != nil {
				t.Error(err)
			}
		}
		if d := time.Since(read); d > 0 {
			t.Errorf("reads waited %v", d)
		}
		wg.Wait()
		took := time.Since(begin)
		if took > 20*time.Second {
			t.Errorf("200 commits took %v", took)
		}
		slow.SetHook(nil)
		length, err := n.Length(t.Context(), "t")
		if err != nil || length != uint64(acked.Load())+1 || acked.Load()+gone.Load() != 200 || gone.Load() == 0 {
			t.Errorf("%d records, %d acknowledged, %d let go, %v", length, acked.Load(), gone.Load(), err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		fmt.Printf("fault 27: syncs of 2 s: 200 commits in %v, %d acknowledged, %d let go at their deadline and not done, reads waited 0 s\n", took, acked.Load(), gone.Load())
	})
}

// TestF27Overload: the disk takes no segments any more, for minutes. Commits fill
// the log to its bound and then wait, as long as their contexts allow and 30 s at
// most, and are refused as overloaded; the log and memory grow no further, reads
// go on; when the disk is back everything does.
func TestF27Overload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := vfs.NewMem()
		slow := vfs.NewFault(mem, nil)
		n, err := pipeproc.Open("data", &pipeproc.Options{FS: slow, Sync: pipeproc.SyncNever, WALSize: 256 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 256 << 10}})
		if err != nil {
			t.Fatal(err)
		}
		back := make(chan struct{})
		slow.SetHook(func(op vfs.Op) error {
			if strings.Contains(op.Name, "segments") && (op.Kind == vfs.OpSync || op.Kind == vfs.OpSyncData) {
				<-back
			}
			return nil
		})
		body := make([]byte, 4<<10)
		acked, overloaded, waited := 0, 0, 0
		most := int64(0)
		for range 1000 {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			if waited > 1 {
				cancel()
				ctx, cancel = context.WithCancel(t.Context())
			}
			begin := time.Now()
			_, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Body: body})
			cancel()
			switch {
			case err == nil:
				acked++
			case errors.Is(err, context.DeadlineExceeded):
				waited++
			case errors.Is(err, pipeproc.ErrOverloaded):
				overloaded++
				if d := time.Since(begin); d < 29*time.Second || d > 31*time.Second {
					t.Errorf("refused after %v", d)
				}
				clear(t, "commit", err)
			default:
				t.Fatal(err)
			}
			most = max(most, sizeOf(t, mem, "data/wal"))
			if overloaded > 2 {
				break
			}
		}
		if waited == 0 || overloaded == 0 || most > 3<<19 {
			t.Errorf("%d waited, %d were refused, the log took %d bytes", waited, overloaded, most)
		}
		if length, err := n.Length(t.Context(), "t"); err != nil || length != uint64(acked) {
			t.Errorf("%d records, %d acknowledged, %v", length, acked, err)
		}
		close(back)
		for range 100 {
			if _, err := n.Commit(t.Context(), pipeproc.Record{Topic: "t", Body: body}); err != nil {
				t.Fatal(err)
			}
			acked++
		}
		if length, err := n.Length(t.Context(), "t"); err != nil || length != uint64(acked) {
			t.Errorf("%d records, %d acknowledged, %v", length, acked, err)
		}
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		fmt.Printf("fault 27: overload: %d commits taken, %d gave up at their deadline, %d refused as overloaded after 30 s; the log took at most %d KiB (bound 1024 and spares)\n", acked, waited, overloaded, most>>10)
	})
}

func sizeOf(t *testing.T, fsys vfs.FS, dir string) (sum int64) {
	t.Helper()
	infos, err := fsys.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range infos {
		sum += i.Size
	}
	return sum
}

// TestF27ClockBack: a clock that is set back, ahead and back again: ids rise all
// the same, also after a reopen.
func TestF27ClockBack(t *testing.T) {
	now := time.UnixMilli(1_700_000_000_000)
	m := vfs.NewMem()
	o := &pipeproc.Options{FS: m, Clock: func() time.Time { return now }}
	last := pipeproc.ID{}
	count := 0
	for _, jump := range []time.Duration{0, -time.Hour, time.Hour, -24 * 365 * time.Hour, time.Minute, -60 * 365 * 24 * time.Hour, 0} {
		now = now.Add(jump)
		n, err := pipeproc.Open("data", o)
		if err != nil {
			t.Fatal(err)
		}
		for range 5 {
			ids, err := n.Commit(t.Context(), pipeproc.Record{Topic: "t"})
			if err != nil {
				t.Fatal(err)
			}
			if count > 0 && (ids[0].Millis < last.Millis || ids[0].Seq != last.Seq+1) {
				t.Errorf("id %v after %v", ids[0], last)
			}
			last = ids[0]
			count++
			now = now.Add(jump / 7)
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
