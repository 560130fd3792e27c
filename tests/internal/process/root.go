package process

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Module is the path of the module that is tested.
const Module = "github.com/pipeproc/pipeproc"

// Root returns the root of the repository: the folder above that of the test with
// the go.mod of Module.
func Root(t testing.TB) string {
	t.Helper()
	start, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		b, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(b), "module "+Module+"\n") {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatalf("no folder above %s is the root of %s", start, Module)
		}
	}
}
