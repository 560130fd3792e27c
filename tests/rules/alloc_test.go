package rules

import (
	"context"
	"fmt"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/internal/selfcheck"
	"github.com/pipeproc/pipeproc/tests/internal/process"
	"github.com/pipeproc/pipeproc/vfs"
)

func skipRace(t *testing.T) {
	t.Helper()
	if process.Race {
		t.Skip("the race detector allocates by itself; the run without it counts")
	}
}

// What is counted here is what users pay.
func init() { selfcheck.On = false }

// allocNode opens a node whose commits reach a steady state: the tests run for
// less than it takes to fill the write-ahead log.
func allocNode(t *testing.T, os bool) *pipeproc.Node {
	t.Helper()
	o := &pipeproc.Options{Sync: pipeproc.SyncNever, WALSize: 256 << 20}
	dir := t.TempDir()
	if !os {
		o.FS = vfs.NewMem()
	}
	n, err := pipeproc.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

var fileSystems = []struct {
	name string
	os   bool
}{{"memory", false}, {"os", true}}

// A batch that is used again costs no allocation, however many records it has.
// What remains follows bytes, one for every 30 KB or so: the chunks of memory
// that hold records until they are in a segment file, and index entries.
func TestCommitAllocations(t *testing.T) {
	skipRace(t)
	ctx := context.Background()
	for _, fsys := range fileSystems {
		for _, c := range []struct{ records, topics int }{{1, 1}, {100, 1}, {100, 10}, {1000, 10}} {
			t.Run(fmt.Sprintf("%s/%d records in %d topics", fsys.name, c.records, c.topics), func(t *testing.T) {
				n := allocNode(t, fsys.os)
				var names []string
				for i := range c.topics {
					names = append(names, fmt.Sprintf("topic-%d", i))
				}
				body := make([]byte, 100)
				var b pipeproc.Batch
				commit := func() {
					b.Reset()
					for i := range c.records {
						if err := b.Add(names[i%c.topics], body); err != nil {
							t.Fatal(err)
						}
					}
					if err := n.CommitBatch(ctx, &b); err != nil {
						t.Fatal(err)
					}
				}
				for range 50 {
					commit()
				}
				runs := 1000
				if c.records == 1000 {
					runs = 200
				}
				perBatch := testing.AllocsPerRun(runs, commit) // rounds down
				per := allocs(runs, commit)
				t.Logf("%.3f allocations per batch, %.5f per record", per, per/float64(c.records))
				if perBatch > 0 && c.records <= 100 || per/float64(c.records) > 0.05 || c.records >= 100 && per/float64(c.records) > 0.01 {
					t.Errorf("%.3f allocations per batch, %.5f per record", per, per/float64(c.records))
				}
			})
		}
	}
}

// A cursor allocates when it is opened and not per record.
func TestCursorAllocations(t *testing.T) {
	skipRace(t)
	ctx := context.Background()
	for _, fsys := range fileSystems {
		for _, where := range []string{"tail", "files"} {
			t.Run(fsys.name+"/"+where, func(t *testing.T) {
				n := allocNode(t, fsys.os)
				fill(t, n, "topic", 100_000, 100)
				if where == "files" {
					if err := n.Checkpoint(ctx); err != nil {
						t.Fatal(err)
					}
				}
				read := func(limit int, reverse bool) float64 {
					return testing.AllocsPerRun(5, func() {
						c, err := n.Cursor(ctx, "topic", pipeproc.RangeOptions{Limit: limit, Reverse: reverse})
						if err != nil {
							t.Fatal(err)
						}
						count, size := 0, 0
						for c.Next() {
							count++
							size += len(c.Body())
						}
						if c.Err() != nil || count != limit || size != limit*100 {
							t.Fatalf("%d records, %d bytes: %v", count, size, c.Err())
						}
						c.Close()
					})
				}
				for _, reverse := range []bool{false, true} {
					few, many := read(100, reverse), read(100_000, reverse)
					t.Logf("reverse %v: %.0f allocations for 100 records, %.0f for 100,000", reverse, few, many)
					if many > few+16 {
						t.Errorf("reverse %v: %.0f allocations for 100 records, %.0f for 100,000", reverse, few, many)
					}
				}
			})
		}
	}
}

// A cursor that follows allocates nothing for what it finds.
func TestFollowAllocations(t *testing.T) {
	skipRace(t)
	ctx := context.Background()
	n := allocNode(t, false)
	fill(t, n, "topic", 1, 100)
	c, err := n.Cursor(ctx, "topic", pipeproc.RangeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var b pipeproc.Batch
	body := make([]byte, 100)
	round := func() {
		b.Reset()
		for range 100 {
			_ = b.Add("topic", body)
		}
		if err := n.CommitBatch(ctx, &b); err != nil {
			t.Fatal(err)
		}
		if err := c.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		for c.Next() {
		}
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
	}
	for range 100 {
		round()
	}
	if got := testing.AllocsPerRun(200, round); got > 0 {
		t.Errorf("%.1f allocations for 100 records", got)
	}
}

// A Get allocates what it returns: the body, and the key if there is one.
func TestGetAllocations(t *testing.T) {
	skipRace(t)
	ctx := context.Background()
	for _, fsys := range fileSystems {
		t.Run(fsys.name, func(t *testing.T) {
			n := allocNode(t, fsys.os)
			fill(t, n, "topic", 20_000, 100)
			if err := n.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
			fill(t, n, "topic", 1000, 100)
			for _, first := range []uint64{0, 20_000} { // in the file, in the tail
				seq := first
				got := testing.AllocsPerRun(500, func() {
					rec, err := n.Get(ctx, "topic", seq)
					if err != nil || len(rec.Body) != 100 {
						t.Fatal(err)
					}
					seq++
				})
				t.Logf("from sequence %d: %.0f allocations per Get", first, got)
				if got > 1 {
					t.Errorf("from sequence %d: %.0f allocations per Get", first, got)
				}
			}
		})
	}
}

// fill commits records in batches of 1000.
func fill(t *testing.T, n *pipeproc.Node, topic string, records, size int) {
	t.Helper()
	var b pipeproc.Batch
	body := make([]byte, size)
	for records > 0 {
		b.Reset()
		for range min(records, 1000) {
			if err := b.Add(topic, body); err != nil {
				t.Fatal(err)
			}
		}
		records -= b.Len()
		if err := n.CommitBatch(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
	}
}
