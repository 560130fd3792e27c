package behaviour_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// TestS10DirectoryStays opens a node by a relative name, then changes the working
// directory, or moves the data directory, with another store of the same name in the
// new place. The node keeps to the directory that it opened, and the other store is
// not touched.
func TestS10DirectoryStays(t *testing.T) {
	const all = 400
	put := func(t *testing.T, n *pipeproc.Node, who string, k int) {
		t.Helper()
		for range k {
			if _, err := n.Commit(t.Context(), pipeproc.Record{Topic: "t", Body: bytes.Repeat([]byte(who), 1000)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	look := func(t *testing.T, dir, who string) {
		t.Helper()
		n, err := pipeproc.Open(dir, &pipeproc.Options{MustExist: true})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		k := 0
		for r, err := range n.Range(t.Context(), "t", pipeproc.RangeOptions{}) {
			if err != nil {
				t.Fatal(err)
			}
			if string(r.Body[:1]) != who {
				t.Fatalf("record %d is of %q, not of %q", k, r.Body[:1], who)
			}
			k++
		}
		if k != all {
			t.Errorf("%d records, want %d", k, all)
		}
		if rep, err := n.Verify(t.Context(), nil); err != nil || len(rep.Damage) > 0 {
			t.Errorf("%v, %+v", err, rep)
		}
	}
	for name, mode := range map[string]pipeproc.SyncMode{"always": pipeproc.SyncAlways, "never": pipeproc.SyncNever} {
		o := &pipeproc.Options{WALSize: 64 << 10, Sync: mode, Topic: pipeproc.TopicOptions{SegmentSize: 128 << 10}, MaxOpenFiles: 1}
		for _, change := range []string{"chdir", "move"} {
			t.Run(fmt.Sprintf("%s %s", name, change), func(t *testing.T) {
				here, there := t.TempDir(), t.TempDir()
				t.Chdir(there)
				b, err := pipeproc.Open("data", o)
				if err != nil {
					t.Fatal(err)
				}
				put(t, b, "b", all)
				if err := b.Close(); err != nil {
					t.Fatal(err)
				}
				t.Chdir(here)
				a, err := pipeproc.Open("data", o)
				if err != nil {
					t.Fatal(err)
				}
				defer a.Close()
				put(t, a, "a", all/4)
				mine, other := filepath.Join(here, "data"), filepath.Join(there, "data")
				if change == "chdir" {
					t.Chdir(there)
				} else {
					mine = filepath.Join(here, "moved")
					if err := os.Rename("data", "moved"); err != nil {
						t.Fatal(err)
					}
					if err := os.Rename(other, "data"); err != nil {
						t.Fatal(err)
					}
					other = filepath.Join(here, "data")
				}
				put(t, a, "a", all-all/4)
				copied := filepath.Join(t.TempDir(), "copy")
				if _, err := a.Backup(t.Context(), copied); err != nil {
					t.Fatal(err)
				}
				if rep, err := a.Verify(t.Context(), nil); err != nil || len(rep.Damage) > 0 {
					t.Errorf("%v, %+v", err, rep)
				}
				if err := a.Close(); err != nil {
					t.Fatal(err)
				}
				t.Chdir(t.TempDir())
				look(t, mine, "a")
				look(t, copied, "a")
				look(t, other, "b")
			})
		}
	}
}
