//go:build unix

package spawn

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/tests/internal/process"
	"github.com/pipeproc/pipeproc/worker/program"
)

// self is the test binary as a program that can be spawned.
var self *program.Self

func TestMain(m *testing.M) {
	self = rpc.Main(processors)
	process.Main(map[string]func(args []string) error{"parent": parent, "client": client})
	os.Exit(m.Run())
}

// world is the surroundings of a test: a folder, and a check that nothing is left
// at its end.
type world struct {
	t    testing.TB
	dir  string
	mark string
	log  *log
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "spawn") // short, for sockets
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, dir: dir, mark: fmt.Sprintf("%s/%d", t.Name(), os.Getpid()), log: new(log)}
	t.Setenv("PIPEPROC_TEST_MARK", w.mark) // children inherit it
	goroutines, files := runtime.NumGoroutine(), process.Descriptors()
	t.Cleanup(func() {
		process.Until(t, "no process is left", func() bool { return len(w.family()) == 0 })
		process.Until(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= goroutines })
		process.Until(t, "no descriptor is left", func() bool { return process.Descriptors() <= files })
		if list, _ := filepath.Glob(dir + "/*.sock"); len(list) > 0 {
			t.Errorf("sockets are left: %v", list)
		}
		if t.Failed() {
			t.Logf("the log:\n%s", w.log)
		}
		os.RemoveAll(dir)
	})
	return w
}

// family returns the processes of the test, except this one.
func (w *world) family() (pids []int) {
	list, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, name := range list {
		b, err := os.ReadFile(name)
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
		if err == nil && pid != os.Getpid() && bytes.Contains(b, []byte("PIPEPROC_TEST_MARK="+w.mark+"\x00")) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// options are those of a node in the world's folder.
func (w *world) options() *rpc.SpawnOptions {
	return &rpc.SpawnOptions{Program: self, Address: "unix://" + w.dir + "/node.sock", Dir: w.dir + "/store", Logger: w.log.logger()}
}

// spawn spawns a node that ends with the test.
func (w *world) spawn(o *rpc.SpawnOptions) *rpc.Spawned {
	w.t.Helper()
	s, err := rpc.Spawn(process.Soon(w.t), o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		if err := s.Close(); err != nil && !errors.Is(err, rpc.ErrNodeExited) {
			w.t.Error(err)
		}
	})
	return s
}

// runner returns what runs the programs of a node in this process.
func runner(t testing.TB, o program.RunnerOptions) *program.Runner {
	t.Helper()
	r, err := program.NewRunner(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// log keeps what is logged.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *log) has(text string) bool { return strings.Contains(l.String(), text) }

func (l *log) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// commit commits bodies to a topic.
func commit(t testing.TB, s pipeproc.Store, topic string, bodies ...string) {
	t.Helper()
	var recs []pipeproc.Record
	for _, b := range bodies {
		recs = append(recs, pipeproc.Record{Topic: topic, Body: []byte(b)})
	}
	if _, err := s.Commit(process.Soon(t), recs...); err != nil {
		t.Fatal(err)
	}
}

// bodies returns the bodies of a topic, none if there is no such topic.
func bodies(t testing.TB, s pipeproc.Store, topic string) (list []string) {
	t.Helper()
	for rec, err := range s.Range(process.Soon(t), topic, pipeproc.RangeOptions{}) {
		if errors.Is(err, pipeproc.ErrInvalidTopic) {
			return nil
		}
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, string(rec.Body))
	}
	return list
}

// wantBodies waits until a topic has these bodies.
func wantBodies(t testing.TB, s pipeproc.Store, topic string, want ...string) {
	t.Helper()
	process.Until(t, fmt.Sprintf("topic %s holds %d records", topic, len(want)), func() bool { return len(bodies(t, s, topic)) >= len(want) })
	if got := bodies(t, s, topic); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Fatalf("topic %s holds %q, not %q", topic, got, want)
	}
}

func alive(pid int) bool { return syscall.Kill(pid, 0) == nil }
