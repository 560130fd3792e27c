package behaviour_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sort"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/segment"
	"github.com/pipeproc/pipeproc/vfs"
)

// TestRescan scans sealed segments again and again, from files and then from their
// mappings, and damages them in between: what is read is right, and what is missing
// is reported with its location.
func TestRescan(t *testing.T) {
	for name, hurt := range map[string]func(t *testing.T, file string){
		"not":  func(*testing.T, string) {},
		"flip": func(t *testing.T, file string) { flipAt(t, file, segment.FileHeaderSize+5000) },
		"cut": func(t *testing.T, file string) {
			if err := os.Truncate(file, 300<<10); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			n, err := pipeproc.Open(dir, &pipeproc.Options{Sync: pipeproc.SyncNever, Topic: pipeproc.TopicOptions{SegmentSize: 1 << 20}})
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			const records = 30_000 // three segments
			var b pipeproc.Batch
			for seq := range uint64(records) {
				must(t, b.Add("t", getBody(seq)))
				if b.Len() == 100 {
					if err := n.CommitBatch(t.Context(), &b); err != nil {
						t.Fatal(err)
					}
					b.Reset()
				}
			}
			if err := n.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			scan := func() (seen int, damage *pipeproc.CorruptError) {
				c, err := n.Cursor(t.Context(), "t", pipeproc.RangeOptions{})
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				for {
					for c.Next() {
						if seen++; string(c.Body()) != string(getBody(c.ID().Seq)) {
							t.Fatalf("WRONG: %v", c.ID())
						}
					}
					if c.Err() == nil {
						return seen, damage
					}
					if !errors.As(c.Err(), &damage) {
						t.Fatal(c.Err())
					}
					if !c.Resume() {
						t.Fatal("cannot go on behind", c.Err())
					}
				}
			}
			for range 3 {
				if seen, damage := scan(); seen != records || damage != nil {
					t.Fatal(seen, damage)
				}
			}
			files, err := filepath.Glob(filepath.Join(dir, "segments", "*"))
			if err != nil || len(files) < 3 {
				t.Fatal(files, err)
			}
			sort.Strings(files)
			hurt(t, files[1])
			for range 2 {
				seen, damage := scan()
				if name == "not" {
					if seen != records || damage != nil {
						t.Error(seen, damage)
					}
				} else if damage == nil || seen == records || damage.File != filepath.Base(files[1]) {
					t.Errorf("%d of %d records, damage: %v", seen, records, damage)
				}
			}
		})
	}
}

func flipAt(t *testing.T, file string, off int64) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var b [1]byte
	if _, err := f.ReadAt(b[:], off); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1 << rand.IntN(8)
	if _, err := f.WriteAt(b[:], off); err != nil {
		t.Fatal(err)
	}
}

// TestReadAhead: reading one record takes a small read, reading all takes large
// ones.
func TestReadAhead(t *testing.T) {
	fs := vfs.NewFault(vfs.NewMem(), nil)
	n, err := pipeproc.Open("data", &pipeproc.Options{FS: fs, Sync: pipeproc.SyncNever, Topic: pipeproc.TopicOptions{SegmentSize: 4 << 20}})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	const records = 40_000
	var b pipeproc.Batch
	for range records / 100 {
		b.Reset()
		for range 100 {
			must(t, b.Add("t", make([]byte, 200)))
		}
		if err := n.CommitBatch(t.Context(), &b); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	var bytes, reads int64
	fs.SetHook(func(op vfs.Op) error {
		if op.Kind == vfs.OpReadAt {
			bytes += op.Len
			reads++
		}
		return nil
	})
	read := func(o pipeproc.RangeOptions) (count int) {
		t.Helper()
		bytes, reads = 0, 0
		c, err := n.Cursor(t.Context(), "t", o)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for c.Next() {
			count++
		}
		if c.Err() != nil {
			t.Fatal(c.Err())
		}
		return count
	}
	read(pipeproc.RangeOptions{Start: pipeproc.AtSeq(1000), Limit: 1}) // footers
	if k := read(pipeproc.RangeOptions{Start: pipeproc.AtSeq(2000), Limit: 1}); k != 1 || bytes > 16<<10 {
		t.Errorf("%d record took %d reads of %d bytes", k, reads, bytes)
	}
	if k := read(pipeproc.RangeOptions{}); k != records || bytes > 10<<20 || reads > 60 {
		t.Errorf("%d records took %d reads of %d bytes", k, reads, bytes)
	}
}
