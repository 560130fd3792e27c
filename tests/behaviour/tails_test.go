package behaviour_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestTailsUnderCheckpoints commits faster than checkpoints write, so that the
// keeper, checkpoints and committers all write tails to their files, while readers
// follow. Nobody misses a record or sees a wrong byte, nor does the next open.
func TestTailsUnderCheckpoints(t *testing.T) {
	const topics, batches, size = 3, 25, 10 << 10
	fsys := vfs.NewMem()
	opts := &pipeproc.Options{FS: fsys, Sync: pipeproc.SyncNever, WALSize: 2 << 20,
		Topic: pipeproc.TopicOptions{SegmentSize: 12 << 20}}
	n, err := pipeproc.Open("d", opts)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	names := []string{"a", "b", "c"}[:topics]
	body := func(b []byte, i uint64) []byte {
		for k := 0; k < len(b); k += 8 {
			binary.LittleEndian.PutUint64(b[k:], i*1000003+uint64(k))
		}
		return b
	}
	const perBatch = 50
	check := func(n *pipeproc.Node, name string) {
		want, i := make([]byte, size), uint64(0)
		for rec, err := range n.Follow(ctx, name, 0) {
			if err != nil {
				t.Errorf("%s, after %d records: %v", name, i, err)
				return
			}
			if !bytes.Equal(rec.Body, body(want, i)) {
				t.Errorf("%s: record %d is not what was committed", name, i)
				return
			}
			if i++; i == batches*perBatch {
				return
			}
		}
	}
	var readers, writers sync.WaitGroup
	for _, name := range names {
		writers.Go(func() {
			var b pipeproc.Batch
			buf := make([]byte, size)
			for i := range uint64(batches * perBatch) {
				_ = b.Add(name, body(buf, i))
				if b.Len() < perBatch {
					continue
				}
				if err := n.CommitBatch(ctx, &b); err != nil {
					t.Error(err)
					cancel()
					return
				}
				b.Reset()
			}
		})
		readers.Go(func() { check(n, name) })
	}
	writers.Wait()
	readers.Wait()
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err = pipeproc.Open("d", opts); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for _, name := range names {
		check(n, name)
	}
}
