package model

import (
	"errors"
	"fmt"
	"io/fs"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// filled makes the disk of b full: no file gets longer while full is set.
func (b *bench) filled(full *atomic.Bool) {
	b.fault.SetHook(func(op vfs.Op) error {
		if !full.Load() || op.Kind != vfs.OpPreallocate && op.Kind != vfs.OpWriteAt {
			return nil
		}
		info, err := b.disk.Stat(op.Name)
		if err != nil || op.Off+op.Len > info.Size {
			return &fs.PathError{Op: string(op.Kind), Path: op.Name, Err: syscall.ENOSPC}
		}
		return nil
	})
}

// TestMutantSnapshotRoom: however many small topics came since the last
// checkpoint, the next one has room for them when the disk is full.
func TestMutantSnapshotRoom(t *testing.T) {
	cfg := mutantConfig
	cfg.mode, cfg.walSize = pipeproc.SyncNever, 8<<20
	b := newBenchOf(t, cfg)
	var full atomic.Bool
	b.filled(&full)
	k := 0
	add := func(name string) error {
		body := make([]byte, 4<<10)
		_, err := b.node.Commit(bg, pipeproc.Record{Topic: name, Body: body})
		if err == nil {
			b.sent[name] = append(b.sent[name], body)
		}
		return err
	}
	fill := func(n int) error {
		for range n {
			name := fmt.Sprintf("t%d", k)
			if k%3 == 0 { // made before its records come
				if err := b.node.CreateTopic(bg, name, pipeproc.TopicOptions{}); err != nil && !errors.Is(err, pipeproc.ErrTopicExists) {
					return err // it exists if there was no room for its record the last time
				}
			}
			if err := add(name); err != nil {
				return err
			}
			k++
		}
		return nil
	}
	for round := range 3 {
		full.Store(false)
		b.must(fill(300))
		full.Store(true)
		if round == 1 { // what there is may grow up to what a snapshot carries
			for name := range b.sent {
				if err := add(name); errors.Is(err, pipeproc.ErrNoSpace) {
					break // in the write-ahead log
				} else if err != nil {
					t.Fatal(err)
				}
			}
		}
		// Commits are accepted while there is room, then refused.
		if err := fill(1000); !errors.Is(err, pipeproc.ErrNoSpace) || !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("round %d: %v", round, err)
		}
		b.must(b.node.Checkpoint(bg))
		b.survives()
	}
	full.Store(false)
	b.must(fill(10))
	b.must(b.node.Close())
	b.survives()
}
