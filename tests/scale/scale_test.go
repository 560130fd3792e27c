//go:build unix

package scale

import (
	"bytes"
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pipeproc/pipeproc"
)

var full = flag.Bool("scale.full", false, "full sizes: 10 million records, 10,000 topics, and limits on time")

const bodySize = 128

// body is the body of record seq of a topic: 128 bytes that no other has.
func body(dst []byte, topic, seq uint64) []byte {
	dst = dst[:0]
	h := topic<<40 + seq
	for len(dst) < bodySize {
		dst = binary.LittleEndian.AppendUint64(dst, h)
		h = h*6364136223846793005 + 1442695040888963407
	}
	return dst
}

// heap returns the bytes of live memory.
func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	debug.FreeOSMemory()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// diskUse returns the blocks in use below dir, in bytes, and the files.
func diskUse(t *testing.T, dir string) (size int64, files int) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		var st unix.Stat_t
		if err := unix.Lstat(path, &st); err != nil {
			return err
		}
		size += st.Blocks * 512
		files++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return size, files
}

// openIn returns how many files below dir this process has open and mapped.
func openIn(t *testing.T, dir string) (open, mapped int) {
	t.Helper()
	links, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("SKIPPED: it needs /proc: %v", err)
	}
	for _, l := range links {
		if to, err := os.Readlink("/proc/self/fd/" + l.Name()); err == nil && strings.HasPrefix(to, dir+"/") {
			open++
		}
	}
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return open, bytes.Count(maps, []byte(dir+"/"))
}

func openNode(t *testing.T, dir string, o *pipeproc.Options) (*pipeproc.Node, time.Duration) {
	t.Helper()
	start := time.Now()
	n, err := pipeproc.Open(dir, o)
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	if r := n.Recovery(); len(r.Damage) > 0 || len(r.Cut) > 0 {
		t.Fatalf("recovery: %+v", r)
	}
	return n, took
}

func closeNode(t *testing.T, n *pipeproc.Node) time.Duration {
	t.Helper()
	start := time.Now()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return time.Since(start)
}

// within asserts a time, at full size only; the time is always printed.
func within(t *testing.T, what string, took, limit time.Duration) {
	t.Helper()
	t.Logf("%s: %v", what, took.Round(10*time.Microsecond))
	if *full && took > limit {
		t.Errorf("%s takes %v, the limit is %v", what, took, limit)
	}
}

// Many records in one topic: the index takes little memory, the time of a clean open
// does not depend on their number, and all of them are there.
func TestRecords(t *testing.T) {
	count := 200_000
	if *full {
		count = 10_000_000
	}
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "data")
	o := &pipeproc.Options{Sync: pipeproc.SyncNever}
	if !*full {
		o.Topic.SegmentSize = 4 << 20 // so that there are sealed ones
	}
	n, _ := openNode(t, dir, o)
	write(t, n, count)
	s := n.Stats()
	t.Logf("after writing: %d records, index %d bytes, tail %d bytes, segments %d MB", s.Records, s.IndexBytes, s.TailBytes, s.SegmentBytes>>20)
	if *full && s.IndexBytes >= int64(count) {
		t.Errorf("the index takes %d bytes for %d records", s.IndexBytes, count)
	}
	took := closeNode(t, n)
	t.Logf("close: %v", took.Round(time.Millisecond))
	n = nil

	before := heap()
	n, took = openNode(t, dir, o)
	within(t, "clean open", took, 100*time.Millisecond)
	after := heap()
	s = n.Stats()
	t.Logf("after opening: index %d bytes, %.4f per record; the node takes %d bytes of heap, %.4f per record",
		s.IndexBytes, float64(s.IndexBytes)/float64(count), after-before, float64(after-before)/float64(count))
	if s.IndexBytes >= int64(count) {
		t.Errorf("the index takes %d bytes for %d records", s.IndexBytes, count)
	}
	if *full && after-before >= int64(count) {
		t.Errorf("the open node takes %d bytes of heap for %d records", after-before, count)
	}
	for range 2 {
		start := time.Now()
		scan(t, ctx, n, count)
		took = time.Since(start)
		t.Logf("whole scan: %v, %.1f million records a second", took.Round(time.Millisecond), float64(count)/1e6/took.Seconds())
	}
	scanned := heap()
	t.Logf("after scanning: %d bytes of heap more, index %d bytes", scanned-before, n.Stats().IndexBytes)
	if got := n.Stats().IndexBytes; got >= int64(count) {
		t.Errorf("the index takes %d bytes for %d records", got, count)
	}
	start := time.Now()
	rep, err := n.Verify(ctx, nil)
	if err != nil || len(rep.Damage) > 0 {
		t.Errorf("verify: %+v, %v", rep, err)
	}
	t.Logf("verify: %v, %d files", time.Since(start).Round(time.Millisecond), rep.Files)
	size, files := diskUse(t, dir)
	t.Logf("on disk: %d MB in %d files, %.1f bytes per record", size>>20, files, float64(size)/float64(count))
	closeNode(t, n)
}

