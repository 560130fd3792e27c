package main

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// owned waits until the process owns the directory. It does not open the store
// to check, as that would keep the process out.
func (s *started) owned(t *testing.T, dir string) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; {
		b, err := os.ReadFile(filepath.Join(dir, "LOCK"))
		if err == nil && strings.TrimSpace(string(b)) == itoa(s.Process.Pid) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the process has not opened the store: LOCK holds %q, %v", b, err)
		}
		runtime.Gosched()
	}
}

// A claim is made, survives the death of other processes, and is acknowledged,
// each step in its own process.
func TestClaimBetweenProcesses(t *testing.T) {
	dir := store(t, numbered(3)...)
	in := func(args string) string {
		t.Helper()
		s := start(t, argv(args+" --dir "+dir)...)
		out := s.lines(t, 1)[0]
		if code := s.code(t); code != exitOK {
			t.Fatalf("%s: exit code %d, %s", args, code, s.err.String())
		}
		return out
	}
	if got := in("proc p --topic t --reclaim-timeout never --output body"); got != "line 0" {
		t.Errorf("%q", got)
	}
	s := start(t, "wait", "--timeout", "1m", "--dir", dir)
	s.owned(t, dir)
	fails(t, exitError, "", argv("ack p --dir "+dir), "in use", itoa(s.Process.Pid))
	if err := s.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.code(t)
	if got, id := in("ack p"), ids(t, dir, "t")[0]; got != id+".."+id {
		t.Errorf("%q", got)
	}
	if s := ok(t, "", "verify", "--dir", dir); !strings.HasPrefix(s, "clean") {
		t.Errorf("%s", s)
	}
}

func TestSignalDuringWait(t *testing.T) {
	for _, sig := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		dir := store(t, numbered(3)...)
		ok(t, "", argv("proc p --topic t --dir "+dir)...)
		s := start(t, "wait", "--timeout", "1m", "--dir", dir)
		s.owned(t, dir)
		if err := s.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		if code := s.code(t); code != exitError || s.err.String() != "pipeproc: interrupted\n" {
			t.Errorf("%v: exit code %d, %s", sig, code, s.err.String())
		}
	}
}

// The commands of a pipe follow each other: each one reads all of its input
// before it needs the store, and closes the store before it prints.
func TestPipe(t *testing.T) {
	dir := store(t, numbered(3)...)
	for i := range 3 {
		claim := start(t, argv("proc p --topic t --output body --dir "+dir)...)
		acks := start(t, argv("ack-commit p --to u --dir "+dir)...)
		for _, line := range claim.lines(t, 1) {
			if _, err := acks.in.Write([]byte(strings.ToUpper(line) + "\n")); err != nil {
				t.Fatal(err)
			}
		}
		if err := acks.in.Close(); err != nil {
			t.Fatal(err)
		}
		out := acks.lines(t, 2)
		if code := acks.code(t); code != exitOK || !idLine.MatchString(out[1]) || !strings.HasSuffix(out[0], "-"+itoa(i)) {
			t.Errorf("exit code %d, %q, %s", code, out, acks.err.String())
		}
		if code := claim.code(t); code != exitOK {
			t.Errorf("exit code %d, %s", code, claim.err.String())
		}
	}
	if got := bodies(t, dir, "u"); strings.Join(got, ",") != "LINE 0,LINE 1,LINE 2" {
		t.Errorf("%q", got)
	}
}
