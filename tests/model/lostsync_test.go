package model

import (
	"errors"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// loseOnce is a hook that has the first sync of a log file fail, and lose what it
// was to make durable.
func loseOnce(disk *vfs.Crash, also func(vfs.Op) error) func(vfs.Op) error {
	var done atomic.Bool
	return func(op vfs.Op) error {
		switch op.Kind {
		case vfs.OpSync, vfs.OpSyncData, vfs.OpMapSync:
			if strings.Contains(op.Name, "/wal/") && !done.Swap(true) {
				disk.FailSync(op.Name)
				return syscall.EIO
			}
		}
		return also(op)
	}
}

// TestMutantRewrite: what is shown after a reopening is on disk, although a sync of
// it failed before, and a later one would not notice that it is not.
func TestMutantRewrite(t *testing.T) {
	nothingElse := func(vfs.Op) error { return nil }
	noMark := func(op vfs.Op) error {
		if strings.HasSuffix(op.Name, "/SUSPECT") {
			return syscall.EMFILE
		}
		return nil
	}
	shown := func(t *testing.T, disk *vfs.Crash, n *pipeproc.Node) {
		t.Helper()
		want, err := n.Length(bg, "a")
		if err != nil || want != 2 {
			t.Fatalf("%d records after the reopening, %v", want, err)
		}
		b := &bench{t: t}
		cut := b.open(disk.Crash(nothing))
		defer cut.Close()
		if got, err := cut.Length(bg, "a"); got != want {
			t.Errorf("%d records were shown, %d survive a power cut: %v", want, got, err)
		}
	}
	for name, also := range map[string]func(vfs.Op) error{"commit": nothingElse, "commit, and SUSPECT cannot be made": noMark,
		"commit, SUSPECT cannot be made, and it is moved": noMark} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.commit("a", 1000)
			b.fault.SetHook(loseOnce(b.disk, also))
			if _, err := b.node.Commit(bg, pipeproc.Record{Topic: "a"}); !errors.Is(err, pipeproc.ErrOutcomeUnknown) {
				t.Fatal(err)
			}
			if err := b.node.Close(); !errors.Is(err, pipeproc.ErrLogFailed) {
				t.Error(err)
			}
			b.fault.SetHook(nil)
			if !strings.Contains(name, "moved") {
				b.node = b.open(b.fault)
				shown(t, b.disk, b.node)
				return
			}
			b.must(b.disk.Rename(dir, dir+"2")) // which the power cut undoes
			n, err := pipeproc.Open(dir+"2", historyOptions(b.cfg, b.fault, &b.clock))
			b.must(err)
			defer n.Close()
			shown(t, b.disk, n)
		})
	}
	for name, also := range map[string]func(vfs.Op) error{"open": nothingElse, "open, and SUSPECT cannot be made": noMark} {
		t.Run(name, func(t *testing.T) {
			first := newDisk(4096)
			cfg := mutantConfig
			cfg.mode = pipeproc.SyncNever
			var c clock
			n, err := pipeproc.Open(dir, historyOptions(cfg, first, &c))
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			for range 2 {
				if _, err := n.Commit(bg, pipeproc.Record{Topic: "a"}); err != nil {
					t.Fatal(err)
				}
			}
			disk := first.Kill()
			fault := vfs.NewFault(disk, loseOnce(disk, also))
			if _, err := pipeproc.Open(dir, historyOptions(cfg, fault, &c)); !errors.Is(err, syscall.EIO) {
				t.Fatal(err)
			}
			fault.SetHook(nil)
			n, err = pipeproc.Open(dir, historyOptions(cfg, fault, &c))
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			shown(t, disk, n)
		})
	}
}

// TestFailedNodeLetsGo: a node whose sync has failed, whichever it was, holds no
// file, folder or mapping once it is closed.
func TestFailedNodeLetsGo(t *testing.T) {
	for name, cfg := range modes() {
		for _, what := range []string{"/wal/", "/segments/", "/snapshot-", "/STORE", "/segments", "/wal", dir} {
			t.Run(name+" "+what, func(t *testing.T) {
				var files, maps atomic.Int64
				var armed, failed atomic.Bool
				fault := vfs.NewFault(newDisk(cfg.grain), func(op vfs.Op) error {
					switch op.Kind {
					case vfs.OpOpen, vfs.OpCreate, vfs.OpOpenDir, vfs.OpLock:
						files.Add(1) // STORE and the folders are there: these do not fail
					case vfs.OpClose:
						files.Add(-1)
					case vfs.OpMap:
						maps.Add(1)
					case vfs.OpUnmap:
						maps.Add(-1)
					case vfs.OpSync, vfs.OpSyncData, vfs.OpMapSync, vfs.OpSyncDir:
						is := strings.Contains(op.Name, what)
						if op.Kind == vfs.OpSyncDir {
							is = strings.HasSuffix(op.Name, what)
						}
						if armed.Load() && is {
							failed.Store(true)
							return syscall.EIO
						}
					}
					return nil
				})
				var c clock
				c.ms.Store(1_700_000_000_000)
				for round := range 2 { // the second time all files are there
					n, err := pipeproc.Open(dir, historyOptions(cfg, fault, &c))
					if err != nil {
						t.Fatal(err)
					}
					for i := range 30 {
						if i == 15 {
							if err := n.Checkpoint(bg); err != nil {
								t.Fatal(err)
							}
							armed.Store(round == 1)
						}
						_, _ = n.Commit(bg, pipeproc.Record{Topic: "a", Body: afterCrash})
					}
					_ = n.Checkpoint(bg)
					_ = n.Close()
					if !armed.Load() {
						files.Store(0) // a new store looks for files that are not there
						maps.Store(0)
					}
				}
				if !failed.Load() {
					t.Skip("no such sync in this mode")
				}
				if f, m := files.Load(), maps.Load(); f != 0 || m != 0 {
					t.Errorf("%d files and folders are open, %d mappings", f, m)
				}
			})
		}
	}
}
