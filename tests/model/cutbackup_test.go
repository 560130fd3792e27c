package model

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

const backupDir = "copies/monday"

// content is what can be read of a store: its topics, each with its records by
// sequence.
type content map[string]map[uint64]string

// read opens the store in a folder and reads all of it. An error of a record is
// one of the store.
func read(fsys vfs.FS, at string, readOnly bool) (content, error) {
	var c clock
	c.ms.Store(1_700_000_030_000) // not so far ahead that an opening doubts it
	o := historyOptions(mutantConfig, fsys, &c)
	o.ReadOnly, o.MustExist = readOnly, true
	n, err := pipeproc.Open(at, o)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	if d := n.Recovery().Damage; len(d) > 0 {
		return nil, fmt.Errorf("damage: %w", errors.Join(d...))
	}
	all := content{}
	list, err := n.Topics(bg)
	if err != nil {
		return nil, err
	}
	for _, t := range list {
		all[t.Name] = map[uint64]string{}
		for r, err := range n.Range(bg, t.Name, pipeproc.RangeOptions{}) {
			if err != nil {
				return nil, fmt.Errorf("topic %s: %w", t.Name, err)
			}
			all[t.Name][r.ID.Seq] = string(r.Body)
		}
	}
	if rep, err := n.Verify(bg, nil); err != nil || len(rep.Damage) > 0 {
		return nil, fmt.Errorf("verify: %v, %w", rep, err)
	}
	return all, nil
}

// lacks returns, as an error, what c lacks of want or has in addition.
func (c content) lacks(want content) error {
	if len(c) != len(want) {
		return fmt.Errorf("%d topics, want %d", len(c), len(want))
	}
	for topic, recs := range want {
		if len(c[topic]) != len(recs) {
			return fmt.Errorf("topic %s has %d records, want %d", topic, len(c[topic]), len(recs))
		}
		for seq, body := range recs {
			if c[topic][seq] != body {
				return fmt.Errorf("topic %s: record %d is missing or differs", topic, seq)
			}
		}
	}
	return nil
}

// cutStore is a store with sealed and growing segments, small topics, and commands
// that no checkpoint has covered.
func cutStore(t *testing.T) *bench {
	b := newBench(t)
	for i := range 8 {
		b.commit("a", 20<<10)
		b.commit(fmt.Sprintf("few%d", i%2), 300)
	}
	b.must(b.node.Checkpoint(bg))
	b.commit("a", 9<<10)
	b.commit("few1", 500)
	return b
}

// committed is what a bench has committed.
func (b *bench) committed() content {
	all := content{}
	for topic, bodies := range b.sent {
		all[topic] = map[uint64]string{}
		for i, body := range bodies {
			all[topic][uint64(i)] = string(body)
		}
	}
	return all
}

// unhurt demands that a store is whole, and stays so when it is used: it must share
// nothing with a backup that either of them would write.
func unhurt(img *vfs.Crash, at string, want content) error {
	got, err := read(img, at, false)
	if err == nil {
		err = got.lacks(want)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", at, err)
	}
	return nil
}

// half reports whether there is no store in the folder of a backup. If there is one
// that is not as it must be, it returns an error.
func half(img *vfs.Crash, want content) (bool, error) {
	got, err := read(img, backupDir, true)
	switch {
	case err == nil:
		return false, got.lacks(want)
	case errors.Is(err, fs.ErrNotExist):
		return true, nil // there is no store
	case errors.Is(err, pipeproc.ErrCorrupt):
		// Files without STORE. No open makes a new store of them.
		if _, serr := img.Stat(backupDir + "/STORE"); !errors.Is(serr, fs.ErrNotExist) {
			return false, err
		}
		return true, nil
	}
	return false, err
}

// TestCutOffBackup interrupts backups and restores. The store is unharmed, and the
// copy is complete or is no store.
func TestCutOffBackup(t *testing.T) {
	for _, how := range []string{"backup", "restore"} {
		t.Run(how, func(t *testing.T) {
			t.Parallel()
			b := cutStore(t)
			want := b.committed()
			if how == "restore" {
				b.must(b.node.Close())
			}
			b.must(b.disk.MkdirAll("copies"))
			b.must(b.disk.SyncDir("/"))
			halves, wholes := 0, 0
			m := &midway{t: t, name: how, dirs: []string{dir, backupDir}}
			m.check = func(img *vfs.Crash) error {
				isHalf, err := half(img, want)
				if err != nil {
					return fmt.Errorf("the copy: %w", err)
				}
				if isHalf {
					halves++
					return unhurt(img, dir, want)
				}
				wholes++
				return errors.Join(unhurt(img, backupDir, want), use(img, backupDir), unhurt(img, dir, want), use(img, dir))
			}
			b.fault.SetHook(m.watch(b.disk))
			var err error
			if how == "backup" {
				_, err = b.node.Backup(context.Background(), backupDir)
			} else {
				err = restore(b.fault)
			}
			b.fault.SetHook(nil)
			b.must(err)
			end := b.disk.Kill()
			if isHalf, err := half(b.disk.Crash(nothing), want); err != nil || isHalf {
				t.Errorf("a power cut after the last step leaves half a copy: %v, %v", isHalf, err)
			}
			m.settle(end)
			m.done()
			t.Logf("%d copies were none, %d were whole", halves, wholes)
			if halves == 0 || wholes == 0 {
				t.Error("a backup is made in one step, or never")
			}
		})
	}
}

// use commits to a store and takes a checkpoint.
func use(img *vfs.Crash, at string) error {
	var c clock
	c.ms.Store(1_900_000_000_000)
	n, err := pipeproc.Open(at, historyOptions(mutantConfig, img, &c))
	if err != nil {
		return err
	}
	defer n.Close()
	for range 4 {
		if _, err := n.Commit(bg, pipeproc.Record{Topic: "a", Body: afterCrash}); err != nil {
			return err
		}
	}
	if err := n.Checkpoint(bg); err != nil {
		return err
	}
	rep, err := n.Verify(bg, nil)
	if err == nil && len(rep.Damage) > 0 {
		err = rep.Damage[0]
	}
	return err
}

// restore copies the store to the folder of a backup.
func restore(fsys vfs.FS) error {
	return engine.Restore(bg, engine.Config{FS: fsys, Dir: dir, Logger: slog.New(slog.DiscardHandler), Clock: time.Now, WALFileSize: 32 << 10,
		CheckpointBytes: 128 << 10, MaxWAL: 256 << 10, MaxBody: maxBody, MaxBatch: maxBatch, MaxOpenFiles: 8, MaxMapped: 4,
		Topic: topics.Options{SegmentSize: 64 << 10}}, backupDir)
}
