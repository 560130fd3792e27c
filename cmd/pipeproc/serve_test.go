package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// A node that is told to stop does so even while a client follows it, and the
// client continues with the next node.
func TestServeStopsWithClientConnected(t *testing.T) {
	dir, at := store(t, numbered(3)...), socket(t)
	path := strings.TrimPrefix(at, "unix://")
	s := serve(t, "--dir", dir, "--listen", at)
	if s.addr != at {
		t.Errorf("it listens on %s, not %s", s.addr, at)
	}
	c := start(t, "tail", "t", "--follow", "--output", "body", "--connect", at)
	if got := c.lines(t, 3); !slices.Equal(got, numbered(3)) {
		t.Errorf("%q", got)
	}
	s.stop(t, syscall.SIGTERM)
	for _, name := range []string{path, path + ".lock"} {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := bodies(t, dir, "t"); !slices.Equal(got, numbered(3)) {
		t.Errorf("%q", got)
	}
	s = serve(t, "--dir", dir, "--listen", at)
	ok(t, "more\n", "commit", "t", "--connect", at)
	if got := c.lines(t, 1); got[0] != "more" {
		t.Errorf("%q", got)
	}
	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := c.code(t); code != exitOK || c.err.Len() > 0 {
		t.Errorf("exit code %d, %s", code, c.err.String())
	}
	s.stop(t, os.Interrupt)
}

// What a killed node leaves is no obstacle to the next one.
func TestServeAfterKill(t *testing.T) {
	dir, at := filepath.Join(t.TempDir(), "d"), socket(t)
	s := serve(t, "--dir", dir, "--listen", at)
	ok(t, "a\nb\n", "commit", "t", "--connect", at)
	if err := s.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	s.code(t)
	if _, err := os.Lstat(strings.TrimPrefix(at, "unix://")); err != nil {
		t.Fatal(err)
	}
	fails(t, exitError, "", argv("topics --connect "+at), "no node answers at "+at, "pipeproc serve")
	s = serve(t, "--dir", dir, "--listen", at)
	if got := ok(t, "", argv("range t --output body --connect "+at)...); got != "a\nb\n" {
		t.Errorf("%q", got)
	}
	s.stop(t, syscall.SIGTERM)
}

func TestServeRefuses(t *testing.T) {
	dir, at := filepath.Join(t.TempDir(), "d"), socket(t)
	s := serve(t, "--dir", dir, "--listen", at)
	none := filepath.Join(t.TempDir(), "none")
	for args, texts := range map[string][]string{
		"--memory --listen " + at:                              {"address_in_use", "process " + itoa(s.Process.Pid)},
		"--dir " + dir + " --listen " + socket(t):              {"in use", "process " + itoa(s.Process.Pid)},
		"--memory --listen tls://localhost:0":                  {"tls options require a server ca", "--tls-cert"},
		"--memory --listen tls://localhost:0 --tls-ca " + none: {"tls options require a server ca", none},
		"--memory --listen tcp://0.0.0.0:0":                    {"without encryption", "--allow-plain"},
		"--memory --listen unix:///nosuch/s":                   {"/nosuch/s"},
	} {
		r := fails(t, exitError, "", append([]string{"serve"}, argv(args)...), texts...)
		if r.out != "" || strings.Count(r.err, "\n") != 1 {
			t.Errorf("%s: printed %q and %q", args, r.out, r.err)
		}
	}
	// The running node is unaffected.
	if r := runs(t, "", argv("ping --connect "+at)...); r.code != exitOK || r.out != "pong\n" || !strings.HasPrefix(r.err, "round trip to "+at+": ") {
		t.Errorf("%+v", r)
	}
	s.stop(t, os.Interrupt)
	fails(t, exitError, "", argv("ping --connect "+at), "no node answers")
}

func TestServeInSeveralPlaces(t *testing.T) {
	tmp := strings.TrimPrefix(filepath.Dir(socket(t)), "unix:")
	t.Setenv("TMPDIR", tmp)
	s := serve(t, argv("--memory --listen tcp://localhost:0 --namespace mine --log json --gc --gc-interval 1s")...)
	other := strings.TrimPrefix(s.lines(t, 1)[0], "listening on ")
	if !strings.HasPrefix(s.addr, "tcp://") || strings.HasSuffix(s.addr, ":0") || !strings.HasPrefix(other, "unix://"+tmp) || !strings.HasSuffix(other, "/mine.sock") {
		t.Fatalf("%s, %s", s.addr, other)
	}
	ok(t, "a\n", "commit", "t", "--connect", s.addr)
	for _, args := range []string{"--namespace mine", "--connect " + other, "--connect ipc" + strings.TrimPrefix(other, "unix")} {
		if got := ok(t, "", argv("length t "+args)...); got != "1\n" {
			t.Errorf("%s: %q", args, got)
		}
	}
	fails(t, exitError, "", argv("ping"), "no node answers", "/default.sock")
	s.stop(t, syscall.SIGTERM)
	for _, line := range strings.Split(strings.TrimSpace(s.err.String()), "\n") {
		if !strings.HasPrefix(line, `{"time":`) {
			t.Errorf("the log holds %q", line)
		}
	}

	d := serve(t, "--memory")
	if !strings.HasSuffix(d.addr, "/default.sock") {
		t.Errorf("%s", d.addr)
	}
	if got := ok(t, "", "ping"); got != "pong\n" {
		t.Errorf("%q", got)
	}
	d.stop(t, os.Interrupt)
}
