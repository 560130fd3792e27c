package process

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Build builds a program of the repository, given by its folder, and returns the path
// of the executable file, which is gone after the test.
func Build(t testing.TB, folder string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), filepath.Base(folder))
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", file, "./"+folder)
	cmd.Dir = Root(t)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", folder, err, out)
	}
	return file
}

// Keep copies the directory of a failure to where it stays, and logs where that is.
func Keep(t testing.TB, dir string) {
	t.Helper()
	to, err := os.MkdirTemp("", "pipeproc-kept-")
	if err == nil {
		err = os.CopyFS(to, os.DirFS(dir))
	}
	if err != nil {
		t.Logf("%s could not be kept: %v", dir, err)
		return
	}
	t.Logf("%s is kept in %s", dir, to)
}

// Descriptors returns how many descriptors this process has.
func Descriptors() int {
	list, _ := os.ReadDir("/proc/self/fd")
	return len(list)
}
