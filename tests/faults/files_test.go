//go:build linux

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
)

const fileTopics = 3

func fileOptions() *pipeproc.Options {
	return &pipeproc.Options{WALSize: 256 << 10, MaxOpenFiles: 4, MaxMapped: 2, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
}

func fileTopic(i int) string { return fmt.Sprintf("topic-%d", i) }

// fileBody is the body of the record of a sequence. It names its place.
func fileBody(topic string, seq uint64) []byte {
	return fmt.Appendf(nil, "%s %d %s", topic, seq, strings.Repeat(string(rune('a'+seq%26)), int(seq*37%400)))
}

// fileStore makes a store of some topics with several segments each. With open it
// returns the node, which has records in the log as well.
func fileStore(t *testing.T, dir string, perTopic int) *pipeproc.Node {
	t.Helper()
	n, err := pipeproc.Open(dir, fileOptions())
	if err != nil {
		t.Fatal(err)
	}
	fileAdd(t, n, 0, perTopic)
	if err := n.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	return n
}

func fileAdd(t *testing.T, n *pipeproc.Node, from, to int) {
	t.Helper()
	for i := from; i < to; i += 20 {
		var b pipeproc.Batch
		for k := range fileTopics {
			for j := i; j < i+20; j++ {
				_ = b.Add(fileTopic(k), fileBody(fileTopic(k), uint64(j)))
			}
		}
		if err := n.CommitBatch(context.Background(), &b); err != nil {
			t.Fatal(err)
		}
	}
}

// look reads everything in a store and returns how many of the records that must be
// there are missing, and what was reported. Wrong bytes fail the test.
func look(t *testing.T, when string, n *pipeproc.Node, perTopic int) (missing int, said []error) {
	t.Helper()
	ctx := context.Background()
	said = slices.Clone(n.Recovery().Damage)
	for k := range fileTopics {
		name := fileTopic(k)
		right := func(r *pipeproc.Record) bool { return bytes.Equal(r.Body, fileBody(name, r.ID.Seq)) }
		got := 0
		for r, err := range n.Range(ctx, name, pipeproc.RangeOptions{}) {
			if err != nil {
				said = append(said, err)
			} else if !right(&r) {
				t.Errorf("%s: WRONG: %s has at %v the body %.60q", when, name, r.ID, r.Body)
			} else {
				got++
			}
		}
		back := 0
		for r, err := range n.Range(ctx, name, pipeproc.RangeOptions{Reverse: true}) {
			if err != nil {
				said = append(said, err)
			} else if !right(&r) {
				t.Errorf("%s: WRONG: %s has at %v, read backwards, the body %.60q", when, name, r.ID, r.Body)
			} else {
				back++
			}
		}
		for seq := uint64(0); seq < uint64(perTopic); seq += 7 {
			r, err := n.Get(ctx, name, seq)
			if err != nil {
				said = append(said, err)
			} else if r.ID.Seq != seq || !right(&r) {
				t.Errorf("%s: WRONG: get %s %d gave %v %.60q", when, name, seq, r.ID, r.Body)
			}
		}
		missing += max(0, perTopic-min(got, back))
	}
	for _, err := range said {
		clear(t, when, err)
	}
	if missing > 0 && len(said) == 0 {
		t.Errorf("%s: SILENT: %d records are missing", when, missing)
	}
	return missing, said
}

// A hurt does something to a file that no correct program would do.
type hurt struct {
	name string
	do   func(rnd *rand.Rand, path, other string) error
}

var hurts = []hurt{
	{"cut to nothing", func(_ *rand.Rand, p, _ string) error { return os.Truncate(p, 0) }},
	{"cut in half", func(_ *rand.Rand, p, _ string) error {
		fi, err := os.Stat(p)
		if err != nil {
			return err
		}
		return os.Truncate(p, fi.Size()/2)
	}},
	{"cut by a byte", func(_ *rand.Rand, p, _ string) error {
		fi, err := os.Stat(p)
		if err != nil {
			return err
		}
		return os.Truncate(p, max(0, fi.Size()-1))
	}},
	{"deleted", func(_ *rand.Rand, p, _ string) error { return os.Remove(p) }},
	{"swapped", func(_ *rand.Rand, p, o string) error {
		return errors.Join(os.Rename(p, p+".x"), os.Rename(o, p), os.Rename(p+".x", o))
	}},
	{"replaced by another", func(_ *rand.Rand, p, o string) error { return replace(p, o) }},
	{"written over by another", func(_ *rand.Rand, p, o string) error {
		b, err := os.ReadFile(o)
		if err != nil {
			return err
		}
		return os.WriteFile(p, b, 0o600)
	}},
	{"zeroed", func(_ *rand.Rand, p, _ string) error {
		fi, err := os.Stat(p)
		if err != nil {
			return err
		}
		return os.WriteFile(p, make([]byte, fi.Size()), 0o600)
	}},
	{"a bit flipped", func(rnd *rand.Rand, p, _ string) error {
		return edit(p, func(b []byte) { b[rnd.IntN(len(b))] ^= 1 << rnd.IntN(8) })
	}},
	{"a page of another", func(rnd *rand.Rand, p, o string) error {
		from, err := os.ReadFile(o)
		if err != nil || len(from) < 4096 {
			return err
		}
		return edit(p, func(b []byte) {
			if len(b) >= 4096 {
				copy(b[rnd.IntN(len(b)/4096)*4096:][:4096], from[rnd.IntN(len(from)/4096)*4096:])
			}
		})
	}},
	{"two pages swapped", func(rnd *rand.Rand, p, _ string) error {
		return edit(p, func(b []byte) {
			if len(b) < 8192 {
				return
			}
			x, y := b[rnd.IntN(len(b)/4096)*4096:][:4096], b[rnd.IntN(len(b)/4096)*4096:][:4096]
			was := bytes.Clone(x)
			copy(x, y)
			copy(y, was)
		})
	}},
	{"replaced by a directory", func(_ *rand.Rand, p, _ string) error { return errors.Join(os.Remove(p), os.Mkdir(p, 0o700)) }},
}

// edit changes the bytes of a file in place.
func edit(path string, fn func(b []byte)) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	b, err := io.ReadAll(f)
	if err == nil && len(b) > 0 {
		fn(b)
		_, err = f.WriteAt(b, 0)
	}
	return errors.Join(err, f.Close())
}

