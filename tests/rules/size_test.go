package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
)

// maxProgram is how large a program may be, in bytes, that opens a store and
// commits, on linux/amd64 and with Go 1.26, without symbols. Two thirds of that are
// log/slog and zstd.
const maxProgram = 4_200_000

const program = `package main

import (
	"context"
	"log"

	"github.com/pipeproc/pipeproc"
)

func main() {
	n, err := pipeproc.Open("data", nil)
	if err != nil {
		log.Fatal(err)
	}
	defer n.Close()
	if _, err := n.Commit(context.Background(), pipeproc.Record{Topic: "t", Body: []byte("x")}); err != nil {
		log.Fatal(err)
	}
}
`

func TestProgramSize(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("the bound is for linux/amd64")
	}
	dir := t.TempDir()
	src, exe := filepath.Join(dir, "main.go"), filepath.Join(dir, "program")
	if err := os.WriteFile(src, []byte(program), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", exe, src)
	cmd.Dir = filepath.Join("..", "..")
	cmd.Env = append(os.Environ(), "GOWORK=off", "GOFLAGS=", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	fi, err := os.Stat(exe)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes with %s", fi.Size(), runtime.Version())
	if fi.Size() > maxProgram {
		t.Errorf("%d bytes with %s, want at most %d", fi.Size(), runtime.Version(), maxProgram)
	}
}
