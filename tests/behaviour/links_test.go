package behaviour_test

import (
	"bytes"
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// TestLinksAreRefused puts a symbolic link in place of each file and folder of a
// store. The link leads to an intact copy, which must be neither read nor written:
// the node does not open, or says what is damaged. The directory itself may be a
// link.
func TestLinksAreRefused(t *testing.T) {
	o := &pipeproc.Options{WALSize: 64 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}, MustExist: true}
	fill := func(t *testing.T, dir string) {
		t.Helper()
		n, err := pipeproc.Open(dir, &pipeproc.Options{WALSize: o.WALSize, Topic: o.Topic})
		if err != nil {
			t.Fatal(err)
		}
		for range 300 {
			if _, err := n.Commit(t.Context(), pipeproc.Record{Topic: "t", Body: bytes.Repeat([]byte("x"), 1000)}); err != nil {
				t.Fatal(err)
			}
		}
		if err := n.Close(); err != nil {
			t.Fatal(err)
		}
	}
	model := t.TempDir()
	fill(t, filepath.Join(model, "data"))
	var names []string
	err := filepath.WalkDir(model+"/data", func(path string, _ os.DirEntry, err error) error {
		if rel, _ := filepath.Rel(model+"/data", path); rel != "." {
			names = append(names, rel)
		}
		return err
	})
	if err != nil || len(names) < 8 {
		t.Fatal(names, err)
	}
	for _, name := range []string{"SUSPECT", "STORE.tmp", "quarantine"} { // not always there
		if err := os.WriteFile(filepath.Join(model, "data", name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if err := errors.Join(os.Remove(model+"/data/quarantine"), os.Mkdir(model+"/data/quarantine", 0o700)); err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		t.Run(strings.ReplaceAll(name, "/", " "), func(t *testing.T) {
			in := t.TempDir()
			dir, real := filepath.Join(in, "data"), filepath.Join(in, "real")
			if err := os.CopyFS(dir, os.DirFS(model+"/data")); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(filepath.Join(dir, name), real); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(real, filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
			before := look(t, real)
			inSegments := strings.HasPrefix(name, "segments/") // damages its topic only
			refused := func(how string, err error) {
				t.Helper()
				if !errors.Is(err, syscall.ELOOP) || !strings.Contains(err.Error(), name+" is a symbolic link") || !strings.Contains(err.Error(), "put the file") {
					t.Errorf("%s: %v", how, err)
				}
			}
			n, err := pipeproc.Open(dir, o)
			if err == nil {
				rep, verr := n.Verify(t.Context(), nil)
				if verr == nil && len(rep.Damage) == 0 && len(n.Recovery().Damage) == 0 {
					t.Error("opened without a word")
				}
				if d := n.Recovery().Damage; !inSegments || len(d) != 1 || !strings.Contains(d[0].Error(), "is a symbolic link") {
					t.Errorf("opened: %v", d)
				}
				_, _ = n.Commit(t.Context(), pipeproc.Record{Topic: "t", Body: []byte("new")})
				_ = n.Close()
			} else {
				refused("open", err)
			}
			if !inSegments {
				_, err = pipeproc.Open(dir, &pipeproc.Options{ReadOnly: true})
				refused("read-only", err)
				_, err = pipeproc.Verify(t.Context(), dir, nil)
				refused("verify", err)
				_, err = pipeproc.Repair(t.Context(), dir, nil)
				refused("repair", err)
				refused("restore", pipeproc.Restore(t.Context(), dir, filepath.Join(in, "restored")))
			} else if _, err := pipeproc.Repair(t.Context(), dir, nil); !errors.Is(err, syscall.ELOOP) {
				t.Errorf("repair: %v", err)
			}
			if after := look(t, real); after != before {
				t.Error("what the link leads to was changed")
			}
			if fi, err := os.Lstat(filepath.Join(dir, name)); err != nil || fi.Mode()&os.ModeSymlink == 0 {
				t.Error("the link is gone:", fi, err)
			}
		})
	}
	t.Run("the directory", func(t *testing.T) {
		in := t.TempDir()
		if err := os.Mkdir(in+"/real", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.Symlink("real", in+"/link"), os.Symlink(in, in+"/above")); err != nil {
			t.Fatal(err)
		}
		fill(t, in+"/above/link")
		if _, err := os.Stat(in + "/real/STORE"); err != nil {
			t.Error(err)
		}
	})
}

// look returns all that a file or folder holds.
func look(t *testing.T, path string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(path, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			b, rerr := os.ReadFile(path)
			all.WriteString(path)
			all.Write(b)
			err = rerr
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

// TestHardLinksAreRefused: files that are written in place must not have another name,
// as those of a copy made with cp -al have. Reading goes on; sealed segments, which
// never change, may have as many as backups give them.
func TestHardLinksAreRefused(t *testing.T) {
	ctx := t.Context()
	o := &pipeproc.Options{WALSize: 64 << 10, Topic: pipeproc.TopicOptions{SegmentSize: 64 << 10}}
	top := t.TempDir()
	dir := filepath.Join(top, "store")
	n, err := pipeproc.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if _, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Body: make([]byte, 1000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	var files []string
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.SortStableFunc(files, func(a, b string) int { // an opening renames files of the log
		return cmp.Compare(strings.Count(a, ".seg"), strings.Count(b, ".seg"))
	})
	other := filepath.Join(top, "other")
	refused := 0
	for _, file := range files {
		before, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Link(file, other); err != nil {
			t.Fatal(err)
		}
		n, err := pipeproc.Open(dir, o)
		sealed := strings.HasSuffix(file, "-00000001.seg")
		switch {
		case err == nil && !sealed:
			t.Errorf("%s: opened", file)
		case err != nil && (sealed || !errors.Is(err, syscall.EMLINK) || !strings.Contains(err.Error(), "copy it, do not hard-link it")):
			t.Errorf("%s: %v", file, err)
		}
		if err == nil {
			_ = n.Close()
		} else {
			refused++
		}
		if now, err := os.ReadFile(other); err != nil || !bytes.Equal(now, before) {
			t.Errorf("%s: its other name has changed: %v", file, err)
		}
		if r, err := pipeproc.Open(dir, &pipeproc.Options{ReadOnly: true}); err == nil {
			_ = r.Close()
		} else if filepath.Base(file) != "LOCK" {
			t.Errorf("%s: for reading: %v", file, err)
		}
		if err := os.Remove(other); err != nil {
			t.Fatal(err)
		}
	}
	if refused < 5 {
		t.Errorf("only %d files of %d were refused", refused, len(files))
	}
}

// TestDotDotBehindALink: "..", after a link, is the directory above what the link leads
// to, as for the system. A store is made there, and so is a backup.
func TestDotDotBehindALink(t *testing.T) {
	ctx := t.Context()
	top := t.TempDir()
	if err := errors.Join(os.MkdirAll(top+"/far/away", 0o700), os.Symlink(top+"/far/away", top+"/link")); err != nil {
		t.Fatal(err)
	}
	n, err := pipeproc.Open(top+"/link/../x/store", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if _, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte("x")}); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Backup(ctx, top+"/link/../y/backup"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"/far/x/store/STORE", "/far/y/backup/STORE"} {
		if _, err := os.Stat(top + name); err != nil {
			t.Error(err)
		}
	}
}
