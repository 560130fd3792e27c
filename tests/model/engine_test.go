package model

import (
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/pipeproc/pipeproc/engine"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// Tests that need what the engine offers to a pool of workers, and the root
// package does not show.

func openEngine(t *testing.T, fs vfs.FS) *engine.Engine {
	t.Helper()
	e, err := engine.Open(engine.Config{FS: fs, Dir: dir, Logger: slog.New(slog.DiscardHandler), Clock: time.Now, WALFileSize: 32 << 10,
		CheckpointBytes: 128 << 10, MaxWAL: 256 << 10, MaxBody: maxBody, MaxBatch: maxBatch, MaxOpenFiles: 8, MaxMapped: 4,
		Topic: topics.Options{SegmentSize: 64 << 10}, GC: engine.GCSettings{Interval: 1000 * time.Hour}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close() })
	return e
}

func appendTo(e *engine.Engine, topic string, bodies ...string) error {
	b := new(topics.Batch)
	for _, s := range bodies {
		if err := b.Add(topic, nil, nil, []byte(s)); err != nil {
			return err
		}
	}
	return e.Commit(bg, &engine.Request{Batch: b})
}

func makeProc(t *testing.T, e *engine.Engine, name, topic string, o procstate.Options) {
	t.Helper()
	o, err := o.Check(topic)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := e.EnsureProc(bg, procstate.Def{Name: name, Topic: topic, Options: o}); err != nil {
		t.Fatal(err)
	}
}

// TestRetryIsHeldAtOnce claims at the very moment at which a reclaim becomes
// visible: the wait before the retry must hold from then on.
func TestRetryIsHeldAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openEngine(t, newDisk(4096))
		if err := appendTo(e, "in", "x"); err != nil {
			t.Fatal(err)
		}
		makeProc(t, e, "other", "in", procstate.Options{})
		makeProc(t, e, "p", "in", procstate.Options{Backoff: time.Hour})
		c := new(engine.Claimed)
		if err := e.Claim(bg, "p", 1, c); err != nil || len(c.Records) != 1 {
			t.Fatal(c.Range, err)
		}
		// The leader publishes a group with a change of both procs. When it has
		// told of the first, somebody claims for the second.
		var early *engine.Claimed
		claimed := make(chan error, 1)
		stop := e.Watch("other", "none", func() {
			if early != nil {
				return
			}
			early = new(engine.Claimed)
			go func() { claimed <- e.Claim(bg, "p", 1, early) }()
			synctest.Wait() // it has looked at the proc
		})
		defer stop()
		synctest.Wait() // nothing is left to do in the background, which would wait for a lock below
		ops := []*procstate.Op{{Kind: procstate.Stop, Name: "other"}, {Kind: procstate.Reclaim, Name: "p", Token: c.Token}}
		if err := e.Propose(bg, engine.ByMode, ops...); err != nil {
			t.Fatal(err)
		}
		if err := <-claimed; err != nil || len(early.Records) > 0 {
			t.Errorf("claimed %v, %v, with an hour to wait before the retry", early.Range, err)
		}
	})
}
