package behaviour_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// Each test here is about a defect that was found and fixed; see
// docs/track-record.md.

var bg = context.Background()

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func errOnly[T any](_ T, err error) error { return err }

// TestCopyNamesItsSnapshot: the first checkpoint of a copy makes a snapshot file whose name must be
// durable before STORE points to it.
func TestCopyNamesItsSnapshot(t *testing.T) {
	m := vfs.NewCrash()
	o := &pipeproc.Options{FS: m}
	n, err := pipeproc.Open("d", o)
	must(t, err)
	for range 3 {
		_, err = n.Commit(bg, pipeproc.Record{Topic: "a", Body: []byte("x")})
		must(t, err)
		must(t, n.Checkpoint(bg))
	}
	_, err = n.Backup(bg, "copy")
	must(t, err)
	must(t, n.Close())
	n, err = pipeproc.Open("copy", o)
	must(t, err)
	_, err = n.Commit(bg, pipeproc.Record{Topic: "a", Body: []byte("acknowledged")})
	must(t, err)
	must(t, n.Checkpoint(bg))
	after := m.Crash(func(u vfs.Unit) bool { return false }) // nothing unsynced survives
	n, err = pipeproc.Open("copy", &pipeproc.Options{FS: after})
	must(t, err)
	defer n.Close()
	if d := n.Recovery().Damage; len(d) > 0 {
		t.Errorf("damage: %v", d)
	}
	if l, err := n.Length(bg, "a"); l != 4 {
		t.Errorf("%d records, %v", l, err)
	}
}

// TestCheckpointWithoutLog: a checkpoint taken while there was no room for a WAL must not name a WAL
// file that does not exist.
func TestCheckpointWithoutLog(t *testing.T) {
	m := vfs.NewCrash()
	n, err := pipeproc.Open("d", &pipeproc.Options{FS: m})
	must(t, err)
	_, err = n.Commit(bg, pipeproc.Record{Topic: "a", Body: []byte("x")})
	must(t, err)
	k := m.Kill()
	var full atomic.Bool
	full.Store(true)
	fault := vfs.NewFault(k, func(op vfs.Op) error {
		if full.Load() && strings.Contains(op.Name, "/wal/") && (op.Kind == vfs.OpPreallocate || op.Kind == vfs.OpCreate) {
			return syscall.ENOSPC
		}
		return nil
	})
	n, err = pipeproc.Open("d", &pipeproc.Options{FS: fault})
	must(t, err)
	t.Log("commit on a full disk:", errOnly(n.Commit(bg, pipeproc.Record{Topic: "a"})))
	t.Log("delete on a full disk:", n.DeleteTopic(bg, "zzz"), n.CreateTopic(bg, "b", pipeproc.TopicOptions{}))
	t.Log("checkpoint:", n.Checkpoint(bg))
	k2 := k.Kill()
	n2, err := pipeproc.Open("d", &pipeproc.Options{FS: k2})
	must(t, err)
	if d := n2.Recovery().Damage; len(d) > 0 {
		t.Errorf("damage: %v", d)
	}
	if _, err := n2.Commit(bg, pipeproc.Record{Topic: "a"}); err != nil {
		t.Error(err)
	}
	n2.Close()
}

// TestUnlinkAfterWAL: a delete or prune that was replayed and is not durable yet must not
// remove the file that the durable checkpoint needs.
func TestUnlinkAfterWAL(t *testing.T) {
	for _, what := range []string{"delete", "prune"} {
		m := vfs.NewCrash()
		o := &pipeproc.Options{FS: m, Sync: pipeproc.SyncNever}
		n, err := pipeproc.Open("d", o)
		must(t, err)
		for range 10 {
			_, err = n.Commit(bg, pipeproc.Record{Topic: "a", Body: make([]byte, 10000)})
			must(t, err)
		}
		must(t, n.Checkpoint(bg)) // durable: 10 records
		if what == "delete" {
			must(t, n.DeleteTopic(bg, "a"))
		} else {
			must(t, n.Prune(bg, "a", 10))
		}
		k := m.Kill() // process killed, machine goes on
		var boom atomic.Pointer[vfs.Crash]
		fault := vfs.NewFault(k, nil)
		fault.SetHook(func(op vfs.Op) error {
			if op.Kind == vfs.OpMkdir && strings.HasSuffix(op.Name, "/segments") && boom.Load() == nil { // right after checkFiles
				boom.Store(k.Crash(func(u vfs.Unit) bool { return u.Kind == vfs.DirOp }))
			}
			return nil
		})
		n, err = pipeproc.Open("d", &pipeproc.Options{FS: fault, Sync: pipeproc.SyncNever})
		must(t, err)
		n.Close()
		n, err = pipeproc.Open("d", &pipeproc.Options{FS: boom.Load()})
		must(t, err)
		if d := n.Recovery().Damage; len(d) > 0 {
			t.Errorf("%s: kill, then a power cut in Open: %v", what, d)
		}
		n.Close()
	}
}

