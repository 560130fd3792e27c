package main

import (
	"bufio"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// started is a child process with its pipes.
type started struct {
	*exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
	err bytes.Buffer
}

func start(t *testing.T, args ...string) *started {
	t.Helper()
	s := &started{Cmd: child(t, args...)}
	s.Stderr = &s.err
	var err error
	if s.in, err = s.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.out = bufio.NewScanner(out)
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *started) lines(t *testing.T, n int) []string {
	t.Helper()
	var lines []string
	for range n {
		if !s.out.Scan() {
			t.Fatalf("the output ended after %q: %s", lines, s.err.String())
		}
		lines = append(lines, s.out.Text())
	}
	return lines
}

func (s *started) code(t *testing.T) int {
	t.Helper()
	for s.out.Scan() {
		t.Errorf("more output: %q", s.out.Text())
	}
	_ = s.Wait() // the code says it
	return s.ProcessState.ExitCode()
}

func TestSignalDuringCommit(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		dir := filepath.Join(t.TempDir(), "d")
		s := start(t, "commit", "t", "--ids", "--batch", "2", "--dir", dir)
		// The pipe stays open: a full batch is acknowledged anyway.
		if _, err := io.WriteString(s.in, "a\nb\nc\nd\ne\n"); err != nil {
			t.Fatal(err)
		}
		ids := s.lines(t, 4)
		if err := s.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if code := s.code(t); code != exitError || !strings.Contains(s.err.String(), "committed 4 records") ||
			!strings.Contains(s.err.String(), "pipeproc: interrupted: 4 records had been committed") {
			t.Errorf("%v: exit code %d, %s", sig, code, s.err.String())
		}
		if got := bodies(t, dir, "t"); !slices.Equal(got, []string{"a", "b", "c", "d"}) {
			t.Errorf("%v: %q", sig, got)
		}
		if got := strings.Fields(ok(t, "", "range", "t", "--output", "id", "--dir", dir)); !slices.Equal(got, ids) {
			t.Errorf("%v: ids %q, printed %q", sig, got, ids)
		}
	}
}

func TestKillDuringCommit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "d")
	s := start(t, "commit", "t", "--ids", "--batch", "2", "--dir", dir)
	if _, err := io.WriteString(s.in, "a\nb\nc\nd\ne\n"); err != nil {
		t.Fatal(err)
	}
	ids := s.lines(t, 4)
	if err := s.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.code(t)
	// Reads do not write, so each one runs recovery again.
	for range 2 {
		if got := strings.Fields(ok(t, "", "range", "t", "--output", "id", "--dir", dir)); !slices.Equal(got, ids) {
			t.Errorf("ids %q, printed %q", got, ids)
		}
	}
	if got := ok(t, "", "length", "t", "--dir", dir); got != "4\n" {
		t.Errorf("%s", got)
	}
	if s := ok(t, "", "verify", "--dir", dir); !strings.HasPrefix(s, "clean") {
		t.Errorf("%s", s)
	}
}

func TestFollowUntilSignal(t *testing.T) {
	dir := store(t, numbered(3)...)
	s := start(t, "tail", "t", "--follow", "--output", "body", "--dir", dir)
	if got := s.lines(t, 3); !slices.Equal(got, numbered(3)) {
		t.Errorf("%q", got)
	}
	// It owns the directory meanwhile.
	fails(t, exitError, "", argv("length t --dir "+dir), "in use", "process "+itoa(s.Process.Pid))
	if err := s.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := s.code(t); code != exitOK || s.err.Len() > 0 {
		t.Errorf("exit code %d, %s", code, s.err.String())
	}
}

func TestReaderGoesAway(t *testing.T) {
	dir := store(t, numbered(100000)...)
	for _, args := range []string{"range t", "export t"} {
		c := child(t, argv(args+" --dir "+dir)...)
		var errs bytes.Buffer
		c.Stderr = &errs
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		out.Close()
		if err := c.Wait(); err != nil || errs.Len() > 0 {
			t.Errorf("%s: %v, %s", args, err, errs.String())
		}
	}
	if s := ok(t, "", "verify", "--dir", dir); !strings.HasPrefix(s, "clean") {
		t.Errorf("%s", s)
	}
}
