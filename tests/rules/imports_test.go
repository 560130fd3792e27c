package rules

import (
	"go/ast"
	"go/token"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// allowed are the modules that a program gets with packages of the library.
var allowed = []string{
	module, "github.com/edsrzf/mmap-go", "github.com/klauspost/compress", "github.com/cespare/xxhash/v2",
	"github.com/google/btree", "golang.org/x/sys",
}

// deps returns what a program that imports a package links, for each of some
// packages.
func deps(t *testing.T, pkgs ...string) map[string][]string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"list", "-f", `{{.ImportPath}} {{join .Deps " "}}`}, pkgs...)...)
	cmd.Dir = process.Root(t)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, stderr.String())
	}
	list := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		list[f[0]] = f[1:]
	}
	if len(list) != len(pkgs) {
		t.Fatalf("go list says something of %d packages, of %d that it was asked for", len(list), len(pkgs))
	}
	return list
}

// TestImportGraph: packages of the library need nothing that their users do not
// expect, and no program of the repository.
func TestImportGraph(t *testing.T) {
	var libraries []string
	for dir, may := range floors {
		if may != nil {
			libraries = append(libraries, strings.TrimSuffix(module+"/"+dir, "/"))
		}
	}
	for pkg, list := range deps(t, libraries...) {
		for _, dep := range list {
			if first, _, _ := strings.Cut(dep, "/"); !strings.Contains(first, ".") { // the standard library
				continue
			}
			if !slices.ContainsFunc(allowed, func(a string) bool { return dep == a || strings.HasPrefix(dep, a+"/") }) {
				t.Errorf("%s needs %s", pkg, dep)
			}
			if rel, ok := inModule(dep); ok && floors[floorOf(rel)] == nil {
				t.Errorf("%s needs %s, which is no library", pkg, dep)
			}
		}
	}
}

// TestEmbeddedLinks: a program that only embeds a store links no sockets, no TLS and
// nothing that starts programs.
func TestEmbeddedLinks(t *testing.T) {
	list := deps(t, module)[module]
	for _, dep := range list {
		for _, no := range []string{"net", "crypto/tls", "os/exec", module + "/rpc", module + "/worker/program"} {
			if dep == no || strings.HasPrefix(dep, no+"/") {
				t.Errorf("the root package links %s", dep)
			}
		}
	}
	if !slices.Contains(list, module+"/engine") || !slices.Contains(list, "os") {
		t.Errorf("these are not the packages of a store: %v", list)
	}
}

// anything lets a floor import every package of the module. Nobody imports such a
// floor.
var anything []string

// floors says which floors of the module each one imports. A floor is a folder with
// all below it that has no floor of its own; the root, "", is the root package only.
var floors = map[string][]string{
	"cmd":         anything,
	"bench":       anything,
	"conformance": anything,
	"examples":    anything,
	"fuzz":        anything,
	"tests":       anything,

	// A store in another process.
	"rpc": {"rpc/message", "rpc/transport", "", "worker/program", "worker/pipeline", "worker", "engine", "once", "procstate", "topics", "segment", "record",
		"internal/hook", "internal/owned", "internal/turns", "internal/clock", "internal/child", "internal/errs"},
	"rpc/message":   {"", "once", "procstate", "topics", "segment", "record", "vfs", "internal/owned", "internal/enc", "internal/errs"},
	"rpc/transport": {"internal/errs"},

	// The store in this process, and what runs its processors.
	"": {"worker/pipeline", "worker", "engine", "procstate", "gcprune", "topics", "segment", "record", "vfs",
		"internal/hook", "internal/owned", "internal/turns", "internal/clock", "internal/errs"},
	"worker/program":  {"worker", "record", "internal/jsontext", "internal/child", "internal/errs"},
	"worker/pipeline": {"worker", "procstate", "internal/errs"},
	"worker":          {"procstate", "topics", "segment", "record", "internal/errs"},

	// What there is, and how it changes.
	"engine":    {"procstate", "gcprune", "once", "topics", "wal", "segment", "record", "vfs", "internal/mutate", "internal/selfcheck", "internal/clock", "internal/enc", "internal/errs"},
	"procstate": {"record", "internal/mutate", "internal/enc", "internal/errs"},
	"gcprune":   {"record", "internal/enc", "internal/errs"},
	"once":      {"internal/mutate", "internal/enc", "internal/errs"},
	"topics":    {"segment", "index", "record", "vfs", "internal/mutate", "internal/enc", "internal/errs"},

	// Files.
	"wal":     {"vfs", "internal/xxh", "internal/mutate", "internal/errs"},
	"segment": {"vfs", "internal/xxh", "internal/mutate", "internal/errs"},
	"index":   {},
	"record":  {"internal/errs"},
	"vfs":     {"internal/mutate"},

	// What several floors share.
	"internal/hook":      {"engine", "topics", "worker/pipeline"},
	"internal/owned":     {"segment", "record"},
	"internal/jsontext":  {"record"},
	"internal/turns":     {},
	"internal/clock":     {},
	"internal/child":     {},
	"internal/mutate":    {},
	"internal/selfcheck": {},
	"internal/xxh":       {},
	"internal/enc":       {},
	"internal/errs":      {},
}

