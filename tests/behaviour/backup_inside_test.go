package behaviour_test

import (
	"errors"
	"io/fs"
	"os"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// TestBackupIntoItself: a backup that is in the store would be lost with it, by whatever
// path it is named.
func TestBackupIntoItself(t *testing.T) {
	ctx := t.Context()
	top := t.TempDir()
	dir := top + "/store"
	oneRecord(t, dir)
	if err := errors.Join(os.Symlink(dir+"/segments", top+"/link"), os.Mkdir(top+"/storeroom", 0o700)); err != nil {
		t.Fatal(err)
	}
	n, err := pipeproc.Open(dir, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	t.Chdir(dir)
	inside := []string{dir, dir + "/bak", dir + "/a/b//c/", dir + "/segments/bak", dir + "/quarantine", top + "/link/bak",
		top + "/link/../bak", top + "/missing/../store/bak", "bak", ".", "./a/b", "segments/../bak"}
	for _, dest := range inside {
		if _, err := n.Backup(ctx, dest); !errors.Is(err, pipeproc.ErrInvalidOptions) {
			t.Errorf("%s: %v", dest, err)
		}
	}
	for _, name := range []string{"/bak", "/a", "/segments/bak", "/quarantine"} {
		if _, err := os.Stat(dir + name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s was made: %v", name, err)
		}
	}
	for _, dest := range []string{top + "/bak", top + "/storeroom/a/b", "../other", top + "/link/../../third"} {
		if _, err := n.Backup(ctx, dest); err != nil {
			t.Errorf("%s: %v", dest, err)
		}
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if err := pipeproc.Restore(ctx, dir, dir+"/restored"); !errors.Is(err, pipeproc.ErrInvalidOptions) {
		t.Error("restore:", err)
	}
}
