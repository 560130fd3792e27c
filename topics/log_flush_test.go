package topics

import (
	"bytes"
	"testing"

	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

func flushRegistry(t *testing.T, fsys vfs.FS) *Registry {
	t.Helper()
	if err := fsys.MkdirAll("s"); err != nil {
		t.Fatal(err)
	}
	return NewRegistry(Config{FS: fsys, Dir: "s", Files: segment.NewFiles(fsys, "s", 4, 4), Codecs: new(segment.Codecs),
		Default: Options{SegmentSize: 64 << 20}, MaxBody: 1 << 20, MaxBatch: 1 << 20})
}

// restored returns the registry that is restored from c on fsys.
func restored(t *testing.T, c *Checkpoint, fsys vfs.FS, pos uint64) *Registry {
	t.Helper()
	r := flushRegistry(t, fsys)
	for i := range c.Topics {
		if err := r.RestoreTopic(c.Topics[i].Append(nil), pos); err != nil {
			t.Fatal(err)
		}
	}
	r.Publish(pos)
	return r
}

// lengths reads all of a topic and returns the sizes of its bodies.
func lengths(t *testing.T, r *Registry, name string) []int {
	t.Helper()
	topic, err := r.Topic(name)
	if err != nil {
		t.Fatal(err)
	}
	c := topic.Cursor(Span{From: topic.First(), To: topic.End()})
	defer c.Close()
	var list []int
	for c.Next() {
		if b := c.Record().Body; len(bytes.Trim(b, "x")) > 0 {
			t.Fatalf("record %d of %s is not what was committed", c.Record().Seq, name)
		}
		list = append(list, len(c.Record().Body))
	}
	if c.Err() != nil {
		t.Fatalf("%s, after %d records: %v", name, len(list), c.Err())
	}
	return list
}

// TestPinned grows a topic a lot while a checkpoint carries its small tail. The
// file that the snapshot describes and the tail that it carries must fit together,
// even if other goroutines try to write the tail meanwhile, and whatever a power cut
// leaves of the file.
func TestPinned(t *testing.T) {
	fsys := vfs.NewCrash()
	r := flushRegistry(t, fsys)
	var pos uint64
	commitTo(t, r, &pos, 20<<10, "a") // this one goes to the file
	c := r.Capture()
	if _, err := r.WriteBack(c, 1<<20, false); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Done(c); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{".", "s"} {
		if err := fsys.SyncDir(dir); err != nil {
			t.Fatal(err)
		}
	}
	commitTo(t, r, &pos, 1000, "a") // and this one is carried
	at := pos
	c = r.Capture()
	if _, err := r.WriteBack(c, 1<<20, false); err != nil {
		t.Fatal(err)
	}
	if c.Carried == 0 {
		t.Fatal("nothing is carried")
	}
	for range 12 {
		commitTo(t, r, &pos, 1<<19, "a")
	}
	r.FlushLagging()
	if err := r.FlushHot(); err != nil {
		t.Fatal(err)
	}
	got := lengths(t, restored(t, c, fsys.Crash(func(vfs.Unit) bool { return false }), at), "a")
	if len(got) != 2 || got[0] != 20<<10 || got[1] != 1000 {
		t.Fatalf("the checkpoint has records of %v bytes", got)
	}
	if _, err := r.Done(c); err != nil {
		t.Fatal(err)
	}
	commitTo(t, r, &pos, 1<<19, "a")
	if err := r.FlushHot(); err != nil { // it writes again once the checkpoint is done
		t.Fatal(err)
	}
	topic, _ := r.Topic("a")
	if n := topic.TailBytes(); n > hotBytes {
		t.Fatalf("%d bytes are still in memory", n)
	}
	if n := len(lengths(t, r, "a")); n != 15 {
		t.Fatalf("%d records, want 15", n)
	}
}

// TestFlushLagging demands that the leader writes a tail that no one else writes, but not
// one whose lock is held.
func TestFlushLagging(t *testing.T) {
	r := flushRegistry(t, vfs.NewMem())
	var pos uint64
	most := int64(0)
	grow := func(n int) {
		for range n {
			commitTo(t, r, &pos, 256<<10, "a")
			r.FlushLagging()
			topic, _ := r.Topic("a")
			most = max(most, topic.TailBytes())
		}
	}
	grow(100)
	if most > lagBytes+hotBytes {
		t.Errorf("%d bytes are in memory, want %d at most", most, lagBytes+hotBytes)
	}
	topic, _ := r.Topic("a")
	s := topic.log.cur
	s.mu.Lock()
	grow(100)
	s.mu.Unlock()
	if most < 20<<20 {
		t.Errorf("a tail was written while its lock was held: %d bytes at most", most)
	}
	grow(10)
	if n := topic.TailBytes(); n > lagBytes {
		t.Errorf("%d bytes are left in memory", n)
	}
	if n := len(lengths(t, r, "a")); n != 210 {
		t.Fatalf("%d records, want 210", n)
	}
}

// TestFlushBesideSeal demands that the growing segment of a topic is written while
// the full one before it is being sealed.
func TestFlushBesideSeal(t *testing.T) {
	r := flushRegistry(t, vfs.NewMem())
	r.Default.SegmentSize = 4 << 20
	var pos uint64
	n := 0
	grow := func(done func(l *log) bool) *log {
		for {
			commitTo(t, r, &pos, 256<<10, "a")
			n++
			topic, _ := r.Topic("a")
			if l := topic.log; done(l) {
				return l
			}
		}
	}
	l := grow(func(l *log) bool { return len(l.list()) > 1 })
	full := l.list()[0]
	full.mu.Lock() // as a checkpoint does
	grow(func(l *log) bool { return l.cur.end.Load() > 2*hotBytes })
	if err := r.FlushHot(); err != nil {
		t.Fatal(err)
	}
	if rest := l.cur.end.Load() - l.cur.flushed.Load(); rest > hotBytes {
		t.Errorf("%d bytes of the growing segment are not written", rest)
	}
	full.mu.Unlock()
	if got := len(lengths(t, r, "a")); got != n {
		t.Fatalf("%d records, want %d", got, n)
	}
}
