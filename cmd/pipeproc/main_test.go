package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
)

// TestMain lets the test binary stand in for the program.
func TestMain(m *testing.M) {
	if os.Getenv("PIPEPROC_TEST_MAIN") != "" {
		os.Exit(realMain())
	}
	os.Exit(m.Run())
}

// child returns a command that runs the program in its own process.
func child(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, os.Args[0], args...)
	c.Env = append(os.Environ(), "PIPEPROC_TEST_MAIN=1")
	return c
}

// result is the outcome of one run of the program.
type result struct {
	code     int
	out, err string
}

// runs runs the program in this process.
func runs(t *testing.T, stdin string, args ...string) result {
	t.Helper()
	var out, err bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(stdin), &out, &err)
	return result{code, out.String(), err.String()}
}

// ok runs the program, which must succeed, and returns its output.
func ok(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	r := runs(t, stdin, args...)
	if r.code != exitOK {
		t.Fatalf("%q: exit code %d\n%s", args, r.code, r.err)
	}
	return r.out
}

// fails runs the program, which must fail with the code and one line that holds
// the texts.
func fails(t *testing.T, code int, stdin string, args []string, texts ...string) result {
	t.Helper()
	r := runs(t, stdin, args...)
	if r.code != code {
		t.Fatalf("%q: exit code %d, want %d\n%s%s", args, r.code, code, r.out, r.err)
	}
	lines := strings.Split(strings.TrimSuffix(r.err, "\n"), "\n")
	last := lines[len(lines)-1]
	if !strings.HasPrefix(last, "pipeproc: ") {
		t.Errorf("%q: the last line is %q", args, last)
	}
	for _, s := range texts {
		if !strings.Contains(last, s) {
			t.Errorf("%q: %q does not say %q", args, last, s)
		}
	}
	return r
}

func argv(s string) []string { return strings.Fields(s) }

// store makes a directory with a topic t of lines and returns it.
func store(t *testing.T, lines ...string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "store")
	ok(t, strings.Join(lines, "\n")+"\n", "--dir", dir, "commit", "t")
	return dir
}

// numbered returns n lines.
func numbered(n int) []string {
	lines := make([]string, n)
	for i := range lines {
		lines[i] = fmt.Sprintf("line %d", i)
	}
	return lines
}

// bodies reads a topic with the library.
func bodies(t *testing.T, dir, topic string) []string {
	t.Helper()
	n, err := pipeproc.Open(dir, &pipeproc.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	if !n.Recovery().Clean {
		t.Error("the store was not closed properly")
	}
	var out []string
	for r, err := range n.Range(t.Context(), topic, pipeproc.RangeOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, string(r.Body))
	}
	return out
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	name = filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}
