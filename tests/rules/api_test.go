package rules

import (
	"go/ast"
	"go/importer"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// load returns a package of the module with its types, as the compiler sees it.
func load(t *testing.T, pkg string) *types.Package {
	t.Helper()
	cmd := exec.Command("go", "list", "-export", "-deps", "-f", "{{if .Export}}{{.ImportPath}}={{.Export}}{{end}}", pkg)
	cmd.Dir = process.Root(t)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	files := map[string]string{}
	for _, line := range strings.Fields(string(out)) {
		path, file, _ := strings.Cut(line, "=")
		files[path] = file
	}
	p, err := importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(files[path])
	}).Import(pkg)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// hidden are packages whose types the root's API does not name: they may change, and
// the version of the module does not say so.
var hidden = []string{"engine", "gcprune", "index", "once", "topics", "wal", "worker/pipeline", "internal"}

// shown are the types of hidden packages that have a name in the root: errors, which
// have to be one type everywhere, for errors.As.
var shown = []string{"internal/errs.CorruptError", "topics.ConflictError", "topics.PrunedError"}

// TestNoHiddenTypes: no exported function, method, type, field or variable of the
// root names a type of package engine, or of the other hidden packages.
func TestNoHiddenTypes(t *testing.T) {
	found := map[string]bool{}
	walkAPI(load(t, module), func(where string, named *types.TypeName) {
		if named.Pkg() == nil {
			return
		}
		rel, ok := inModule(named.Pkg().Path())
		if !ok || !slices.ContainsFunc(hidden, func(h string) bool { return rel == h || strings.HasPrefix(rel, h+"/") }) {
			return
		}
		what := rel + "." + named.Name()
		if !slices.Contains(shown, what) {
			t.Errorf("%s names %s", where, what)
		}
		if where == named.Name() { // its alias
			found[what] = true
		}
	})
	if got := slices.Sorted(maps.Keys(found)); !slices.Equal(got, shown) {
		t.Errorf("%q have an alias in the root, not %q", got, shown)
	}
}

// TestWalkAPI: what TestNoHiddenTypes rests on finds types wherever they are named.
func TestWalkAPI(t *testing.T) {
	found := map[string]bool{}
	walkAPI(load(t, module), func(where string, named *types.TypeName) {
		if named.Pkg() != nil {
			found[where+" "+named.Pkg().Name()+"."+named.Name()] = true
		}
	})
	for _, want := range []string{
		"Open pipeproc.Options",                       // a parameter
		"Open pipeproc.Node",                          // a result
		"Options.Logger slog.Logger",                  // a field
		"Options.OnEvent pipeproc.Event",              // a parameter of a field
		"Options.Programs worker.Runner",              // an interface
		"Options.Processors worker.Processor",         // through an alias, in a map
		"Node.Range record.Record",                    // through an alias, as an argument of a type
		"Store.Range record.Record",                   // of an interface that is embedded
		"Bound record.Bound",                          // an alias
		"Bound.Kind record.BoundKind",                 // what an alias shows
		"Work.EmitRecord record.Record",               // a method that an alias shows
		"StrategyDisable procstate.Strategy",          // a constant
		"RepairOptions.Confirm pipeproc.VerifyReport", // a function
	} {
		if !found[want] {
			t.Errorf("not found: %s", want)
		}
	}
}

// walkAPI calls fn for every type that is named in what a package exports. Types
// of other packages that have an alias are looked at as the package's own.
func walkAPI(p *types.Package, fn func(where string, named *types.TypeName)) {
	for _, name := range p.Scope().Names() {
		obj := p.Scope().Lookup(name)
		if !obj.Exported() {
			continue
		}
		tn, ok := obj.(*types.TypeName)
		if !ok {
			named(obj.Type(), func(n *types.TypeName) { fn(name, n) })
			continue
		}
		t := tn.Type()
		if tn.IsAlias() {
			named(types.Unalias(t), func(n *types.TypeName) { fn(name, n) })
			if a, ok := t.(*types.Alias); ok {
				named(a.Rhs(), func(n *types.TypeName) { fn(name, n) })
			}
		}
		switch u := types.Unalias(t).Underlying().(type) {
		case *types.Struct:
			for f := range u.Fields() {
				if f.Exported() {
					named(f.Type(), func(n *types.TypeName) { fn(name+"."+f.Name(), n) })
				}
			}
		case *types.Interface: // its methods come below
		default:
			named(u, func(n *types.TypeName) { fn(name, n) })
		}
		for m := range types.NewMethodSet(pointerTo(t)).Methods() {
			if m.Obj().Exported() {
				named(m.Type(), func(n *types.TypeName) { fn(name+"."+m.Obj().Name(), n) })
			}
		}
	}
}

