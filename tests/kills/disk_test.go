package kills

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// diskStore is a store on the real file system, to be copied.
type diskStore struct {
	dir   string
	truth *truth
}

// closedStore makes a store with a bit of everything and closes it.
func closedStore(t *testing.T) *diskStore {
	t.Helper()
	d := &diskStore{dir: filepath.Join(t.TempDir(), "data")}
	n, err := pipeproc.Open(d.dir, flipOptions(nil))
	if err != nil {
		t.Fatal(err)
	}
	if d.truth, err = fillStore(n, rand.New(rand.NewPCG(*seed, 3))); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	return d
}

// openStore makes a store and copies it while it is open, as a kill leaves it:
// some of its records are in the write-ahead log only.
func openStore(t *testing.T) *diskStore {
	t.Helper()
	from := filepath.Join(t.TempDir(), "from")
	n, err := pipeproc.Open(from, flipOptions(nil))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	tr, err := fillStore(n, rand.New(rand.NewPCG(*seed, 4)))
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Checkpoint(context.Background()); err != nil { // nothing else runs now
		t.Fatal(err)
	}
	for range 5 {
		if err := tr.commit(n, pipeproc.Record{Topic: "few", Body: []byte("late")}, pipeproc.Record{Topic: "plain", Body: []byte("late, too")}); err != nil {
			t.Fatal(err)
		}
	}
	d := &diskStore{dir: filepath.Join(t.TempDir(), "data"), truth: tr}
	copyTree(t, d.dir, from)
	return d
}

// copy returns a fresh copy of the store.
func (d *diskStore) copy(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "copy")
	copyTree(t, dir, d.dir)
	return dir
}

func copyTree(t *testing.T, to, from string) {
	t.Helper()
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
}

// files lists the files of a store, by their path within it.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, path)
			names = append(names, rel)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil // an open store may remove files meanwhile
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// snapshotOf describes everything below dir: the bytes of files, the targets of
// links, the names of the rest.
func snapshotOf(t *testing.T, dir string) image {
	t.Helper()
	im := image{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		switch {
		case e.Type().IsRegular():
			im[rel], err = os.ReadFile(path)
		case e.Type()&fs.ModeSymlink != 0:
			to, lerr := os.Readlink(path)
			im[rel], err = []byte("link to "+to), lerr
		default:
			im[rel] = []byte(e.Type().String())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return im
}

// same compares two descriptions. The LOCK file may change, and so may what
// except names.
func same(t *testing.T, when string, before, after image, except ...string) {
	t.Helper()
	for name, b := range before {
		if name == "LOCK" || contains(except, name) {
			continue
		}
		if a, ok := after[name]; !ok {
			t.Errorf("%s: %s is gone", when, name)
		} else if !bytes.Equal(a, b) {
			t.Errorf("%s: %s has changed", when, name)
		}
	}
	for name := range after {
		if _, ok := before[name]; !ok && name != "LOCK" && !contains(except, name) {
			t.Errorf("%s: %s has appeared", when, name)
		}
	}
}

func contains(list []string, name string) bool {
	for _, prefix := range list {
		if name == prefix || strings.HasSuffix(prefix, "/") && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// mustRead reads the whole store and wants all of it.
func (d *diskStore) mustRead(t *testing.T, when string, n *pipeproc.Node) {
	t.Helper()
	r := d.truth.read(n, true)
	if r.wrong != nil || r.missing > 0 || len(r.errs) > 0 || len(n.Recovery().Damage) > 0 {
		t.Errorf("%s: %d records missing, wrong: %v, errors: %v, damage: %v", when, r.missing, r.wrong, r.errs, n.Recovery().Damage)
	}
}

// wantError checks that err is an error in one line, and that it holds texts.
func wantError(t *testing.T, when string, err error, texts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("%s: no error", when)
		return
	}
	if one := oneLine(err); one != nil {
		t.Errorf("%s: %v", when, one)
	}
	for _, text := range texts {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error does not say %q: %v", when, text, err)
		}
	}
}
