package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/pipeproc/pipeproc/tests/internal/process"
)

// TestModuleGraph: a program that requires the module gets the four dependencies and
// golang.org/x/sys with it, and no module that only tests, the command line or the
// benchmarks need. Nothing is downloaded for the answer.
func TestModuleGraph(t *testing.T) {
	root, dir := process.Root(t), t.TempDir()
	sums, err := os.ReadFile(filepath.Join(root, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"go.mod": "module example.com/app\n\ngo 1.26.0\n\nrequire " + module + " v0.1.0\n\n" +
			"replace " + module + " => " + root + "\n",
		"go.sum":  string(sums),
		"main.go": "package main\n\nimport _ \"" + module + "\"\n\nfunc main() {}\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run := func(args ...string) string {
		cmd := exec.Command("go", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off")
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("go %s: %v: %s", strings.Join(args, " "), err, stderr.String())
		}
		return string(out)
	}
	want := append([]string{"example.com/app"}, allowed...)
	slices.Sort(want)

	chosen := strings.Fields(run("list", "-m", "-f", "{{.Path}}", "all"))
	slices.Sort(chosen)
	if !slices.Equal(chosen, want) {
		t.Errorf("a program gets the modules\n%q, wanted\n%q", chosen, want)
	}
	// The graph has versions that were not chosen, too, and Go itself.
	for edge := range strings.Lines(run("mod", "graph")) {
		for _, node := range strings.Fields(edge) {
			path, _, _ := strings.Cut(node, "@")
			if path != "go" && path != "toolchain" && !slices.Contains(want, path) {
				t.Errorf("the graph has %s: %s", path, edge)
			}
		}
	}
	run("build", "-o", os.DevNull, ".") // what was listed is enough
}
