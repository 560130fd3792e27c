package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/pipeproc/pipeproc"

// allowed are the packages that a program gets with the root package, besides
// the standard library.
var allowed = []string{
	module, "github.com/edsrzf/mmap-go", "github.com/klauspost/compress", "github.com/cespare/xxhash/v2",
	"github.com/google/btree", "golang.org/x/sys",
}

func TestImportGraph(t *testing.T) {
	for _, pkg := range []string{module, module + "/engine", module + "/topics", module + "/segment", module + "/wal", module + "/index", module + "/vfs",
		module + "/record", module + "/procstate", module + "/gcprune", module + "/once", module + "/worker", module + "/worker/program", module + "/rpc"} {
		cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", pkg)
		cmd.Stderr = os.Stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, dep := range strings.Fields(string(out)) {
			if !slices.ContainsFunc(allowed, func(a string) bool { return dep == a || strings.HasPrefix(dep, a+"/") }) {
				t.Errorf("%s needs %s", pkg, dep)
			}
			if strings.HasPrefix(dep, module+"/cmd") {
				t.Errorf("%s needs the command %s", pkg, dep)
			}
		}
	}
}

// layers lists what a layer must not import: those above it.
var layers = map[string][]string{
	"vfs":       {"", "worker", "rpc", "engine", "topics", "procstate", "gcprune", "once", "index", "segment", "wal", "record"},
	"wal":       {"", "worker", "rpc", "engine", "topics", "procstate", "gcprune", "once", "index", "segment", "record"},
	"segment":   {"", "worker", "rpc", "engine", "topics", "procstate", "gcprune", "once", "index", "wal", "record"},
	"index":     {"", "worker", "rpc", "engine", "topics", "procstate", "gcprune", "once", "segment", "wal", "vfs", "record"},
	"record":    {"", "worker", "rpc", "engine", "topics", "procstate", "gcprune", "once", "index", "segment", "wal", "vfs"},
	"topics":    {"", "worker", "rpc", "engine", "procstate", "gcprune", "once", "wal"},
	"procstate": {"", "worker", "rpc", "engine", "topics", "gcprune", "once", "index", "segment", "wal", "vfs"},
	"gcprune":   {"", "worker", "rpc", "engine", "topics", "procstate", "once", "index", "segment", "wal", "vfs"},
	"once":      {"", "worker", "rpc", "engine", "topics", "procstate", "gcprune", "record", "index", "segment", "wal", "vfs"},
	"engine":    {"", "worker", "rpc"},
	"worker":    {"", "engine", "rpc", "wal", "vfs"},
	"rpc":       {"", "worker", "engine", "topics", "procstate", "gcprune", "once", "record", "index", "segment", "wal", "vfs"},
}

// sources are the non-test Go files of the library, parsed.
func sources(t *testing.T, fn func(rel string, fset *token.FileSet, f *ast.File)) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && (strings.HasPrefix(e.Name(), ".") && path != root || e.Name() == "testdata") {
			return filepath.SkipDir
		}
		if e.IsDir() && path != root { // another module is no library
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
				return filepath.SkipDir
			}
		}
		if e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, 0)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		fn(filepath.ToSlash(rel), fset, f)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestLayers(t *testing.T) {
	sources(t, func(rel string, _ *token.FileSet, f *ast.File) {
		dir, _, _ := strings.Cut(rel, "/")
		for _, i := range f.Imports {
			path := strings.Trim(i.Path.Value, `"`)
			for _, above := range layers[dir] {
				if path == strings.TrimSuffix(module+"/"+above, "/") {
					t.Errorf("%s imports %s, which is above it", rel, path)
				}
			}
		}
	})
}

// uses calls fn for every use of pkg.Name in f, by the package's import path.
func uses(f *ast.File, pkg string, fn func(sel *ast.SelectorExpr)) {
	local := ""
	for _, i := range f.Imports {
		if strings.Trim(i.Path.Value, `"`) == pkg {
			local = pkg[strings.LastIndexByte(pkg, '/')+1:]
			if i.Name != nil {
				local = i.Name.Name
			}
		}
	}
	if local == "" {
		return
	}
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == local {
				fn(sel)
			}
		}
		return true
	})
}

// socketFile looks after the files that unix sockets are, and reads certificates.
const socketFile = "rpc/socketfile.go"

// whole are the files that are a whole process: one that Main runs.
var whole = []string{"self.go", "spawnnode.go"}

// mutants is part of no normal build: it reads from the environment which rules a
// test build removes.
const mutants = "internal/mutate/rules_mutate.go"

// Files are touched through vfs only, and the clock is read in one place, so
// that tests can stand in for both. Libraries print nothing.
func TestNoBackDoors(t *testing.T) {
	fileIO := []string{"Open", "OpenFile", "Create", "CreateTemp", "ReadFile", "WriteFile", "ReadDir", "Remove", "RemoveAll",
		"Rename", "Link", "Symlink", "Mkdir", "MkdirAll", "MkdirTemp", "Stat", "Lstat", "Truncate", "Chmod", "OpenRoot", "DirFS", "CopyFS"}
	std := []string{"Stdout", "Stderr", "Stdin", "Exit", "Getenv"}
	clock := []string{"Now", "Since", "Until"}
	sources(t, func(rel string, fset *token.FileSet, f *ast.File) {
		if strings.HasPrefix(rel, "cmd/") || strings.HasPrefix(rel, "examples/") || strings.HasPrefix(rel, "conformance/") { // programs and tests
			return
		}
		at := func(sel *ast.SelectorExpr) string { return fset.Position(sel.Pos()).String() }
		uses(f, "os", func(sel *ast.SelectorExpr) {
			if !strings.HasPrefix(rel, "vfs/") && rel != socketFile && slices.Contains(fileIO, sel.Sel.Name) {
				t.Errorf("%s: os.%s outside of vfs", at(sel), sel.Sel.Name)
			}
			if slices.Contains(std, sel.Sel.Name) && !slices.Contains(whole, rel) && rel != mutants {
				t.Errorf("%s: os.%s in a library", at(sel), sel.Sel.Name)
			}
		})
		uses(f, "time", func(sel *ast.SelectorExpr) {
			if rel != "options.go" && rel != "clock.go" && slices.Contains(clock, sel.Sel.Name) {
				t.Errorf("%s: time.%s in place of the Clock option", at(sel), sel.Sel.Name)
			}
		})
		uses(f, "fmt", func(sel *ast.SelectorExpr) {
			if strings.HasPrefix(sel.Sel.Name, "Print") {
				t.Errorf("%s: fmt.%s in a library", at(sel), sel.Sel.Name)
			}
		})
		for _, i := range f.Imports {
			if path := strings.Trim(i.Path.Value, `"`); path == "log" || path == "io/ioutil" || path == "math/rand" {
				t.Errorf("%s imports %s", rel, path)
			}
		}
	})
}
