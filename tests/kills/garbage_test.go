package kills

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/segment"
)

// spoil replaces a file with something else.
var spoil = map[string]func(t *testing.T, name string){
	"random bytes": func(t *testing.T, name string) {
		patch(t, name, func(b []byte) { copy(b, randomBytes(rand.New(rand.NewPCG(*seed, 5)), len(b))) })
	},
	"zeroes":      func(t *testing.T, name string) { patch(t, name, func(b []byte) { clear(b) }) },
	"a text":      func(t *testing.T, name string) { replace(t, name, "this is not one of your files\n") },
	"zero length": func(t *testing.T, name string) { truncate(t, name, 0) },
	"one byte":    func(t *testing.T, name string) { truncate(t, name, 1) },
	"one byte short": func(t *testing.T, name string) {
		if i, err := os.Stat(name); err == nil && i.Size() > 0 {
			truncate(t, name, i.Size()-1)
		}
	},
	"half": func(t *testing.T, name string) {
		if i, err := os.Stat(name); err == nil {
			truncate(t, name, i.Size()/2)
		}
	},
	"one byte long": func(t *testing.T, name string) {
		if i, err := os.Stat(name); err == nil {
			truncate(t, name, i.Size()+1)
		}
	},
	"nothing": func(t *testing.T, name string) { remove(t, name) },
	"a directory": func(t *testing.T, name string) {
		remove(t, name)
		if err := os.Mkdir(name, 0o700); err != nil {
			t.Fatal(err)
		}
		replace(t, filepath.Join(name, "inside"), "mine")
	},
	"a link to itself moved": func(t *testing.T, name string) {
		to := filepath.Join(t.TempDir(), "target")
		if err := errors.Join(os.Rename(name, to), os.Symlink(to, name)); err != nil {
			t.Fatal(err)
		}
	},
	"a dead link": func(t *testing.T, name string) {
		remove(t, name)
		if err := os.Symlink("nowhere", name); err != nil {
			t.Fatal(err)
		}
	},
}

func replace(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, name string, size int64) {
	t.Helper()
	if err := os.Truncate(name, size); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, name string) {
	t.Helper()
	if err := os.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}

// Replacing any file or folder with something else gives an error in one line or is
// reported as damage; what is read is right; the other files stay as they are;
// topics that the file has nothing to do with can be read.
func TestGarbage(t *testing.T) {
	var opened, refused atomic.Int64
	t.Cleanup(func() { t.Logf("%d cases opened for reading, %d refused", opened.Load(), refused.Load()) })
	for kind, d := range map[string]*diskStore{"closed": closedStore(t), "killed": openStore(t)} {
		names := append(files(t, d.dir), "wal", "segments")
		for _, name := range names {
			for what, fn := range spoil {
				t.Run(kind+"/"+strings.ReplaceAll(name, "/", ":")+"/"+what, func(t *testing.T) {
					t.Parallel() // most of the time is spent on syncs
					if fi, err := os.Stat(filepath.Join(d.dir, name)); err == nil && fi.IsDir() {
						switch what {
						case "nothing", "a link to itself moved", "a dead link", "a fifo":
						default:
							return // what only a file can be
						}
					}
					dir := d.copy(t)
					fn(t, filepath.Join(dir, name))
					g := &garbage{t: t, d: d, dir: dir, name: name}
					if g.readOnly() {
						opened.Add(1)
					} else {
						refused.Add(1)
					}
					g.writing()
				})
			}
		}
	}
}

type garbage struct {
	t    *testing.T
	d    *diskStore
	dir  string
	name string
}

// owner returns the topic that the file belongs to, if it is a segment.
func (g *garbage) owner() string {
	b, err := os.ReadFile(filepath.Join(g.d.dir, g.name))
	if err != nil || !strings.HasPrefix(g.name, "segments/") {
		return ""
	}
	m, err := segment.ParseMeta(b[:segment.FileHeaderSize])
	if err != nil {
		g.t.Fatal(err)
	}
	return m.Name
}

