package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
)

// System procs with a Command run in worker processes of a served node, also
// after it is restarted.
func TestServeWorkers(t *testing.T) {
	dir := t.TempDir()
	script := filepath.Join(dir, "copy.sh")
	if err := os.WriteFile(script, []byte("#!/bin/sh\nread g; echo '{\"pipeproc\":1}'\nwhile read -r l; do n=${l#*:}; echo \"{\\\"n\\\":${n%%,*},\\\"out\\\":[1]}\"; done\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	store := filepath.Join(dir, "store")
	at := socket(t)
	s := serve(t, "--dir", store, "--listen", at, "--workers", "2", "--worker-concurrency", "2", "--worker-restart-after", "10")
	c, err := rpc.Connect(t.Context(), at, nil)
	if err != nil {
		t.Fatal(err)
	}
	o := pipeproc.SystemProcOptions{Name: "p", From: []string{"in"}, To: []string{"out"}, Command: []string{script}}
	if _, err := c.DefineSystemProc(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	c.Close()
	ok(t, "a\n", argv("commit in --connect "+at)...)
	within(t, "it was processed", func() bool { return lengthAt(t, at, "out") == 1 })
	s.stop(t, os.Interrupt)
	s = serve(t, "--dir", store, "--listen", at)
	ok(t, "b\n", argv("commit in --connect "+at)...)
	within(t, "it was processed", func() bool { return lengthAt(t, at, "out") == 2 })
	s.stop(t, os.Interrupt)
}

func lengthAt(t *testing.T, at, topic string) uint64 {
	t.Helper()
	c, err := rpc.Connect(t.Context(), at, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	n, _ := c.Length(t.Context(), topic)
	return n
}

// Over TCP only what --allow-exec names is run.
func TestServeAllowExec(t *testing.T) {
	s := serve(t, "--memory", "--listen", "tcp://127.0.0.1:0", "--allow-exec", "/bin/cat")
	c, err := rpc.Connect(t.Context(), s.addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for path, want := range map[string]string{"/bin/cat": "", "/bin/sh": "forbidden"} {
		o := pipeproc.SystemProcOptions{Name: "p", From: []string{"in"}, Command: []string{path}, Replace: true}
		if _, err := c.DefineSystemProc(t.Context(), o); pipeproc.Code(err) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	s.stop(t, os.Interrupt)
}

// A node ends with the process that started it.
func TestServeUntilEOF(t *testing.T) {
	s := start(t, "serve", "--memory", "--listen", socket(t), "--until-eof")
	s.lines(t, 1)
	if err := s.in.Close(); err != nil {
		t.Fatal(err)
	}
	if code := s.code(t); code != exitOK {
		t.Errorf("exit code %d", code)
	}
}
