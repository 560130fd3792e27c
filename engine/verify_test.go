package engine

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/record"
	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// smallConfig has a small log.
func smallConfig(fs vfs.FS) Config {
	return Config{FS: fs, Dir: "s", Sync: SyncAlways, Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
		WALFileSize: 64 << 10, CheckpointBytes: 256 << 10, MaxWAL: 1 << 20, MaxBody: 64 << 10, MaxBatch: 256 << 10,
		MaxOpenFiles: 8, MaxMapped: 8, MaxFuture: time.Hour, Topic: topics.Options{SegmentSize: 64 << 10},
		GC: GCSettings{Interval: time.Minute}}
}

// TestS24VerifyWhileSparesMove: a spare of the log that is renamed between the listing of
// the folder and the look at it is nothing that Verify speaks of.
func TestS24VerifyWhileSparesMove(t *testing.T) {
	disk := vfs.NewMem()
	fault := vfs.NewFault(disk, nil)
	e, err := Open(smallConfig(fault))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	for range 6 {
		if _, err := e.commitOne(context.Background(), "t"); err != nil {
			t.Fatal(err)
		}
		e.commitMu.Lock()
		_, err := e.log.Roll()
		e.commitMu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := e.Checkpoint(); err != nil {
		t.Fatal(err)
	}
	var once sync.Once
	moved := ""
	fault.SetHook(func(op vfs.Op) error {
		if op.Kind != vfs.OpOpen || !strings.Contains(op.Name, "/wal/") {
			return nil
		}
		once.Do(func() {
			infos, _ := disk.ReadDir("s/wal")
			for _, i := range slices.Backward(infos) {
				var n uint64
				if _, err := fmt.Sscanf(i.Name, "wal-%x.log", &n); err == nil && n < e.store.WAL {
					moved = i.Name
					_ = disk.Rename("s/wal/"+moved, "s/wal/wal-00000000000fffff.log")
					return
				}
			}
		})
		return nil
	})
	rep, err := e.Verify(context.Background(), nil)
	if err != nil || len(rep.Damage) > 0 {
		t.Errorf("%v, damage %v", err, rep.Damage)
	}
	if moved == "" {
		t.Error("there was no spare")
	}
}

// TestS23HostileStart: a snapshot whose checksums are right and that has a topic begin
// before its first segment is damaged. A claim says so, and does not look for ever.
func TestS23HostileStart(t *testing.T) {
	fs := vfs.NewMem()
	e, err := Open(smallConfig(fs))
	if err != nil {
		t.Fatal(err)
	}
	b := new(topics.Batch)
	if err := b.AddWithID("t", record.ID{Millis: 1000, Seq: 50}, nil, nil, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := e.Commit(context.Background(), &Request{Batch: b}); err != nil {
		t.Fatal(err)
	}
	def := procstate.Def{Name: "p", Topic: "t", Options: procstate.Options{ReclaimTimeout: time.Minute}}
	if _, _, err := e.EnsureProc(context.Background(), def); err != nil {
		t.Fatal(err)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	patchSnapshot(t, fs, secTopic, func(p []byte) {
		d := enc.Reader{B: p}
		_, _, _, _, _, _ = d.Uvarint(), d.Bytes(), d.Uvarint(), d.Byte(), d.Uvarint(), d.Varint()
		at := len(p) - len(d.B)
		if d.Err != nil || p[at] != 50 {
			t.Fatalf("the topic begins at %d: %v", p[at], d.Err)
		}
		p[at] = 0
	})
	patchSnapshot(t, fs, secProc, func(p []byte) {
		for i := range p { // wherever it says 50
			if p[i] == 50 {
				p[i] = 0
			}
		}
	})
	e, err = Open(smallConfig(fs))
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if len(e.Recovery().Damage) == 0 {
		t.Error("no damage was found")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- e.Claim(ctx, "p", 1, new(Claimed)) }()
	select {
	case err := <-done:
		t.Log(err)
	case <-time.After(10 * time.Second):
		t.Error("the claim goes on, though its context has ended")
	}
}

// patchSnapshot changes the sections of a kind, with all checksums made right.
func patchSnapshot(t *testing.T, whole vfs.FS, kind uint32, fn func([]byte)) {
	t.Helper()
	dir, err := whole.OpenDir("s")
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	st, _, err := readStore(dir)
	if err != nil {
		t.Fatal(err)
	}
	r, err := openSnapshot(dir, &st)
	if err != nil {
		t.Fatal(err)
	}
	defer r.close()
	type section struct {
		kind    uint32
		payload []byte
	}
	var all []section
	for {
		k, p, _, err := r.next()
		if err != nil {
			t.Fatal(err)
		}
		if k == 0 {
			break
		}
		p = append([]byte(nil), p...)
		if k == kind {
			fn(p)
		}
		all = append(all, section{k, p})
	}
	head := r.head
	head.Sections = 0
	head, err = writeSnapshot(dir, head, func(w *snapWriter) {
		for _, s := range all {
			w.section(s.kind, func(dst []byte) []byte { return append(dst, s.payload...) })
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	st.SnapLen, st.SnapSum = head.Length, head.Sum
	if err := writeStore(dir, &st); err != nil {
		t.Fatal(err)
	}
}