// read reads everything; what is missing must be reported.
func (g *garbage) read(when string, n *pipeproc.Node) int {
	g.t.Helper()
	r := g.d.truth.read(n, true)
	if r.wrong != nil {
		g.t.Errorf("%s: %v", when, r.wrong)
	}
	if r.missing > 0 && !r.said(n) {
		g.t.Errorf("%s: %d records are missing and nothing says so", when, r.missing)
	}
	for _, err := range append(r.errs, n.Recovery().Damage...) {
		wantError(g.t, when, err)
	}
	if owner := g.owner(); owner != "" {
		for topic, got := range r.got {
			for seq := int(g.d.truth.topics[topic].first); seq < len(got); seq++ {
				if topic != owner && !got[seq] {
					g.t.Errorf("%s: topic %q lost sequence %d to a file of topic %q", when, topic, seq, owner)
					break
				}
			}
		}
	}
	return r.missing
}

// readOnly opens for reading, which must change nothing at all.
func (g *garbage) readOnly() bool {
	before := snapshotOf(g.t, g.dir)
	n, err := pipeproc.Open(g.dir, &pipeproc.Options{ReadOnly: true})
	if err != nil {
		wantError(g.t, "open for reading", err)
	} else {
		g.read("open for reading", n)
		if err := n.Close(); err != nil {
			wantError(g.t, "close", err)
		}
	}
	same(g.t, "open for reading", before, snapshotOf(g.t, g.dir))
	return err == nil
}

// writing opens for writing, commits and opens again.
func (g *garbage) writing() {
	ctx := context.Background()
	before := snapshotOf(g.t, g.dir)
	missing, mine := -1, 0
	for round := range 2 {
		n, err := pipeproc.Open(g.dir, nil)
		if err != nil {
			wantError(g.t, "open for writing", err)
			if round > 0 {
				g.t.Errorf("the second open fails: %v", err)
			}
			// STORE may note the attempt.
			same(g.t, "refused open for writing ("+err.Error()+")", before, snapshotOf(g.t, g.dir), "STORE")
			g.putBack()
			return
		}
		m := g.read("open for writing", n)
		if missing >= 0 && m != missing {
			g.t.Errorf("the second open misses %d records, the first %d", m, missing)
		}
		missing = m
		if length, err := n.Length(ctx, "mine"); mine > 0 && (err != nil || length != uint64(mine)) {
			g.t.Errorf("%d own records, %d were committed: %v", length, mine, err)
		}
		if n.Err() == nil {
			if _, err := n.Commit(ctx, pipeproc.Record{Topic: "mine", Body: []byte("x")}); err != nil {
				g.t.Errorf("the node takes writes, but not this one: %v", err)
			} else {
				mine++
			}
		} else {
			wantError(g.t, "Err", n.Err())
		}
		if err := n.Close(); err != nil {
			// Something that cannot be overwritten lies where the next snapshot
			// goes: the records stay in the write-ahead log.
			wantError(g.t, "close", err, "the next open will replay")
			if !strings.HasPrefix(g.name, "snapshot-") {
				g.t.Errorf("close: %v", err)
			}
		}
	}
	// Segments are never changed by any of this, spoiled or not.
	after := snapshotOf(g.t, g.dir)
	for name, b := range before {
		if strings.HasPrefix(name, "segments/") && string(after[name]) != string(b) {
			g.t.Errorf("%s has changed or is gone", name)
		}
	}
}

// putBack puts the right file back, after which the whole store is there again.
func (g *garbage) putBack() {
	name, from := filepath.Join(g.dir, g.name), filepath.Join(g.d.dir, g.name)
	remove(g.t, name)
	if fi, err := os.Stat(from); err == nil && fi.IsDir() {
		copyTree(g.t, name, from)
	} else if b, err := os.ReadFile(from); err != nil {
		g.t.Fatal(err)
	} else {
		replace(g.t, name, string(b))
	}
	n, err := pipeproc.Open(g.dir, nil)
	if err != nil {
		g.t.Errorf("with the right file: %v", err)
		return
	}
	g.d.mustRead(g.t, "with the right file", n)
	if err := n.Close(); err != nil {
		g.t.Error(err)
	}
}
