package fuzz

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

const storeDir = "store"

func storeOptions(fsys vfs.FS) *pipeproc.Options {
	ms := int64(1_700_000_000_000)
	return &pipeproc.Options{FS: fsys, WALSize: 64 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10},
		Clock: func() time.Time { ms++; return time.UnixMilli(ms) }}
}

// storeImage is a valid store: its files, and its records as text.
type storeImage struct {
	names []string
	files map[string][]byte
	recs  map[string]string
}

func recordText(r *pipeproc.Record) (key, value string) {
	return r.Topic + " " + r.ID.String(), fmt.Sprintf("%q %q %q", r.Key, r.Headers, r.Body)
}

// seedStore makes a store with sealed, growing and carried segments and records
// in the log only. closed says whether it was closed.
func seedStore(f *testing.F, closed bool) *storeImage {
	ctx := context.Background()
	m := vfs.NewMem()
	n, err := pipeproc.Open(storeDir, storeOptions(m))
	if err != nil {
		f.Fatal(err)
	}
	defer n.Close()
	s := &storeImage{files: map[string][]byte{}, recs: map[string]string{}}
	commit := func(recs ...pipeproc.Record) {
		ids, err := n.Commit(ctx, recs...)
		if err != nil {
			f.Fatal(err)
		}
		for i := range recs {
			recs[i].ID = ids[i]
			k, v := recordText(&recs[i])
			s.recs[k] = v
		}
	}
	if err := n.CreateTopic(ctx, "packed", pipeproc.TopicOptions{SegmentSize: 64 << 10, Compression: pipeproc.Zstd}); err != nil {
		f.Fatal(err)
	}
	big := strings.Repeat("0123456789abcdef", 5<<10/16)
	for i := range 4 {
		commit(pipeproc.Record{Topic: "a", Body: []byte(big)},
			pipeproc.Record{Topic: "a", Key: []byte("k"), Headers: []pipeproc.Header{{Name: "h", Value: []byte("v")}}, Body: fmt.Append(nil, i)},
			pipeproc.Record{Topic: "packed", Body: []byte(big)}, pipeproc.Record{Topic: "few", Body: []byte{}})
	}
	commit(pipeproc.Record{Topic: "a", Body: []byte(strings.Repeat(big, 10))}) // seals what is before
	if err := n.Checkpoint(ctx); err != nil {
		f.Fatal(err)
	}
	seedProcs(f, n)
	if err := n.Prune(ctx, "few", 2); err != nil {
		f.Fatal(err)
	}
	commit(pipeproc.Record{Topic: "few", Body: []byte("late")}, pipeproc.Record{Topic: "new", Body: []byte("new")})
	commit(pipeproc.Record{Topic: "a", Body: []byte("last")})
	if closed {
		if err := n.Close(); err != nil {
			f.Fatal(err)
		}
	}
	for _, d := range []string{"", "wal/", "segments/"} {
		infos, err := m.ReadDir(storeDir + "/" + d)
		if err != nil {
			f.Fatal(err)
		}
		for _, i := range infos {
			if i.Dir {
				continue
			}
			h, err := m.Open(storeDir+"/"+d+i.Name, vfs.Read)
			if err != nil {
				f.Fatal(err)
			}
			b := make([]byte, i.Size)
			if _, err := h.ReadAt(b, 0); err != nil && err != io.EOF {
				f.Fatal(err)
			}
			_ = h.Close()
			s.files[d+i.Name] = b
		}
	}
	s.names = slices.Sorted(maps.Keys(s.files))
	return s
}

