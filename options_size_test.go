package pipeproc

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/topics"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestSizes refuses what a process of 32 bits has no addresses for, by the name of
// the option. What this process may have is tried, too.
func TestSizes(t *testing.T) {
	if got, want := sizesFor(math.MaxInt32), (sizes{body: 64 << 20, batch: 128 << 20, wal: 64 << 20}); got != want {
		t.Errorf("32 bits: %+v", got)
	}
	if got, want := sizesFor(math.MaxInt64), (sizes{body: 256 << 20, batch: 1 << 30, wal: 1 << 40}); got != want {
		t.Errorf("64 bits: %+v", got)
	}
	if got, want := int64(topics.MaxSegment), min(int64(1<<31), math.MaxInt>>2+1); got != want {
		t.Errorf("segments of %d", got)
	}
	most := sizesFor(math.MaxInt)
	body, batch := int(most.body), int(most.batch)
	for _, c := range []struct {
		name string
		o    Options
		ok   bool
	}{
		{"MaxBody", Options{MaxBody: body}, true},
		{"MaxBody", Options{MaxBody: body + 1}, false},
		{"MaxBatch", Options{MaxBatch: batch}, true},
		{"MaxBatch", Options{MaxBatch: batch + 1}, false},
		{"WALSize", Options{WALSize: most.wal}, true},
		{"WALSize", Options{WALSize: most.wal + 1}, false},
		{"WALSize", Options{WALSize: math.MaxInt64}, false},
		{"SegmentSize", Options{Topic: TopicOptions{SegmentSize: topics.MaxSegment}}, true},
		{"SegmentSize", Options{Topic: TopicOptions{SegmentSize: topics.MaxSegment + 1}}, false},
		{"SegmentSize", Options{Topic: TopicOptions{SegmentSize: math.MaxInt64}}, false},
	} {
		c.o.FS = vfs.NewMem()
		_, err := c.o.config("data")
		if c.ok != (err == nil) || !c.ok && (!errors.Is(err, ErrInvalidOptions) || !strings.Contains(err.Error(), c.name)) {
			t.Errorf("%s of %+v: %v", c.name, fmt.Sprint(c.o.MaxBody, c.o.MaxBatch, c.o.WALSize, c.o.Topic), err)
		}
	}
	n, err := Open("data", &Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	err = n.CreateTopic(t.Context(), "t", TopicOptions{SegmentSize: topics.MaxSegment + 1})
	if !errors.Is(err, ErrInvalidOptions) || !strings.Contains(err.Error(), "SegmentSize") {
		t.Error(err)
	}
}