// pointerTo returns the type with all methods of t.
func pointerTo(t types.Type) types.Type {
	if types.IsInterface(t) {
		return t
	}
	return types.NewPointer(t)
}

// named calls fn for every type with a name in t, aliases and what they stand for,
// but not for what those are made of.
func named(t types.Type, fn func(*types.TypeName)) {
	switch t := t.(type) {
	case *types.Alias:
		fn(t.Obj())
		for a := range t.TypeArgs().Types() {
			named(a, fn)
		}
		named(t.Rhs(), fn)
	case *types.Named:
		fn(t.Obj())
		for a := range t.TypeArgs().Types() {
			named(a, fn)
		}
	case *types.Pointer:
		named(t.Elem(), fn)
	case *types.Slice:
		named(t.Elem(), fn)
	case *types.Array:
		named(t.Elem(), fn)
	case *types.Chan:
		named(t.Elem(), fn)
	case *types.Map:
		named(t.Key(), fn)
		named(t.Elem(), fn)
	case *types.Signature:
		named(t.Params(), fn)
		named(t.Results(), fn)
	case *types.Tuple:
		for v := range t.Variables() {
			named(v.Type(), fn)
		}
	case *types.Struct:
		for f := range t.Fields() {
			named(f.Type(), fn)
		}
	case *types.Interface:
		for m := range t.Methods() {
			named(m.Type(), fn)
		}
	}
}

// TestAliases: a type of the root that is another package's is documented where
// users look: in two sentences at least, with the name of a field or a method.
func TestAliases(t *testing.T) {
	root, count := load(t, module), 0
	sources(t, func(rel string, fset *token.FileSet, f *ast.File) {
		if folder(rel) != "" {
			return
		}
		for _, d := range f.Decls {
			d, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, s := range d.Specs {
				s, ok := s.(*ast.TypeSpec)
				if !ok || !s.Assign.IsValid() || !s.Name.IsExported() {
					continue
				}
				count++
				doc := s.Doc.Text()
				if doc == "" && len(d.Specs) == 1 {
					doc = d.Doc.Text()
				}
				at := fset.Position(s.Pos())
				if n := len(sentence.FindAllString(doc, -1)); n < 2 {
					t.Errorf("%s: the comment of %s has %d sentences", at, s.Name.Name, n)
				}
				members := membersOf(root.Scope().Lookup(s.Name.Name).Type())
				if words := word.FindAllString(doc, -1); !slices.ContainsFunc(members, func(m string) bool { return slices.Contains(words, m) }) {
					t.Errorf("%s: the comment of %s names none of %q", at, s.Name.Name, members)
				}
			}
		}
	})
	if count == 0 {
		t.Error("the root has no aliases")
	}
}

var (
	sentence = regexp.MustCompile(`[^.!?]\.(\s|$)`)
	word     = regexp.MustCompile(`\w+`)
)

// membersOf returns what of a type can be named: its exported fields and methods,
// or for a function, which has none, the parts of its parameters.
func membersOf(t types.Type) (list []string) {
	if u, ok := t.Underlying().(*types.Struct); ok {
		for f := range u.Fields() {
			if f.Exported() {
				list = append(list, f.Name())
			}
		}
	}
	if u, ok := t.Underlying().(*types.Signature); ok {
		named(u, func(n *types.TypeName) { list = append(list, n.Name()) })
	}
	for m := range types.NewMethodSet(pointerTo(types.Unalias(t))).Methods() {
		if m.Obj().Exported() {
			list = append(list, m.Obj().Name())
		}
	}
	return list
}
