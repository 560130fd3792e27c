package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// served is a node in its own process.
type served struct {
	*started
	addr string
}

// serve starts a node and waits until it is ready.
func serve(t *testing.T, args ...string) *served {
	t.Helper()
	s := start(t, append([]string{"serve"}, args...)...)
	t.Cleanup(func() { _ = s.Process.Kill() })
	addr, ok := strings.CutPrefix(s.lines(t, 1)[0], "listening on ")
	if !ok {
		t.Fatalf("it printed %q", addr)
	}
	return &served{s, addr}
}

// socket returns an address that is short enough however long the test's name
// is.
func socket(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pp")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return "unix://" + filepath.Join(dir, "s")
}

// stop sends a signal to the node, which must exit cleanly.
func (s *served) stop(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := s.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
	if code := s.code(t); code != exitOK {
		t.Fatalf("exit code %d, %s", code, s.err.String())
	}
}

// within polls until is true.
func within(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(30 * time.Second); !is(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("waited too long until %s", what)
		}
	}
}

// What differs between two runs of one command: times, and data that a node has
// not yet moved to its final files.
var runDependent = regexp.MustCompile(`\d{13}|\d{4}-\d\d-\d\dT[0-9:.]+Z|"diskBytes":\d+|"segments":\d+|"claim":"[^"]+"`)

// Every command prints the same, whether the store is a directory or a node.
func TestServedCommandsPrintTheSame(t *testing.T) {
	dir := store(t, `{"a": 1}`, "text", "", "\xff", "last")
	ok(t, "", argv("topic create empty --compression zstd --dir "+dir)...)
	ok(t, "", argv("proc old --topic t --count 2 --reclaim-timeout never --dir "+dir)...)
	twin := filepath.Join(t.TempDir(), "twin")
	ok(t, "", "backup", twin, "--dir", dir)
	s := serve(t, "--dir", twin, "--listen", socket(t))

	first := ids(t, dir, "t")[0]
	for _, c := range []struct{ args, stdin string }{
		{args: "topics"}, {args: "topic info t"}, {args: "topics --output json"}, {args: "topic info empty"}, {args: "topic info nosuch"},
		{args: "range t"}, {args: "range t --reverse --limit 2"}, {args: "range t --start :1 --end :3 --output id"},
		{args: "range t --start " + first + " --exclusive --output body"}, {args: "range t --start :99"}, {args: "range nosuch"}, {args: "range empty"},
		{args: "get t 3"}, {args: "get t :4 --output body"}, {args: "get t 5"}, {args: "length t"}, {args: "length nosuch"},
		{args: "tail t --limit 2"}, {args: "tail empty"}, {args: "export t"}, {args: "export nosuch"},
		{args: "procs"}, {args: "procs --output json"}, {args: "system-procs"}, {args: "inspect old"}, {args: "inspect nosuch"},
		{args: "commit u --ids --batch 1", stdin: "a\nb\n"}, {args: "commit z --compression zstd", stdin: "a\n"}, {args: "topic info z --output json"},
		{args: "commit a.b", stdin: "a\n"}, {args: "range u --output body"}, {args: "topic create t"}, {args: "topic create new"},
		{args: "proc p --topic t --count 2"}, {args: "proc p --topic u"}, {args: "ack p"}, {args: "ack p"}, {args: "ack nosuch"},
		{args: "proc p --topic t --output body"}, {args: "reclaim p --reason x"}, {args: "reclaim p"}, {args: "proc p --topic t"},
		{args: "ack-commit p --to v", stdin: "x\ny\n"}, {args: "ack-commit p --to v", stdin: "x\n"}, {args: "range v"},
		{args: "disable p"}, {args: "disable p"}, {args: "proc p --topic t"}, {args: "resume p"}, {args: "seek p :0"}, {args: "seek p nowhere"},
		{args: "wait p --timeout 20ms"}, {args: "wait nobody"}, {args: "destroy p"}, {args: "destroy p"}, {args: "destroy old"}, {args: "wait"},
		{args: "topic retention t"}, {args: "topic retention t --max-bytes 1MiB"}, {args: "topic retention t --output json"},
		{args: "gc"}, {args: "gc --min-prune-time 0s --output json"}, {args: "topics --output json"}, {args: "topic delete u"}, {args: "topic delete u"}, {args: "topic delete t"},
	} {
		here := runs(t, c.stdin, append(argv(c.args), "--dir", dir)...)
		there := runs(t, c.stdin, append(argv(c.args), "--connect", s.addr)...)
		mask := func(s string) string { return runDependent.ReplaceAllString(s, "#") }
		if here.code != there.code || mask(here.out) != mask(there.out) {
			t.Errorf("%s: exit code %d, connected %d\n%s%s\nconnected:\n%s%s", c.args, here.code, there.code, here.out, here.err, there.out, there.err)
		}
		if here.code != exitOK && mask(here.err) != mask(there.err) {
			t.Errorf("%s: %q, connected %q", c.args, here.err, there.err)
		}
	}
	s.stop(t, os.Interrupt)
	if s := ok(t, "", "verify", "--dir", twin); !strings.HasPrefix(s, "clean") {
		t.Errorf("%s", s)
	}
}

// While a command waits at a node, others can acknowledge.
func TestServedWait(t *testing.T) {
	s := serve(t, "--memory", "--listen", socket(t))
	ok(t, "a\n", "commit", "t", "--connect", s.addr)
	ok(t, "", "proc", "p", "--topic", "t", "--connect", s.addr)
	w := start(t, "wait", "p", "--connect", s.addr)
	ok(t, "", "ack", "p", "--connect", s.addr)
	if code := w.code(t); code != exitOK {
		t.Errorf("exit code %d, %s", code, w.err.String())
	}
}

// Damage is reported, and the rest read, through a node as well.
func TestServedDamage(t *testing.T) {
	dir, _ := damaged(t)
	commands := argv("range,a range,b range,a,--reverse export,a tail,a,--limit,3000")
	here := map[string]result{}
	for _, c := range commands {
		here[c] = runs(t, "", append(strings.Split(c, ","), "--dir", dir)...)
	}
	s := serve(t, "--dir", dir, "--listen", socket(t))
	for _, c := range commands {
		there := runs(t, "", append(strings.Split(c, ","), "--connect", s.addr)...)
		if there.code != here[c].code || there.out != here[c].out || there.code != exitOK && !strings.Contains(there.err, "corrupt") {
			t.Errorf("%s: exit code %d, connected %d; %d and %d bytes\n%s\nconnected:\n%s", c, here[c].code, there.code, len(here[c].out), len(there.out), here[c].err, there.err)
		}
	}
	s.stop(t, os.Interrupt)
}