// replace puts a copy of other in the place of a file.
func replace(path, other string) error {
	b, err := os.ReadFile(other)
	if err == nil {
		err = errors.Join(os.WriteFile(path+".new", b, 0o600), os.Rename(path+".new", path))
	}
	return err
}

// storeFiles lists the files that hold data, and for each another one of its kind.
func storeFiles(dir string) (paths, others []string) {
	segs := glob(dir, "segments/*")
	for i, s := range segs {
		paths, others = append(paths, s), append(others, segs[(i+len(segs)/2)%len(segs)])
	}
	for _, kind := range []string{"snapshot-*", "wal/*"} {
		list := glob(dir, kind)
		for i, s := range list {
			paths, others = append(paths, s), append(others, list[(i+1)%len(list)])
		}
	}
	for i := range paths {
		if paths[i] == others[i] {
			others[i] = segs[0]
		}
	}
	return append(paths, filepath.Join(dir, "STORE")), append(others, segs[0])
}

// TestF12StoppedFiles: files of a store that is not running are cut, damaged,
// swapped, removed and replaced (9, 10, 12, 13, 23, 28). Nothing wrong is read,
// nothing is missing without a report, verify finds what reading finds, and a repair
// keeps all that reading can get.
func TestF12StoppedFiles(t *testing.T) {
	const per = 1200
	from := filepath.Join(t.TempDir(), "data")
	if err := fileStore(t, from, per).Close(); err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(*seed, 12))
	paths, _ := storeFiles(from)
	tried, found, lost, repaired, refused := 0, 0, 0, 0, 0
	for i := range paths {
		for j, h := range hurts {
			if !*full && (i*len(hurts)+j)%3 != int(*seed%3) {
				continue
			}
			dir := filepath.Join(scratch(t), "data")
			if err := os.CopyFS(dir, os.DirFS(from)); err != nil {
				t.Fatal(err)
			}
			list, others := storeFiles(dir)
			rel, _ := filepath.Rel(dir, list[i])
			when := fmt.Sprintf("%s of %s", h.name, rel)
			if err := h.do(rnd, list[i], others[i]); err != nil {
				t.Fatal(when, err)
			}
			tried++
			rep, verr := pipeproc.Verify(t.Context(), dir, nil)
			n, err := pipeproc.Open(dir, fileOptions())
			if err != nil {
				clear(t, when, err)
				refused++
				os.RemoveAll(filepath.Dir(dir))
				continue
			}
			missing, said := look(t, when, n, per)
			if missing > 0 && verr == nil && len(rep.Damage) == 0 {
				t.Errorf("%s: verify finds nothing, but %d records are missing: %v", when, missing, said)
			}
			if err := n.Close(); err != nil {
				clear(t, when, err)
			}
			if verr == nil && len(rep.Damage) > 0 || missing > 0 {
				found++
				lost += missing
				if _, err := pipeproc.Repair(t.Context(), dir, nil); err != nil {
					clear(t, when+": repair", err)
				} else if n, err := pipeproc.Open(dir, fileOptions()); err != nil {
					t.Errorf("%s: open after the repair: %v", when, err)
				} else {
					if d := n.Recovery().Damage; len(d) > 0 {
						t.Errorf("%s: damage after the repair: %v", when, d)
					}
					now := -fileTopics * per
					for k := range fileTopics {
						for r, err := range n.Range(t.Context(), fileTopic(k), pipeproc.RangeOptions{}) {
							if err != nil || !bytes.Equal(r.Body, fileBody(fileTopic(k), r.ID.Seq)) {
								t.Fatalf("%s: WRONG after the repair: %v, %v", when, r.ID, err)
							}
							now++
						}
					}
					if -now > missing {
						t.Errorf("%s: the repair lost %d records, of which %d could be read", when, -now, -now-missing)
					}
					if _, err := n.Commit(t.Context(), pipeproc.Record{Topic: fileTopic(0), Body: []byte("more")}); err != nil {
						t.Errorf("%s: commit after the repair: %v", when, err)
					}
					if err := n.Close(); err != nil {
						t.Errorf("%s: close after the repair: %v", when, err)
					}
					repaired++
				}
			}
			os.RemoveAll(filepath.Dir(dir))
		}
	}
	fmt.Printf("faults 9, 10, 12, 13, 23: %d files hurt in %d ways while stopped: %d damaged and said so, %d were refused, the others harmless; %d records lost with their files, 0 more; %d repaired; served wrong 0; seed %d; failed: %v\n",
		tried, len(hurts), found, refused, lost, repaired, *seed, t.Failed())
}

