package engine

import (
	"context"
	"log/slog"
	"runtime"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestSpareInTime commits so little that only one kind of background work becomes due:
// creating the next WAL file, once half of this one is full and not before.
func TestSpareInTime(t *testing.T) {
	fs := vfs.NewMem()
	e, err := Open(Config{FS: fs, Dir: "s", Sync: SyncAlways, Logger: slog.New(slog.DiscardHandler), Clock: time.Now,
		WALFileSize: 1 << 20, CheckpointBytes: 16 << 20, MaxWAL: 32 << 20, MaxBody: 1 << 20, MaxBatch: 1 << 20,
		MaxOpenFiles: 8, MaxMapped: 8, MaxFuture: time.Hour, Topic: topics.Options{SegmentSize: 64 << 10},
		GC: GCSettings{Interval: time.Minute}})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	files := func() int {
		infos, err := fs.ReadDir("s/" + walDir)
		if err != nil {
			t.Fatal(err)
		}
		return len(infos) - 1 // the mark
	}
	for e.log.Size() < 32<<10 { // of a short file of 64 KiB
		if n := files(); n != 1 {
			t.Fatalf("%d WAL files at %d bytes", n, e.log.Size())
		}
		if _, err := e.commitOne(context.Background(), "topic"); err != nil {
			t.Fatal(err)
		}
	}
	for files() != 2 {
		runtime.Gosched()
	}
}