// write commits the records in batches of 1000.
func write(t *testing.T, n *pipeproc.Node, count int) {
	t.Helper()
	start := time.Now()
	var b pipeproc.Batch
	var buf []byte
	for seq := 0; seq < count; {
		b.Reset()
		for range min(1000, count-seq) {
			buf = body(buf, 0, uint64(seq))
			if err := b.Add("records", buf); err != nil {
				t.Fatal(err)
			}
			seq++
		}
		if err := n.CommitBatch(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
	}
	took := time.Since(start)
	t.Logf("writing: %v, %.2f million records a second", took.Round(time.Millisecond), float64(count)/1e6/took.Seconds())
}

func scan(t *testing.T, ctx context.Context, n *pipeproc.Node, count int) {
	t.Helper()
	c, err := n.Cursor(ctx, "records", pipeproc.RangeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var buf []byte
	seq := uint64(0)
	for c.Next() {
		buf = body(buf, 0, seq)
		if c.ID().Seq != seq || !bytes.Equal(buf, c.Body()) {
			t.Fatalf("record %d is not what was written: %v", seq, c.ID())
		}
		seq++
	}
	if c.Err() != nil || seq != uint64(count) {
		t.Fatalf("%d records of %d: %v", seq, count, c.Err())
	}
}

// Many topics of a few records each: little disk, few files open, a quick open.
func TestTopics(t *testing.T) {
	count := 1000
	if *full {
		count = 10_000
	}
	const each = 10
	ctx := context.Background()
	dir := filepath.Join(t.TempDir(), "data")
	o := &pipeproc.Options{Sync: pipeproc.SyncNever, WALSize: 8 << 20, MaxOpenFiles: 64, MaxMapped: 32}
	n, _ := openNode(t, dir, o)
	start := time.Now()
	var b pipeproc.Batch
	var buf []byte
	for seq := range uint64(each) {
		for first := 0; first < count; first += 500 {
			b.Reset()
			for i := first; i < min(first+500, count); i++ {
				buf = body(buf, uint64(i), seq)
				if err := b.Add(fmt.Sprintf("topic-%05d", i), buf); err != nil {
					t.Fatal(err)
				}
			}
			if err := n.CommitBatch(ctx, &b); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("writing %d topics of %d records: %v", count, each, time.Since(start).Round(time.Millisecond))
	start = time.Now()
	if err := n.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("checkpoint: %v", time.Since(start).Round(time.Millisecond))
	bounds(t, n, dir, o, "after writing")
	t.Logf("close: %v", closeNode(t, n).Round(time.Millisecond))
	size, files := diskUse(t, dir)
	t.Logf("on disk: %d kB in %d files, %d bytes per topic", size>>10, files, size/int64(count))
	if size >= int64(count)*100_000 { // 1 GB for 10,000
		t.Errorf("%d topics take %d bytes of disk", count, size)
	}

	before := heap()
	n, took := openNode(t, dir, o)
	within(t, "clean open", took, time.Second)
	t.Logf("heap: %d bytes per topic", (heap()-before)/int64(count))
	start = time.Now()
	read(t, n, count, each)
	t.Logf("reading all: %v", time.Since(start).Round(time.Millisecond))
	bounds(t, n, dir, o, "after reading")

	// Once more, with records of a size that gives every topic its file.
	many := count / 10
	big := make([]byte, 20<<10)
	for i := range many {
		b.Reset()
		if err := b.Add(fmt.Sprintf("topic-%05d", i), big); err != nil {
			t.Fatal(err)
		}
		if err := n.CommitBatch(ctx, &b); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	for i := range many {
		if rec, err := n.Get(ctx, fmt.Sprintf("topic-%05d", i), each); err != nil || !bytes.Equal(rec.Body, big) {
			t.Fatalf("topic %d: %v", i, err)
		}
	}
	bounds(t, n, dir, o, fmt.Sprintf("with %d segment files", many))
	closeNode(t, n)
}

func read(t *testing.T, n *pipeproc.Node, count, each int) {
	t.Helper()
	var buf []byte
	for i := range count {
		seq := uint64(0)
		for rec, err := range n.Range(context.Background(), fmt.Sprintf("topic-%05d", i), pipeproc.RangeOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if buf = body(buf, uint64(i), seq); rec.ID.Seq != seq || !bytes.Equal(buf, rec.Body) {
				t.Fatalf("topic %d: record %d is not what was written", i, seq)
			}
			seq++
		}
		if seq != uint64(each) {
			t.Fatalf("topic %d: %d records", i, seq)
		}
	}
}

// bounds checks files and mappings against the options, as the node counts them
// and as the kernel does.
func bounds(t *testing.T, n *pipeproc.Node, dir string, o *pipeproc.Options, when string) {
	t.Helper()
	s := n.Stats()
	open, mapped := openIn(t, dir)
	t.Logf("%s: %d segment files open, %d mapped; the process has %d files of the store open and %d mappings", when, s.OpenFiles, s.Mapped, open, mapped)
	const besides = 16 // LOCK and WAL files
	if s.OpenFiles > o.MaxOpenFiles || open > o.MaxOpenFiles+besides {
		t.Errorf("%s: %d and %d open files, the limit is %d", when, s.OpenFiles, open, o.MaxOpenFiles)
	}
	if s.Mapped > o.MaxMapped || mapped > o.MaxMapped+besides {
		t.Errorf("%s: %d and %d mappings, the limit is %d", when, s.Mapped, mapped, o.MaxMapped)
	}
}
