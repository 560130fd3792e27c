package behaviour_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/vfs"
)

// oneRecord makes a store with a record and closes it.
func oneRecord(t *testing.T, dir string) {
	t.Helper()
	n, err := pipeproc.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Commit(t.Context(), pipeproc.Record{Topic: "t", Body: make([]byte, 100_000)}); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOddKinds puts a directory in place of each file of a store, and a file in place of
// each folder. What the error says to do helps, and nothing is lost that was not moved
// away.
func TestOddKinds(t *testing.T) {
	ctx := t.Context()
	for _, what := range []string{"STORE", "LOCK", "snapshot-1", "wal", "segments", "wal/wal-*", "segments/*"} {
		dir := filepath.Join(t.TempDir(), "store")
		oneRecord(t, dir)
		found, err := filepath.Glob(filepath.Join(dir, what))
		if err != nil || len(found) != 1 {
			t.Fatal(what, found, err)
		}
		name := found[0]
		if err := os.Rename(name, dir+"-aside"); err != nil {
			t.Fatal(err)
		}
		folder := what == "wal" || what == "segments"
		if folder {
			err = os.WriteFile(name, nil, 0o600)
		} else {
			err = os.Mkdir(name, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
		n, err := pipeproc.Open(dir, nil)
		if err == nil {
			d := n.Recovery().Damage
			if len(d) != 1 {
				t.Errorf("%s: %v", what, d)
			} else {
				err = d[0]
			}
			_ = n.Close()
		}
		want := "it is not a regular file"
		if folder {
			want = "it is not a directory"
		}
		if !strings.HasPrefix(what, "segments/") { // which a repair moves away
			want += "; move it away"
		}
		if !errors.Is(err, pipeproc.ErrCorrupt) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := pipeproc.Repair(ctx, dir, nil); !strings.HasPrefix(what, "segments/") && (err == nil || !strings.Contains(err.Error(), want)) && what != "wal/wal-*" {
			t.Errorf("repair with %s: %v", what, err)
		}
		if strings.HasPrefix(what, "segments/") {
			continue
		}
		// It is moved away, and what was there comes back.
		if err := errors.Join(os.Remove(name), os.Rename(dir+"-aside", name)); err != nil {
			t.Fatal(err)
		}
		if rep, err := pipeproc.Verify(ctx, dir, nil); err != nil || len(rep.Damage) > 0 || rep.Records != 1 {
			t.Errorf("%s: afterwards: %+v, %v", what, rep, err)
		}
	}
}

// TestOddDirectories: what stands in place of the data directory is named.
func TestOddDirectories(t *testing.T) {
	top := t.TempDir()
	if err := errors.Join(os.WriteFile(top+"/file", nil, 0o600), os.Symlink("nowhere", top+"/link")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, want string
		readOnly   bool
	}{
		{"link", "link is a symbolic link that does not lead to a directory", false},
		{"link", "link is a symbolic link that does not lead to a directory", true},
		{"link/store", "link is a symbolic link that does not lead to a directory", false},
		{"file", "not a directory", false},
		{"file", "not a directory", true},
	} {
		_, err := pipeproc.Open(top+"/"+c.name, &pipeproc.Options{ReadOnly: c.readOnly})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s, read-only %v: %v", c.name, c.readOnly, err)
		}
	}
	// A file system that cannot be written.
	m := vfs.NewMem()
	n, err := pipeproc.Open("s", &pipeproc.Options{FS: m})
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = pipeproc.Open("s", &pipeproc.Options{FS: vfs.NewFault(m, vfs.FailKind(vfs.OpWriteAt, "/STORE", syscall.EROFS))})
	if !errors.Is(err, syscall.EROFS) || !strings.Contains(err.Error(), "ReadOnly") {
		t.Error(err)
	}
}

// TestRepairCutOffOpens: a repair that keeps a growing segment and is then cut off has
// given it no other name, with which the store would not open for writing.
func TestRepairCutOffOpens(t *testing.T) {
	ctx := t.Context()
	m := vfs.NewMem()
	n, err := pipeproc.Open("s", &pipeproc.Options{FS: m})
	if err != nil {
		t.Fatal(err)
	}
	for range 40 {
		if _, err := n.Commit(ctx, pipeproc.Record{Topic: "t", Body: make([]byte, 3000)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	name := "s/segments/" + files(t, m, "s/segments", ".seg")[0].Name
	flip(t, m, name, 5000)
	none := vfs.NewFault(m, vfs.FailKind(vfs.OpWriteAt, "s/STORE", syscall.EIO))
	if rep, err := pipeproc.Repair(ctx, "s", &pipeproc.RepairOptions{FS: none}); err == nil {
		t.Fatalf("%+v", rep)
	}
	if kept := files(t, m, "s/quarantine/repair-1", ".seg"); len(kept) != 1 {
		t.Fatal(kept)
	}
	if n, err = pipeproc.Open("s", &pipeproc.Options{FS: m}); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
}
