package rules

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
	"testing"
)

// throughHook is what package hook lets through, and every use of it.
var throughHook = []string{
	"internal/hook: Batch",
	"internal/hook: Engine",
	"internal/hook: Pipelines",
	"hook.go: init: Batch =",
	"hook.go: init: Engine =",
	"hook.go: init: Pipelines =",
	"rpc/client_calls.go: AckCommitBatch: Batch",
	"rpc/client_calls.go: CommitBatch: Batch",
	"rpc/server.go: NewServer: Engine",
	"rpc/server_admin.go: answerSystemProcs: Pipelines",
	"rpc/server_calls.go: watch: Pipelines",
}

// TestHook: this list is all that package rpc reaches of the inside of a node and a
// batch, so that it does not grow unnoticed. Only the root sets it.
func TestHook(t *testing.T) {
	const hook = module + "/internal/hook"
	var got []string
	sources(t, func(rel string, fset *token.FileSet, f *ast.File) {
		if folder(rel) == "internal/hook" {
			for _, d := range f.Decls {
				got = append(got, names(d)...)
			}
			return
		}
		for _, d := range f.Decls {
			where, set := "", map[*ast.SelectorExpr]bool{}
			if fn, ok := d.(*ast.FuncDecl); ok {
				where = fn.Name.Name
			}
			ast.Inspect(d, func(n ast.Node) bool {
				if a, ok := n.(*ast.AssignStmt); ok {
					for _, l := range a.Lhs {
						if sel, ok := l.(*ast.SelectorExpr); ok {
							set[sel] = true
						}
					}
				}
				return true
			})
			uses(f, d, hook, func(sel *ast.SelectorExpr) {
				how := ""
				if set[sel] {
					how = " ="
				}
				got = append(got, fmt.Sprintf("%s: %s: %s%s", rel, where, sel.Sel.Name, how))
			})
		}
	})
	slices.Sort(got)
	want := slices.Sorted(slices.Values(throughHook))
	if !slices.Equal(got, want) {
		t.Errorf("package hook lets through\n%s\nand not\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// names returns what a declaration of package hook declares.
func names(d ast.Decl) (list []string) {
	if fn, ok := d.(*ast.FuncDecl); ok {
		return []string{"internal/hook: " + fn.Name.Name}
	}
	for _, s := range d.(*ast.GenDecl).Specs {
		switch s := s.(type) {
		case *ast.ValueSpec:
			for _, n := range s.Names {
				list = append(list, "internal/hook: "+n.Name)
			}
		case *ast.TypeSpec:
			list = append(list, "internal/hook: "+s.Name.Name)
		}
	}
	return list
}