// floorOf returns the floor of a package: the longest one that holds its folder.
// The root holds no folders.
func floorOf(pkg string) string {
	for dir := pkg; dir != ""; dir = folder(dir) {
		if _, ok := floors[dir]; ok {
			return dir
		}
	}
	if pkg == "" {
		return ""
	}
	return "none"
}

// mayImport reports whether a package may import another one of the module.
func mayImport(pkg, imported string) bool {
	from, to := floorOf(pkg), floorOf(imported)
	may, known := floors[from]
	target, there := floors[to]
	switch {
	case !known || !there:
		return false
	case from == to:
		return true
	case target == nil: // a program or a test
		return false
	}
	return may == nil || slices.Contains(may, to)
}

// TestLayers: imports go down only.
func TestLayers(t *testing.T) {
	used := map[[2]string]bool{}
	sources(t, func(rel string, _ *token.FileSet, f *ast.File) {
		pkg := folder(rel)
		if floorOf(pkg) == "none" {
			t.Errorf("%s is on no floor", rel)
		}
		for _, i := range f.Imports {
			to, ok := inModule(pathOf(i))
			if !ok {
				continue
			}
			used[[2]string{floorOf(pkg), floorOf(to)}] = true
			if !mayImport(pkg, to) {
				t.Errorf("%s imports %q, which is not below it", rel, to)
			}
		}
	})
	for from, list := range floors {
		for _, to := range list {
			if !used[[2]string{from, to}] {
				t.Errorf("%q may import %q, which it does not do", from, to)
			}
		}
	}
}

// TestFloors: the floors have no cycle, and hold packages that are deeper than they
// are.
func TestFloors(t *testing.T) {
	height := map[string]int{}
	var climb func(dir string, above []string)
	climb = func(dir string, above []string) {
		if slices.Contains(above, dir) {
			t.Fatalf("%q is above itself: %q", dir, above)
		}
		for _, to := range floors[dir] {
			if _, ok := floors[to]; !ok {
				t.Fatalf("%q may import %q, which is no floor", dir, to)
			}
			if height[to] == 0 {
				climb(to, append(slices.Clone(above), dir))
			}
			height[dir] = max(height[dir], height[to])
		}
		height[dir]++
	}
	for dir := range floors {
		climb(dir, nil)
	}
	for _, c := range []struct {
		pkg, imported string
		may           bool
	}{
		{"engine", "worker/program", false}, {"engine", "worker", false}, {"engine", "worker/pipeline", false}, {"engine", "rpc/transport", false},
		{"engine", "", false}, {"engine/deeper", "worker/program", false}, {"engine", "engine/deeper", true}, {"engine/deeper", "vfs", true},
		{"engine", "vfs/deeper", true}, {"vfs", "record", false}, {"record", "vfs", false}, {"", "rpc", false}, {"", "rpc/message", false},
		{"", "worker/program", false}, {"", "worker/pipeline", true}, {"worker", "worker/program", false}, {"worker/program", "worker", true},
		{"worker/pipeline", "worker/program", false}, {"worker", "engine", false}, {"worker", "", false}, {"worker/program", "", false},
		{"rpc/transport", "rpc", false}, {"rpc/transport", "", false}, {"rpc/transport", "record", false}, {"rpc/message", "", true},
		{"rpc/message", "rpc", false}, {"rpc/message", "rpc/transport", false}, {"rpc", "rpc/message", true}, {"rpc", "cmd/pipeproc/jsonline", false},
		{"rpc", "internal/hook", true}, {"rpc/message", "internal/hook", false}, {"cmd/pipeproc", "internal/hook", true}, {"cmd/pipeproc", "cmd/pipeproc/jsonline", true},
		{"cmd/pipeproc", "engine", true}, {"topics", "wal", false}, {"topics", "internal/xxh", false}, {"nowhere", "vfs", false}, {"vfs", "nowhere", false},
		{"internal/errs", "record", false}, {"internal/new", "internal/errs", false}, {"rpc", "conformance", false}, {"engine", "tests/internal/process", false}, {"procstate", "topics", false},
	} {
		if mayImport(c.pkg, c.imported) != c.may {
			t.Errorf("%q may import %q: %v", c.pkg, c.imported, !c.may)
		}
	}
}
