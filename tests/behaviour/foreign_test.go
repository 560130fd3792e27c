package behaviour_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc"
)

// plant makes a folder with files, each with a few bytes in it; a name with a slash at
// the end is a folder.
func plant(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range append([]string{"/"}, names...) {
		path := filepath.Join(dir, name)
		if strings.HasSuffix(name, "/") {
			must(t, os.MkdirAll(path, 0o700))
			continue
		}
		must(t, os.MkdirAll(filepath.Dir(path), 0o700))
		must(t, os.WriteFile(path, []byte("mine"), 0o600))
	}
}

// namesIn lists all files and folders below dir.
func namesIn(t *testing.T, dir string) (names []string) {
	t.Helper()
	must(t, filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		names = append(names, strings.TrimPrefix(path, dir))
		return err
	}))
	return names
}

// TestS28Foreign: a folder that is something else is refused, with a word for that, and is
// not touched.
func TestS28Foreign(t *testing.T) {
	for what, c := range map[string]struct {
		names []string
		says  []string
	}{
		"unrelated files":         {[]string{"b.txt", "a.txt", "d/", "c.txt", ".hidden"}, []string{"a.txt, b.txt, c.txt and 1 more"}},
		"one file":                {[]string{"notes"}, []string{"notes"}},
		"a folder":                {[]string{"src/main.go"}, []string{"src"}},
		"a wal of something else": {[]string{"wal/00000001", "wal/checkpoint.000001/"}, []string{"wal/00000001"}},
		"a log without a number":  {[]string{"wal/wal-1.log"}, []string{"wal/wal-1.log"}},
		"segments of another":     {[]string{"segments/0001.seg", "segments/index"}, []string{"segments/0001.seg"}},
		"another STORE":           {[]string{"STORE", "other"}, []string{"other"}},
		"a file called wal":       {[]string{"wal"}, []string{"wal"}},
		"the original": {[]string{"000003.log", "CURRENT", "LOCK", "LOG", "MANIFEST-000002", "000005.ldb"},
			[]string{"LevelDB", "original PipeProc", "000003.log, 000005.ldb, CURRENT and 2 more"}},
	} {
		t.Run(what, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			plant(t, dir, c.names...)
			before, names := look(t, dir), namesIn(t, dir)
			check := func(how string, err error, missing bool) {
				t.Helper()
				if !errors.Is(err, pipeproc.ErrNotStore) || pipeproc.Code(err) != "not_a_store" || errors.Is(err, pipeproc.ErrCorrupt) {
					t.Fatalf("%s: %v", how, err)
				}
				for _, s := range append(c.says, dir) {
					if !strings.Contains(err.Error(), s) {
						t.Errorf("%s: it does not say %q: %v", how, s, err)
					}
				}
				if strings.Contains(err.Error(), "repair") || errors.Is(err, fs.ErrNotExist) != missing {
					t.Errorf("%s: %v", how, err)
				}
			}
			_, err := pipeproc.Open(dir, nil)
			check("open", err, false)
			_, err = pipeproc.Open(dir, &pipeproc.Options{ReadOnly: true})
			check("read-only", err, true)
			_, err = pipeproc.Open(dir, &pipeproc.Options{MustExist: true})
			check("must exist", err, true)
			_, err = pipeproc.Verify(bg, dir, nil)
			check("verify", err, true)
			_, err = pipeproc.Repair(bg, dir, nil)
			check("repair", err, true)
			if after := namesIn(t, dir); look(t, dir) != before || !slices.Equal(after, names) {
				t.Errorf("it was changed: %q", after)
			}
		})
	}
}

// TestS28NotForeign: what systems and tools leave in an empty directory, and what a first
// opening that was killed leaves, is no reason to refuse it. Nor are files of others in a
// store.
func TestS28NotForeign(t *testing.T) {
	for _, names := range [][]string{
		{},
		{"lost+found/"},
		{".gitkeep", ".DS_Store", ".snapshot/x"},
		{"System Volume Information/x", "$RECYCLE.BIN/"},
		{"LOCK"},
		{"LOCK", "wal/", "segments/"},
		{"LOCK", "wal/.nfs01", "segments/", "STORE.tmp"},
		{"SUSPECT", "quarantine/torn-1"},
	} {
		t.Run(fmt.Sprint(names), func(t *testing.T) {
			dir := t.TempDir()
			plant(t, dir, names...)
			for _, more := range []string{"", "README", "backup.tar"} {
				if more != "" {
					plant(t, dir, more, "wal/x", "segments/x")
				}
				n, err := pipeproc.Open(dir, nil)
				must(t, err)
				_, err = n.Commit(bg, pipeproc.Record{Topic: "a"})
				must(t, err)
				must(t, n.Close())
			}
			must(t, os.Remove(dir+"/STORE")) // with other files, it is still a store
			_, err := pipeproc.Open(dir, nil)
			if !errors.Is(err, pipeproc.ErrCorrupt) || !strings.Contains(err.Error(), "repair") {
				t.Errorf("without STORE: %v", err)
			}
			rep, err := pipeproc.Repair(bg, dir, nil)
			must(t, err)
			if !rep.Changed {
				t.Error("not repaired")
			}
			n, err := pipeproc.Open(dir, &pipeproc.Options{MustExist: true})
			must(t, err)
			must(t, n.Close())
		})
	}
}
