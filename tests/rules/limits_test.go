package rules

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
)

func open(t *testing.T, o *pipeproc.Options) *pipeproc.Node {
	t.Helper()
	n, err := pipeproc.OpenMemory(o)
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

func commit(n *pipeproc.Node, recs ...pipeproc.Record) error {
	_, err := n.Commit(context.Background(), recs...)
	return err
}

// wantErr checks the kind and the form of an error.
func wantErr(t *testing.T, what string, err, want error) {
	t.Helper()
	switch {
	case !errors.Is(err, want):
		t.Errorf("%s: %v, not %v", what, err, want)
	case strings.Contains(err.Error(), "\n"):
		t.Errorf("%s: several lines: %q", what, err.Error())
	case pipeproc.Code(err) == "":
		t.Errorf("%s: no code: %v", what, err)
	}
}

func TestMaxBody(t *testing.T) {
	n := open(t, &pipeproc.Options{MaxBody: 1000})
	if err := commit(n, pipeproc.Record{Topic: "a", Body: make([]byte, 1000)}); err != nil {
		t.Errorf("a body of the largest size: %v", err)
	}
	wantErr(t, "one byte more", commit(n, pipeproc.Record{Topic: "a", Body: make([]byte, 1001)}), pipeproc.ErrTooLarge)
	wantErr(t, "among others", commit(n, pipeproc.Record{Topic: "a"}, pipeproc.Record{Topic: "b", Body: make([]byte, 1001)}), pipeproc.ErrTooLarge)
	if length, err := n.Length(context.Background(), "a"); err != nil || length != 1 {
		t.Errorf("%d records after refused batches: %v", length, err)
	}
	if _, err := n.Length(context.Background(), "b"); !errors.Is(err, pipeproc.ErrInvalidTopic) {
		t.Errorf("the topic of a refused batch: %v", err)
	}
}

func TestDefaultBody(t *testing.T) {
	n := open(t, nil)
	if err := commit(n, pipeproc.Record{Topic: "a", Body: make([]byte, 16<<20)}); err != nil {
		t.Errorf("16 MiB: %v", err)
	}
	wantErr(t, "16 MiB and a byte", commit(n, pipeproc.Record{Topic: "a", Body: make([]byte, 16<<20+1)}), pipeproc.ErrTooLarge)
	rec, err := n.Get(context.Background(), "a", 0)
	if err != nil || len(rec.Body) != 16<<20 {
		t.Errorf("%d bytes came back: %v", len(rec.Body), err)
	}
}

func TestMaxBatch(t *testing.T) {
	n := open(t, &pipeproc.Options{MaxBody: 1000, MaxBatch: 10_000})
	var b pipeproc.Batch
	for range 9 {
		if err := b.Add("a", make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
	}
	for b.Size() < 10_000 {
		left := 10_000 - b.Size()
		before := b.Size()
		if err := b.Add("a", make([]byte, max(0, left-2))); err != nil {
			t.Fatal(err)
		}
		if b.Size() == before {
			t.Fatal("the size does not grow")
		}
	}
	size := b.Size()
	err := n.CommitBatch(context.Background(), &b)
	if size == 10_000 && err != nil {
		t.Errorf("a batch of the largest size: %v", err)
	}
	if err := b.Add("a", nil); err != nil {
		t.Fatal(err)
	}
	wantErr(t, "a record more", n.CommitBatch(context.Background(), &b), pipeproc.ErrTooLarge)
}

// Bodies and batches beyond what the format takes are refused before anything
// of that size is made.
func TestLargestOptions(t *testing.T) {
	for _, o := range []*pipeproc.Options{
		{MaxBody: 1 << 30}, {MaxBody: 256<<20 + 1}, {MaxBody: -1},
		{MaxBatch: 1<<30 + 1}, {MaxBatch: 1000}, {MaxBatch: -1},
		{WALSize: 64<<10 - 1}, {WALSize: -1}, {MaxDisk: -1}, {MaxOpenFiles: -1}, {MaxMapped: -1}, {MaxFuture: -1},
		{Topic: pipeproc.TopicOptions{SegmentSize: 1}}, {Topic: pipeproc.TopicOptions{SegmentSize: 2<<30 + 1}},
		{Topic: pipeproc.TopicOptions{Compression: 99}},
	} {
		n, err := pipeproc.OpenMemory(o)
		if err == nil {
			t.Errorf("%+v: no error", o)
			_ = n.Close()
			continue
		}
		wantErr(t, "options", err, pipeproc.ErrInvalidOptions)
	}
	n := open(t, &pipeproc.Options{MaxBody: 256 << 20})
	// A gibibyte that nothing has written takes no memory, unless it is copied.
	wantErr(t, "a body of 1 GiB", commit(n, pipeproc.Record{Topic: "a", Body: make([]byte, 1<<30)}), pipeproc.ErrTooLarge)
}

func TestTopicNames(t *testing.T) {
	n := open(t, nil)
	ctx := context.Background()
	for _, name := range []string{"a", strings.Repeat("n", 255), strings.Repeat("-_9Z", 60)} {
		if err := commit(n, pipeproc.Record{Topic: name, Body: []byte(name)}); err != nil {
			t.Errorf("a name of %d bytes: %v", len(name), err)
		} else if rec, err := n.Get(ctx, name, 0); err != nil || string(rec.Body) != name || rec.Topic != name {
			t.Errorf("a name of %d bytes: %v", len(name), err)
		}
	}
	for _, name := range []string{"", strings.Repeat("n", 256), "ä", "a/b", "a b", ".."} {
		wantErr(t, "a bad name", commit(n, pipeproc.Record{Topic: name}), pipeproc.ErrInvalidTopicFormat)
		wantErr(t, "a bad name", n.CreateTopic(ctx, name, pipeproc.TopicOptions{}), pipeproc.ErrInvalidTopicFormat)
	}
}

func TestMaxDisk(t *testing.T) {
	ctx := context.Background()
	n := open(t, &pipeproc.Options{MaxDisk: 4 << 20, WALSize: 256 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 256 << 10}})
	body := make([]byte, 10_000)
	var err error
	done := uint64(0)
	for done < 1000 {
		if err = commit(n, pipeproc.Record{Topic: "a", Body: body}); err != nil {
			break
		}
		done++
	}
	wantErr(t, "beyond the limit", err, pipeproc.ErrDiskLimit)
	s := n.Stats()
	if s.SegmentBytes+s.WALBytes > 4<<20+16<<10 { // the last batch is in the WAL, too
		t.Errorf("%d and %d bytes are over the limit", s.SegmentBytes, s.WALBytes)
	}
	if done < 200 {
		t.Errorf("only %d records of 10 kB fit 4 MiB", done)
	}
	if length, err := n.Length(ctx, "a"); err != nil || length != done {
		t.Errorf("%d records of %d: %v", length, done, err)
	}
	if err := n.Prune(ctx, "a", done-1); err != nil {
		t.Errorf("prune at the limit: %v", err)
	}
	if err := n.Checkpoint(ctx); err != nil {
		t.Errorf("checkpoint at the limit: %v", err)
	}
	if err := commit(n, pipeproc.Record{Topic: "a", Body: body}); err != nil {
		t.Errorf("after pruning: %v", err)
	}
}

func TestEmptyBatch(t *testing.T) {
	n := open(t, nil)
	wantErr(t, "no records", commit(n), pipeproc.ErrUncommitted)
	if err := commit(n, pipeproc.Record{Topic: "a"}); err != nil {
		t.Errorf("an empty body: %v", err)
	}
}