// with returns the store with one file changed, and the size of all.
func (s *storeImage) with(t *testing.T, name string, b []byte, mend bool) *vfs.Mem {
	files := maps.Clone(s.files)
	files[name] = b
	if mend {
		switch {
		case name == "STORE":
			mendStore(b)
		case strings.HasPrefix(name, "snapshot-"):
			files["STORE"] = slices.Clone(files["STORE"])
			mendSnapshot(b, files["STORE"])
		case strings.HasPrefix(name, "wal/"):
			mendWAL(b)
		}
	}
	m := vfs.NewMem()
	for _, d := range []string{"", "/wal", "/segments"} {
		if err := m.MkdirAll(storeDir + d); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range files {
		memFile(t, m, storeDir+"/"+name, b)
	}
	return m
}

// readStore opens the store and reads all of it. The text tells two readings
// apart.
func (s *storeImage) readStore(t *testing.T, m *vfs.Mem, readOnly, anything bool) map[string]string {
	ctx := context.Background()
	o := storeOptions(m)
	o.ReadOnly = readOnly
	n, err := pipeproc.Open(storeDir, o)
	if err != nil {
		return map[string]string{"error": "open"}
	}
	defer n.Close()
	got := map[string]string{}
	list, err := n.Topics(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range list {
		steps := 0
		for rec, err := range n.Range(ctx, info.Name, pipeproc.RangeOptions{}) {
			if steps++; steps > 5000 {
				if anything {
					break
				}
				t.Fatalf("reading does not end: %v", err)
			}
			if err != nil {
				continue
			}
			k, v := recordText(&rec)
			if want, ok := s.recs[k]; !anything && (!ok || want != v) {
				t.Fatalf("record %s was never written: %.200s", k, v)
			}
			got[k] = v
		}
		steps = 0
		for _, err := range n.Range(ctx, info.Name, pipeproc.RangeOptions{Reverse: true}) {
			if steps++; steps > 5000 {
				if anything {
					break
				}
				t.Fatalf("reading backwards does not end: %v", err)
			}
		}
		if info.Next > info.First {
			_, _ = n.Get(ctx, info.Name, info.First+(info.Next-info.First)/2)
		}
	}
	if !readOnly {
		return got
	}
	if _, err := n.Verify(ctx, nil); err != nil && !errors.Is(err, pipeproc.ErrVersion) && !strings.Contains(err.Error(), "version") {
		t.Fatalf("verify: %v", err)
	}
	return got
}

// FuzzStore opens an otherwise valid store with one file changed.
func FuzzStore(f *testing.F) {
	stores := []*storeImage{seedStore(f, true), seedStore(f, false)}
	for i, s := range stores {
		for j, name := range s.names {
			how := byte(j) | byte(i)<<5
			f.Add(how, []byte{})
			f.Add(how, edits(8, 2))
			f.Add(how, []byte{100, 0, 0, 255})
			f.Add(how|64, edits(130, 1, 2, 3, 4))
			f.Add(how|64, edits(200, 255, 255, 255))
			if name == "STORE" {
				f.Add(how|128, s.files[name])
				f.Add(how|64, edits(64, 1, 2, 3))
				f.Add(how|64, append(edits(56, 9), edits(4096+56, 9)...))
			}
		}
	}
	f.Fuzz(func(t *testing.T, how byte, data []byte) {
		if len(data) > 64<<10 {
			return
		}
		s := stores[how>>5&1]
		name := s.names[int(how&31)%len(s.names)]
		mend := how&64 != 0
		b := edit(s.files[name], data)
		if how&128 != 0 {
			b = slices.Clone(data)
		}
		m := s.with(t, name, b, mend)
		total := 512 << 10
		// With mended checksums there is nothing left to tell right from wrong.
		bounded(t, total, 64<<20, 128, func() {
			first := s.readStore(t, m, true, mend)
			again := s.readStore(t, m, true, mend)
			if !maps.Equal(first, again) {
				t.Fatalf("opening twice for reading differs: %d and %d records", len(first), len(again))
			}
			second := s.readStore(t, m, false, mend)
			third := s.readStore(t, m, false, mend)
			if !mend && !maps.Equal(second, third) {
				t.Fatalf("opening twice differs: %d and %d records", len(second), len(third))
			}
			if !mend && !maps.Equal(first, second) {
				t.Fatalf("opening for reading finds %d records, opening for writing %d", len(first), len(second))
			}
		})
	})
}

// FuzzImport takes over records with ids from bytes.
func FuzzImport(f *testing.F) {
	f.Add([]byte{1, 1, 3, 'a', 'b', 'c', 0, 1, 0, 5, 9, 1, 'x'}, false)
	f.Add([]byte{255, 255, 0, 0, 0, 0}, true)
	f.Fuzz(func(t *testing.T, data []byte, force bool) {
		if len(data) > 4<<10 {
			return
		}
		bounded(t, len(data), 96<<20, 4096, func() { importRecords(t, data, force) })
	})
}

func importRecords(t *testing.T, data []byte, force bool) {
	ctx := context.Background()
	o := storeOptions(nil)
	o.WALSize = 1 << 20
	n, err := pipeproc.OpenMemory(o)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	recs := importedRecords(data)
	done, err := n.Import(ctx, "in", func(yield func(pipeproc.Record, error) bool) {
		for _, r := range recs {
			if !yield(r, nil) {
				return
			}
		}
	}, &pipeproc.ImportOptions{Force: force, BatchRecords: 3})
	if err == nil && done != uint64(len(recs)) {
		t.Fatalf("%d records of %d and no error", done, len(recs))
	}
	i := 0
	if done > 0 {
		for rec, err := range n.Range(ctx, "in", pipeproc.RangeOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			k, v := recordText(&rec)
			if wk, wv := recordText(&recs[i]); k != wk || v != wv {
				t.Fatalf("record %d is %s %s, was %s %s", i, k, v, wk, wv)
			}
			i++
		}
	}
	if uint64(i) != done {
		t.Fatalf("%d records read, %d imported", i, done)
	}
	if _, err := n.Commit(ctx, pipeproc.Record{Topic: "other"}); err != nil {
		t.Fatalf("a commit after the import: %v", err)
	}
}

// importedRecords makes records of bytes: steps of time and sequence, each with
// a scale, and a body.
func importedRecords(data []byte) (recs []pipeproc.Record) {
	var id pipeproc.ID
	for len(data) >= 3 {
		step := func(b byte) uint64 { return uint64(b&15) << (4 * (b >> 4)) }
		id.Millis += int64(step(data[0]))
		id.Seq += step(data[1])
		n := min(int(data[2]&63), len(data)-3)
		recs = append(recs, pipeproc.Record{ID: id, Topic: "in", Body: data[3 : 3+n]})
		data = data[3+n:]
	}
	return recs
}
