package rules

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// goFile finds the Go files that a document names, also as patterns.
var goFile = regexp.MustCompile("`([\\w*/]+\\.go)`")

// DESIGN.md is the guide through the code: each Go file that it names is there.
func TestDesignNamesFilesThatExist(t *testing.T) {
	root := process.Root(t)
	var files []string
	err := filepath.WalkDir(root, func(name string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && strings.HasPrefix(e.Name(), ".") && name != root {
			return filepath.SkipDir
		}
		if rel, err := filepath.Rel(root, name); err == nil && strings.HasSuffix(name, ".go") {
			files = append(files, filepath.ToSlash(rel))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(root, "DESIGN.md"))
	if err != nil {
		t.Fatal(err)
	}
	named := goFile.FindAllStringSubmatch(string(text), -1)
	if len(named) < 50 {
		t.Errorf("only %d files are named; is the pattern right?", len(named))
	}
	for _, m := range named {
		found := false
		for _, f := range files {
			if !strings.Contains(m[1], "/") {
				f = path.Base(f)
			}
			if ok, err := path.Match(m[1], f); err != nil {
				t.Fatal(err)
			} else if ok {
				found = true
				break
			}
		}
		if !found {
			t.Errorf("DESIGN.md names %s, and there is no such file", m[1])
		}
	}
}
