package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/tests/internal/process"
)

const module = "github.com/pipeproc/pipeproc"

// sources calls fn for each Go file of the module that is no test, parsed with its
// comments.
func sources(t *testing.T, fn func(rel string, fset *token.FileSet, f *ast.File)) {
	t.Helper()
	root := process.Root(t)
	fset := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if e.IsDir() && path != root {
			if strings.HasPrefix(e.Name(), ".") || e.Name() == "testdata" || e.Name() == "node_modules" {
				return filepath.SkipDir
			}
			if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil { // another module is no library
				return filepath.SkipDir
			}
		}
		if e.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		f, err := parser.ParseFile(fset, path, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		fn(filepath.ToSlash(rel), fset, f)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// folder is the package of a file, relative to the module: "" is the root.
func folder(file string) string {
	if i := strings.LastIndexByte(file, '/'); i >= 0 {
		return file[:i]
	}
	return ""
}

// inModule returns an import path relative to the module, "" for the root, and
// reports whether it is of the module.
func inModule(path string) (rel string, ok bool) {
	if path == module {
		return "", true
	}
	return strings.CutPrefix(path, module+"/")
}

func pathOf(i *ast.ImportSpec) string { return strings.Trim(i.Path.Value, `"`) }

// uses calls fn for every use of pkg.Name in n, a file or a part of it, by the
// package's import path.
func uses(f *ast.File, n ast.Node, pkg string, fn func(sel *ast.SelectorExpr)) {
	local := ""
	for _, i := range f.Imports {
		if pathOf(i) == pkg {
			local = pkg[strings.LastIndexByte(pkg, '/')+1:]
			if i.Name != nil {
				local = i.Name.Name
			}
		}
	}
	if local == "" {
		return
	}
	ast.Inspect(n, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == local {
				fn(sel)
			}
		}
		return true
	})
}
