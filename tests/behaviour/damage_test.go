package behaviour_test

import (
	"context"
	"errors"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// TestDamagedTopic: damage that a read finds is reported with its location, and the
// rest can be read. Until it is repaired the topic refuses commits, also after a
// restart; other topics go on.
func TestDamagedTopic(t *testing.T) {
	fsys, o := damagedStore(t, false)
	flip(t, fsys, "s/segments/"+files(t, fsys, "s/segments", "0001-00000001")[0].Name, 20000)
	ctx := context.Background()
	n, err := pipeproc.Open("s", o)
	if err != nil {
		t.Fatal(err)
	}
	good, bad := 0, 0
	lost := uint64(0)
	for r, err := range n.Range(ctx, "a", pipeproc.RangeOptions{}) {
		if err == nil {
			if good++; string(r.Body) != string(repairBody("a", int(r.ID.Seq))) {
				t.Fatalf("%v has body %.40q", r.ID, r.Body)
			}
			continue
		}
		bad++
		c := &pipeproc.CorruptError{}
		if !errors.As(err, &c) || !errors.Is(err, pipeproc.ErrCorrupt) || c.Topic != "a" || c.Segment != 1 || c.Offset <= 0 {
			t.Fatalf("error %v", err)
		}
		lost += c.Next - c.First
	}
	if bad != 1 || good+int(lost) != 1500 {
		t.Errorf("%d errors, %d records read, %d said to be lost", bad, good, lost)
	}
	refused := func(n *pipeproc.Node) {
		t.Helper()
		_, err := n.Commit(ctx, pipeproc.Record{Topic: "a"})
		if !errors.Is(err, pipeproc.ErrTopicDamaged) || !errors.Is(err, pipeproc.ErrCorrupt) {
			t.Errorf("commit to the damaged topic: %v", err)
		}
		if _, err := n.Commit(ctx, pipeproc.Record{Topic: "b", Body: repairBody("b", 0)}); err != nil {
			t.Errorf("commit to another topic: %v", err)
		}
		if _, err := n.Backup(ctx, "backup"); !errors.Is(err, pipeproc.ErrCorrupt) {
			t.Errorf("backup of a damaged store: %v", err)
		}
	}
	refused(n)
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err = pipeproc.Open("s", o); err != nil {
		t.Fatal(err)
	}
	if len(n.Recovery().Damage) != 1 {
		t.Errorf("the damage was forgotten: %v", n.Recovery().Damage)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := pipeproc.Repair(ctx, "s", &pipeproc.RepairOptions{FS: fsys}); err != nil {
		t.Fatal(err)
	}
	if n, err = pipeproc.Open("s", o); err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := n.Commit(ctx, pipeproc.Record{Topic: "a"}); err != nil {
		t.Errorf("commit after the repair: %v", err)
	}
	if rep, err := n.Backup(ctx, "copy"); err != nil || rep.Files == 0 {
		t.Errorf("backup after the repair: %v, %v", rep, err)
	}
}

// TestBackup: a backup that is taken while commits go on is the store at one
// position, with whole batches only, and opens like any other store.
func TestBackup(t *testing.T) {
	_, o := damagedStore(t, false)
	ctx := context.Background()
	n, err := pipeproc.Open("s", o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
			}
			if _, err := n.Commit(ctx, pipeproc.Record{Topic: "x", Body: repairBody("x", 0)}, pipeproc.Record{Topic: "y", Body: repairBody("y", 0)}); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	rep, err := n.Backup(ctx, "copy")
	close(stop)
	<-done
	if err != nil || rep.Linked == 0 {
		t.Fatal(rep, err)
	}
	if _, err := n.Backup(ctx, "copy"); err == nil {
		t.Error("a second backup into the same directory went through")
	}
	c := *o
	b, err := pipeproc.Open("copy", &c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if got := b.Recovery(); len(got.Damage) > 0 || !got.Clean {
		t.Errorf("recovery of the copy: %+v", got)
	}
	for _, topic := range []string{"a", "b"} {
		if k := checkKept(t, b, topic); k != 1500 {
			t.Errorf("%s has %d records", topic, k)
		}
	}
	x, errx := b.Topic(ctx, "x")
	y, erry := b.Topic(ctx, "y")
	if x.Next != y.Next || (errx == nil) != (erry == nil) {
		t.Errorf("half a batch: %d and %d", x.Next, y.Next)
	}
	if v, err := b.Verify(ctx, nil); err != nil || len(v.Damage) > 0 {
		t.Error(v, err)
	}
}
