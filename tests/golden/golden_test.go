package golden_test

import (
	"context"
	"flag"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

var makeGolden = flag.Bool("golden.make", false, "make the golden stores of the present format version in testdata; never for a version that was released")

// goldenOptions make small files.
func goldenOptions(fsys vfs.FS) *pipeproc.Options {
	clock := &stepClock{ms: 1_700_000_000_000}
	return &pipeproc.Options{FS: fsys, Clock: clock.now, WALSize: 64 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
}

// writeGolden fills a store with everything that the format has: sealed and
// growing segments, a carried tail, compression, keys, headers, a gap, a
// pruned start, an empty topic.
func writeGolden(t *testing.T, n *pipeproc.Node) {
	t.Helper()
	ctx := context.Background()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(n.CreateTopic(ctx, "zipped", pipeproc.TopicOptions{Compression: pipeproc.Zstd, SegmentSize: 64 << 10}))
	must(n.CreateTopic(ctx, "empty", pipeproc.TopicOptions{}))
	for i := range 40 {
		var recs []pipeproc.Record
		for j := range 20 {
			recs = append(recs, goldenRecord("big", 20*i+j), goldenRecord("zipped", 20*i+j))
		}
		_, err := n.Commit(ctx, append(recs, goldenRecord("small", i))...)
		must(err)
	}
	must(n.Prune(ctx, "small", 7))
	_, err := n.Import(ctx, "imported", func(yield func(pipeproc.Record, error) bool) {
		for _, seq := range []int{3, 4, 9} {
			r := goldenRecord("imported", seq)
			r.ID = pipeproc.ID{Millis: 1_600_000_000_000 + int64(seq), Seq: uint64(seq)}
			if !yield(r, nil) {
				return
			}
		}
	}, nil)
	must(err)
}

func goldenRecord(topic string, i int) pipeproc.Record {
	r := pipeproc.Record{Topic: topic, Body: fmt.Appendf(nil, "%s %d %0150d", topic, i, i)}
	if i%3 == 0 {
		r.Key = fmt.Appendf(nil, "key %d", i)
	}
	if i%5 == 0 {
		r.Headers = []pipeproc.Header{{Name: "n", Value: fmt.Append(nil, i)}}
	}
	return r
}

// writeGoldenProcs adds procs in every state, a system proc and a policy.
func writeGoldenProcs(t *testing.T, n *pipeproc.Node) {
	t.Helper()
	ctx := context.Background()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	claim := func(name string, o pipeproc.ProcOptions) pipeproc.Claim {
		t.Helper()
		o.Name, o.Topic, o.Count = name, "big", 7
		c, err := n.Claim(ctx, o)
		must(nil, err)
		return c
	}
	must(n.Ack(ctx, "acked", claim("acked", pipeproc.ProcOptions{Offset: ":9"}).Token))
	claim("acked", pipeproc.ProcOptions{})
	claim("given back", pipeproc.ProcOptions{Retry: pipeproc.RetryPolicy{OnMaxReclaims: pipeproc.StrategyDeadLetter, Backoff: time.Hour}})
	must(n.Reclaim(ctx, "given back", pipeproc.Token{}, ""))
	claim("stopped", pipeproc.ProcOptions{Retry: pipeproc.RetryPolicy{MaxReclaims: -1, ReclaimTimeout: -1}})
	must(n.DisableProc(ctx, "stopped"))
	must(n.EnsureProc(ctx, pipeproc.ProcOptions{Name: "waits", Topic: "not_yet", Offset: "1800000000000"}))
	must(n.DefineSystemProc(ctx, pipeproc.SystemProcOptions{Name: "system", From: []string{"big", "small"}, To: []string{"empty"}, Count: 3, Lanes: 2}))
	must(nil, n.SetRetention(ctx, "big", pipeproc.Retention{MaxAge: 1000 * time.Hour, MaxBytes: 1 << 40}))
}

func checkGoldenProcs(t *testing.T, n *pipeproc.Node) {
	t.Helper()
	ctx := context.Background()
	list, err := n.Procs(ctx)
	if err != nil {
		t.Fatal(err)
	}
	got := ""
	for _, p := range list {
		got += fmt.Sprintf("%s %s next %d claim %v disabled %v reclaims %d %v\n", p.Name, p.Topic, p.Next, p.Claim, p.Disabled, p.Reclaims, p.Retry.OnMaxReclaims)
	}
	want := `acked big next 17 claim 1-2 disabled false reclaims 0 disable
given back big next 0 claim  disabled false reclaims 1 deadletter
stopped big next 0 claim 1-4 disabled true reclaims 0 disable
system__big big next 0 claim  disabled false reclaims 0 disable
system__small small next 7 claim  disabled false reclaims 0 disable
waits not_yet next 0 claim  disabled false reclaims 0 disable
`
	if got != want {
		t.Errorf("procs:\n%s", got)
	}
	if r, err := n.Retention(ctx, "big"); err != nil || r.MaxBytes != 1<<40 {
		t.Error(r, err)
	}
	if s, err := n.SystemProcs(ctx); err != nil || len(s) != 1 || s[0].Lanes != 2 || len(s[0].From) != 2 {
		t.Error(s, err)
	}
}

func checkGolden(t *testing.T, n *pipeproc.Node) {
	t.Helper()
	ctx := context.Background()
	if d := n.Recovery().Damage; len(d) > 0 || n.Err() != nil {
		t.Fatal(d, n.Err())
	}
	for topic, want := range map[string]int{"big": 800, "zipped": 800, "small": 33, "imported": 3, "empty": 0} {
		k := 0
		for r, err := range n.Range(ctx, topic, pipeproc.RangeOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			k++
			w := goldenRecord(topic, int(r.ID.Seq))
			if string(r.Body) != string(w.Body) || string(r.Key) != string(w.Key) || fmt.Sprint(r.Headers) != fmt.Sprint(w.Headers) {
				t.Fatalf("%s %v: %q %q %v", topic, r.ID, r.Body, r.Key, r.Headers)
			}
		}
		if k != want {
			t.Errorf("%s has %d records, want %d", topic, k, want)
		}
		if l, err := n.Length(ctx, topic); err != nil || l != uint64(want) {
			t.Errorf("length of %s: %d, %v", topic, l, err)
		}
	}
	if v, err := n.Verify(ctx, nil); err != nil || len(v.Damage) > 0 {
		t.Error(v, err)
	}
}

// TestGoldenStore opens stores that earlier versions wrote, one closed properly
// and one killed, and reads all of them.
func TestGoldenStore(t *testing.T) {
	if *makeGolden {
		for _, kill := range []bool{false, true} {
			disk := vfs.NewCrash()
			n, err := pipeproc.Open("s", goldenOptions(disk))
			if err != nil {
				t.Fatal(err)
			}
			writeGolden(t, n)
			writeGoldenProcs(t, n)
			var from vfs.FS = disk
			if kill {
				from = disk.Kill()
			}
			if err := n.Close(); err != nil {
				t.Fatal(err)
			}
			copyFiles(t, vfs.OS(), "testdata/store-v1-procs-"+map[bool]string{false: "closed", true: "killed"}[kill], from, "s")
		}
	}
	list, err := filepath.Glob("testdata/store-v*")
	if err != nil || len(list) < 2 {
		t.Fatal("no golden stores", err)
	}
	for _, dir := range list {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			mem := vfs.NewMem()
			copyFiles(t, mem, "s", vfs.OS(), dir)
			for range 2 { // as it is, and as the first round leaves it
				n, err := pipeproc.Open("s", goldenOptions(mem))
				if err != nil {
					t.Fatal(err)
				}
				checkGolden(t, n)
				if strings.Contains(dir, "-procs-") {
					checkGoldenProcs(t, n)
				}
				if err := n.Close(); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// copyFiles copies a directory tree between file systems.
func copyFiles(t *testing.T, dst vfs.FS, to string, src vfs.FS, from string) {
	t.Helper()
	if err := dst.MkdirAll(to); err != nil {
		t.Fatal(err)
	}
	list, err := src.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range list {
		if i.Name == "LOCK" || i.Name == ".gitkeep" {
			continue
		}
		if i.Dir {
			copyFiles(t, dst, to+"/"+i.Name, src, from+"/"+i.Name)
			continue
		}
		in, err := src.Open(from+"/"+i.Name, vfs.Read)
		if err != nil {
			t.Fatal(err)
		}
		b := make([]byte, i.Size)
		if n, err := in.ReadAt(b, 0); n < len(b) {
			t.Fatal(err)
		}
		_ = in.Close()
		out, err := dst.Open(to+"/"+i.Name, vfs.Create)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.WriteAt(b, 0); err != nil {
			t.Fatal(err)
		}
		if err := out.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
