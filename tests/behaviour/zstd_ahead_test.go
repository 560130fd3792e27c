package behaviour_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand"
	"runtime"
	"runtime/pprof"
	"slices"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// zstdStore returns a store with a compressed topic of 300 batches of all kinds, in
// several segments: of text, of bytes that cannot be compressed, of one large record.
func zstdStore(t *testing.T) (vfs.FS, *pipeproc.Options) {
	t.Helper()
	fsys := vfs.NewCrash()
	o := &pipeproc.Options{FS: fsys, WALSize: 256 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 256 << 10, Compression: pipeproc.Zstd}}
	n, err := pipeproc.Open("s", o)
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewSource(1))
	for i := range 300 {
		var recs []pipeproc.Record
		for range 50 + rnd.Intn(50) {
			var body []byte
			for range rnd.Intn(20) {
				body = fmt.Appendf(body, "word-%d and ", rnd.Intn(1000))
			}
			if i%37 == 36 {
				rnd.Read(body)
			}
			recs = append(recs, pipeproc.Record{Topic: "t", Body: body})
		}
		if i%50 == 49 {
			recs[7].Body = bytes.Repeat([]byte("large "), 60_000)
		}
		if _, err := n.Commit(context.Background(), recs...); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return fsys, o
}

// TestScanUnpacksAhead: on several processors a scan finds what it finds on one,
// damage included, from wherever it begins and wherever it ends.
func TestScanUnpacksAhead(t *testing.T) {
	fsys, o := zstdStore(t)
	segs := files(t, fsys, "s/segments", "0001-")
	if len(segs) < 3 {
		t.Fatalf("%d segments", len(segs))
	}
	for i, s := range segs[:3] {
		flip(t, fsys, "s/segments/"+s.Name, 20_000+40_000*int64(i))
	}
	ctx := context.Background()
	scan := func(procs int, r pipeproc.RangeOptions) (got []string) {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		n, err := pipeproc.Open("s", o)
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		c, err := n.Cursor(ctx, "t", r)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for {
			for c.Next() {
				got = append(got, fmt.Sprint(c.ID(), len(c.Body()), crc32.ChecksumIEEE(c.Body())))
			}
			if c.Err() == nil {
				return got
			}
			got = append(got, c.Err().Error())
			if !c.Resume() {
				return got
			}
		}
	}
	for _, r := range []pipeproc.RangeOptions{{}, {Start: pipeproc.AtSeq(777)}, {Start: pipeproc.AtSeq(5001), End: pipeproc.AtSeq(15001)}, {Limit: 9000}} {
		one, two := scan(1, r), scan(2, r)
		if len(one) < 5000 || !slices.Equal(one, two) {
			t.Errorf("%+v: %d lines on one processor, %d on two", r, len(one), len(two))
		}
	}
}

// TestScanLeavesNobody: however a scan ends, its helper has ended afterwards.
func TestScanLeavesNobody(t *testing.T) {
	_, o := zstdStore(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	n, err := pipeproc.Open("s", o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	errStop := errors.New("enough")
	for i := range 50 {
		c, err := n.Cursor(context.Background(), "t", pipeproc.RangeOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for err == nil && c.Next() {
			if c.ID().Seq == uint64(500+300*i) {
				err = errStop
			}
		}
		c.Close()
		// It has said that it is done when Close returns, and may be at its last step.
		for deadline := time.Now().Add(10 * time.Second); ; runtime.Gosched() {
			var b bytes.Buffer
			if err := pprof.Lookup("goroutine").WriteTo(&b, 1); err != nil {
				t.Fatal(err)
			}
			if !bytes.Contains(b.Bytes(), []byte("(*unpacker).")) {
				break
			}
			if time.Now().After(deadline) {
				t.Fatalf("the helper is at work behind Close:\n%s", b.Bytes())
			}
		}
	}
}