// TestStoreNamesTheRealLog: when a spare could not be taken, the log begins with another number than
// planned, and STORE must say that one.
func TestStoreNamesTheRealLog(t *testing.T) {
	m := vfs.NewCrash()
	n, err := pipeproc.Open("d", &pipeproc.Options{FS: m, WALSize: 64 << 10})
	must(t, err)
	for range 30 {
		_, err = n.Commit(bg, pipeproc.Record{Topic: "a", Body: make([]byte, 10000)})
		must(t, err)
	}
	must(t, n.Close())
	infos, _ := m.ReadDir("d/wal")
	t.Log(len(infos), "WAL files")
	var once atomic.Bool
	fault := vfs.NewFault(m, func(op vfs.Op) error {
		if op.Kind == vfs.OpRename && strings.Contains(op.Name, "/wal/") && !once.Swap(true) {
			return syscall.EIO
		}
		return nil
	})
	n, err = pipeproc.Open("d", &pipeproc.Options{FS: fault, WALSize: 64 << 10})
	must(t, err)
	t.Log("rename failed:", once.Load())
	_, err = n.Commit(bg, pipeproc.Record{Topic: "a", Body: []byte("acknowledged")})
	must(t, err)
	n, err = pipeproc.Open("d", &pipeproc.Options{FS: m.Kill(), WALSize: 64 << 10})
	must(t, err)
	defer n.Close()
	if d := n.Recovery().Damage; len(d) > 0 {
		t.Errorf("damage: %v", d)
	}
	l, _ := n.Length(bg, "a")
	t.Log(l)
}

// TestFailedSyncOfLateLog: a failed sync of STORE poisons the node also when it happens in the commit
// that makes the WAL.
func TestFailedSyncOfLateLog(t *testing.T) {
	m := vfs.NewMem()
	n, err := pipeproc.Open("d", &pipeproc.Options{FS: m})
	must(t, err)
	must(t, n.Close())
	var full, syncs atomic.Bool
	full.Store(true)
	fault := vfs.NewFault(m, func(op vfs.Op) error {
		if full.Load() && strings.Contains(op.Name, "/wal/") && (op.Kind == vfs.OpPreallocate || op.Kind == vfs.OpCreate || op.Kind == vfs.OpRename) {
			return syscall.ENOSPC
		}
		if syncs.Load() && op.Kind == vfs.OpSync && strings.HasSuffix(op.Name, "/STORE") {
			syncs.Store(false)
			return syscall.EIO
		}
		return nil
	})
	n, err = pipeproc.Open("d", &pipeproc.Options{FS: fault})
	must(t, err)
	full.Store(false)
	syncs.Store(true)
	_, err = n.Commit(bg, pipeproc.Record{Topic: "a"})
	t.Logf("%q %v; node: %v", pipeproc.Code(err), err, n.Err())
	if n.Err() == nil {
		_, err = n.Commit(bg, pipeproc.Record{Topic: "a"})
		t.Errorf("the node goes on after a failed sync of STORE; next commit: %v", err)
	}
	n.Close()
}

// TestCloseWithoutFalsePoison: a spare that cannot be removed at Close does not count as
// a failed sync.
func TestCloseWithoutFalsePoison(t *testing.T) {
	m := vfs.NewMem()
	var on atomic.Bool
	fault := vfs.NewFault(m, func(op vfs.Op) error {
		if on.Load() && op.Kind == vfs.OpRemove && strings.Contains(op.Name, "/wal/") {
			return syscall.EIO
		}
		return nil
	})
	n, err := pipeproc.Open("d", &pipeproc.Options{FS: fault, WALSize: 64 << 10})
	must(t, err)
	for range 30 {
		_, err = n.Commit(bg, pipeproc.Record{Topic: "a", Body: make([]byte, 10000)})
		must(t, err)
	}
	on.Store(true)
	err = n.Close()
	_, serr := m.Stat("d/SUSPECT")
	t.Logf("close: %v; SUSPECT: %v", err, serr == nil)
	if serr == nil {
		t.Error("a spare that could not be removed is taken for a failed sync")
	}
}

// TestKilledWhileMade: a process that is killed while it makes a store may leave a
// directory whose name is not durable. The process that opens it next must make it
// durable before anything is acknowledged.
func TestKilledWhileMade(t *testing.T) {
	for at := int64(1); ; at++ {
		m := vfs.NewCrash()
		var killed *vfs.Crash
		fault := vfs.NewFault(m, func(op vfs.Op) error {
			if op.N == at && killed == nil {
				killed = m.Kill()
			}
			if killed != nil {
				return errors.New("killed")
			}
			return nil
		})
		n, err := pipeproc.Open("above/store", &pipeproc.Options{FS: fault})
		if err == nil {
			n.Close()
		}
		if killed == nil {
			t.Log(at-1, "operations")
			return
		}
		n, err = pipeproc.Open("above/store", &pipeproc.Options{FS: killed})
		if err != nil {
			t.Fatalf("killed at operation %d: %v", at, err)
		}
		_, err = n.Commit(bg, pipeproc.Record{Topic: "a", Body: []byte("x")})
		must(t, err)
		cut := killed.Crash(func(vfs.Unit) bool { return false })
		n.Close()
		n, err = pipeproc.Open("above/store", &pipeproc.Options{FS: cut})
		if err != nil {
			t.Fatalf("killed at operation %d, then a power cut: %v", at, err)
		}
		if got, err := n.Length(bg, "a"); err != nil || got != 1 {
			t.Errorf("killed at operation %d, then a power cut: %d records, %v", at, got, err)
		}
		n.Close()
	}
}

// TestBackupNames: a backup is durable together with all folders that were made for it.
func TestBackupNames(t *testing.T) {
	m := vfs.NewCrash()
	n, err := pipeproc.Open("d", &pipeproc.Options{FS: m})
	must(t, err)
	_, err = n.Commit(bg, pipeproc.Record{Topic: "a", Body: []byte("x")})
	must(t, err)
	_, err = n.Backup(bg, "backups/of/today")
	must(t, err)
	cut := m.Crash(func(vfs.Unit) bool { return false })
	n.Close()
	n, err = pipeproc.Open("backups/of/today", &pipeproc.Options{FS: cut, ReadOnly: true})
	must(t, err)
	if got, err := n.Length(bg, "a"); err != nil || got != 1 {
		t.Errorf("%d records, %v", got, err)
	}
	n.Close()
}