// TestF18RunningFiles: the same under a running node, which goes on: it reads what
// is right or reports what is not, and no fault in a mapping ends it (18, 19). What
// it acknowledges afterwards is there when it is opened again, or damage is
// reported.
func TestF18RunningFiles(t *testing.T) {
	const per = 1200
	rnd := rand.New(rand.NewPCG(*seed, 18))
	tried, said, refused, after := 0, 0, 0, 0
	for j, h := range hurts {
		for _, kind := range []string{"segments/*", "wal/*", "snapshot-*", "STORE"} {
			if kind == "STORE" && j%2 == 0 && !*full {
				continue
			}
			dir := filepath.Join(scratch(t), "data")
			n := fileStore(t, dir, per)
			fileAdd(t, n, per, per+40)
			_, _ = look(t, "before", n, per+40) // maps and opens files
			paths := glob(dir, kind)
			p := paths[rnd.IntN(len(paths))]
			others := glob(dir, "segments/*")
			if len(paths) > 1 {
				others = slices.DeleteFunc(slices.Clone(paths), func(o string) bool { return o == p })
			}
			rel, _ := filepath.Rel(dir, p)
			when := fmt.Sprintf("%s of %s under a running node", h.name, rel)
			if err := h.do(rnd, p, others[rnd.IntN(len(others))]); err != nil {
				t.Fatal(when, err)
			}
			tried++
			_, errs := look(t, when, n, per+40)
			if len(errs) > 0 {
				said++
			}
			// More work: it is taken, or refused with a reason.
			acked := 0
			for i := range 30 {
				_, err := n.Commit(t.Context(), pipeproc.Record{Topic: "mine", Body: fmt.Append(nil, i)})
				if err != nil {
					clear(t, when+": commit", err)
					refused++
					break
				}
				acked++
			}
			if err := n.Checkpoint(t.Context()); err != nil {
				clear(t, when+": checkpoint", err)
			}
			look(t, when+", after a checkpoint", n, per+40)
			if err := n.Close(); err != nil {
				clear(t, when+": close", err)
			}
			n, err := pipeproc.Open(dir, fileOptions())
			if err != nil {
				clear(t, when+": open", err)
				os.RemoveAll(filepath.Dir(dir))
				continue
			}
			look(t, when+", opened again", n, per+40)
			got, mine := 0, 0
			for r, err := range n.Range(t.Context(), "mine", pipeproc.RangeOptions{}) {
				if err != nil {
					mine++
				} else if string(r.Body) != fmt.Sprint(r.ID.Seq) {
					t.Errorf("%s: WRONG: %v %q", when, r.ID, r.Body)
				} else {
					got++
				}
			}
			if got < acked && mine == 0 && len(n.Recovery().Damage) == 0 {
				t.Errorf("%s: SILENT: %d of %d records acknowledged afterwards are there", when, got, acked)
			}
			after += acked
			_ = n.Close()
			os.RemoveAll(filepath.Dir(dir))
		}
	}
	fmt.Printf("faults 13, 18: %d files hurt under a running node: %d said so when read, %d refused commits, %d commits acknowledged afterwards; no crash, served wrong 0, lost without a word 0; seed %d; failed: %v\n",
		tried, said, refused, after, *seed, t.Failed())
}
