package behaviour_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestKeeperDoesNotWait: while a checkpoint waits for the disk, large tails are
// written to their files and WAL files are made ahead all the same.
func TestKeeperDoesNotWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewFault(vfs.NewMem(), nil)
		n, err := pipeproc.Open("data", &pipeproc.Options{FS: fs, Sync: pipeproc.SyncNever, WALSize: 2 << 20})
		if err != nil {
			t.Fatal(err)
		}
		back := make(chan struct{})
		var waits, written, made atomic.Int64
		fs.SetHook(func(op vfs.Op) error {
			switch segment := strings.Contains(op.Name, "segments/"); {
			case segment && op.Kind == vfs.OpSyncData:
				waits.Add(1)
				<-back
			case segment && op.Kind == vfs.OpWriteAt && waits.Load() > 0:
				written.Add(1)
			case strings.Contains(op.Name, "wal/") && op.Kind == vfs.OpPreallocate && waits.Load() > 0:
				made.Add(1)
			}
			return nil
		})
		body := make([]byte, 64<<10)
		commit := func(bytes int) {
			t.Helper()
			for range bytes / len(body) {
				if _, err := n.Commit(t.Context(), pipeproc.Record{Topic: "t", Body: body}); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
		}
		for waits.Load() == 0 {
			commit(len(body))
		}
		commit(3 << 20) // below what the leader writes itself
		if written.Load() == 0 || made.Load() == 0 {
			t.Errorf("during a checkpoint %d writes to segments, %d WAL files made", written.Load(), made.Load())
		}
		close(back)
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
}
