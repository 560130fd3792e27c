package kills

import (
	"bytes"
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestS27 swaps files between two copies of a store that went their own ways, with
// the same clock and records of the same sizes.
func TestS27(t *testing.T) {
	ctx := context.Background()
	options := func(fsys vfs.FS) *pipeproc.Options {
		o := flipOptions(fsys)
		o.Clock = func() time.Time { return time.UnixMilli(1e12) }
		o.WALSize = 1 << 20
		return o
	}
	disk := vfs.NewCrash()
	n, err := pipeproc.Open(flipDir, options(disk))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Commit(ctx, pipeproc.Record{Topic: "a", Body: make([]byte, 40<<10)}); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	// live goes on from the same store in one of two ways.
	live := func(way byte, end string) (image, *truth) {
		disk := disk.Kill()
		tr := newTruth()
		tr.topics["a"] = &truthTopic{recs: []pipeproc.Record{{Topic: "a", Body: make([]byte, 40<<10), ID: pipeproc.ID{Millis: 1e12}}}}
		commit := func(size int) {
			n, err := pipeproc.Open(flipDir, options(disk))
			if err != nil {
				t.Fatal(err)
			}
			for range 8 {
				recs := []pipeproc.Record{{Topic: "b", Body: []byte{way}}, {Topic: "a", Body: bytes.Repeat([]byte{way}, size)}}
				if end == "carried" { // by the snapshot
					recs = recs[:1]
				}
				if err := tr.commit(n, recs...); err != nil {
					t.Fatal(err)
				}
			}
			switch {
			case end != "killed":
				err = n.Close()
			case size > 100:
				err = n.Checkpoint(ctx)
			}
			if err != nil {
				t.Fatal(err)
			}
			next := disk.Kill()
			_ = n.Close()
			disk = next
		}
		commit(2200)
		commit(100) // of files of the log, the second time, there are two
		im, err := take(disk, flipDir)
		if err != nil {
			t.Fatal(err)
		}
		return im, tr
	}
	for _, end := range []string{"closed", "carried", "killed"} {
		one, tr := live(1, end)
		other, _ := live(2, end)
		swapped := 0
		for _, name := range slices.Sorted(maps.Keys(one)) {
			if bytes.Equal(one[name], other[name]) || len(one[name]) != len(other[name]) || name == "LOCK" {
				continue
			}
			swapped++
			t.Run(end+"/"+strings.ReplaceAll(name, "/", ":"), func(t *testing.T) {
				im := one.with(name, func([]byte) []byte { return other[name] })
				m, err := im.put(flipDir)
				if err != nil {
					t.Fatal(err)
				}
				rep, err := pipeproc.Verify(ctx, flipDir, &pipeproc.VerifyOptions{FS: m})
				if err != nil {
					t.Fatal(err)
				}
				n, err := pipeproc.Open(flipDir, options(m))
				if err != nil {
					t.Fatal(err)
				}
				defer n.Close()
				r := tr.read(n, false)
				if (r.wrong != nil || r.missing > 0) && len(rep.Damage) == 0 {
					t.Errorf("verify finds nothing: wrong %v, missing %d", r.wrong, r.missing)
				}
			})
		}
		if swapped < 2 {
			t.Errorf("%s: only %d files differ", end, swapped)
		}
	}
}

// TestS26: a name like that of a file of the log, with a number that no store
// reaches, is not of the log.
func TestS26(t *testing.T) {
	im, tr, _ := killedTimes(t, pipeproc.SyncAlways, 2)
	for _, name := range []string{"wal/wal-ffffffffffffffff.log", "wal/wal-fffffffffffffffe.log", "wal/wal-8000000000000000.log", "wal/wal-0000100000000000.log"} {
		for _, content := range [][]byte{nil, {1}, make([]byte, 8192), im["wal/mark"]} {
			im := im.with(name, func([]byte) []byte { return append([]byte{}, content...) })
			m, err := im.put(flipDir)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 3 {
				n, err := pipeproc.Open(flipDir, flipOptions(m))
				if err != nil {
					t.Fatalf("%s, open %d: %v", name, i, err)
				}
				r := tr.read(n, false)
				if r.missing > 0 || r.wrong != nil || len(n.Recovery().Damage) > 0 || n.Err() != nil {
					t.Fatalf("%s, open %d: missing %d, %v, %v, %v", name, i, r.missing, r.wrong, n.Recovery().Damage, n.Err())
				}
				if err := tr.commit(n, pipeproc.Record{Topic: "a", Body: []byte("more")}); err != nil {
					t.Fatalf("%s, open %d: %v", name, i, err)
				}
				if err := n.Close(); err != nil {
					t.Fatal(err)
				}
			}
			if after, err := take(m, flipDir); err != nil || !bytes.Equal(after[name], im[name]) {
				t.Errorf("%s was changed: %v", name, err)
			}
			for _, tt := range tr.topics { // for the next round
				tt.recs = tt.recs[:200]
			}
		}
	}
}

// TestS25: after a power cut the newest file of a log that is not synced may have
// frames and no header. Nothing of it was durable, so it is no damage.
func TestS25(t *testing.T) {
	im, tr, log := killedTimes(t, pipeproc.SyncNever, 2)
	im = im.without("wal/mark") // after a power cut it tells nothing of what was not synced
	store := im["STORE"]
	newest := log[len(log)-1]
	// A file that was begun after the one that STORE knows.
	next := "wal/wal-00000000000000ff.log"
	im = im.with(next, func([]byte) []byte { b := bytes.Clone(im[newest]); clear(b[:4096]); return b })
	im = im.with("STORE", func([]byte) []byte { return store })
	m, err := im.put(flipDir)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := pipeproc.Verify(context.Background(), flipDir, &pipeproc.VerifyOptions{FS: m})
	if err != nil || len(rep.Damage) > 0 {
		t.Fatal(rep, err)
	}
	healthy(t, im, tr, "never")
}
