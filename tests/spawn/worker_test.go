//go:build unix

package spawn

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/tests/internal/process"
	"github.com/pipeproc/pipeproc/worker/program"
)

// processors are what worker processes of the test binary can run.
var processors = map[string]pipeproc.Processor{
	"upper": pipeproc.Each(func(_ context.Context, rec pipeproc.Record, w *pipeproc.Work) error {
		w.Emit([]byte(strings.ToUpper(string(rec.Body))))
		return nil
	}),
	"pid": pipeproc.Each(func(_ context.Context, rec pipeproc.Record, w *pipeproc.Work) error {
		w.Emit(fmt.Append(nil, os.Getpid()))
		return nil
	}),
	"copy": pipeproc.Each(func(_ context.Context, rec pipeproc.Record, w *pipeproc.Work) error {
		w.Emit(rec.Body)
		return nil
	}),
	"obey": pipeproc.Each(obey),
}

// obey does what a record says, unless it comes again.
func obey(ctx context.Context, rec pipeproc.Record, w *pipeproc.Work) error {
	if w.Attempt() > 1 {
		w.Emit(fmt.Appendf(nil, "%s again", rec.Body))
		return nil
	}
	switch what, arg, _ := strings.Cut(string(rec.Body), " "); what {
	case "panic":
		panic(arg)
	case "error":
		return errors.New(arg)
	case "exit":
		fmt.Fprintln(os.Stderr, "leaving with", arg)
		os.Exit(3)
	case "kill":
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "hang":
		select {}
	case "garbage": // on what was its stdout
		_, _ = syscall.Write(1, []byte("this is no answer\n"))
	case "flood":
		b := make([]byte, 1<<20)
		for {
			if _, err := syscall.Write(1, b); err != nil {
				os.Exit(1)
			}
		}
	case "print":
		fmt.Println(arg) // goes to the log
	}
	w.Emit(rec.Body)
	return nil
}

func (w *world) system(s pipeproc.Store, o pipeproc.SystemProcOptions) {
	w.t.Helper()
	if _, err := s.DefineSystemProc(process.Soon(w.t), o); err != nil {
		w.t.Fatal(err)
	}
}

// through is a system proc from in to out.
func through(processor string) pipeproc.SystemProcOptions {
	return pipeproc.SystemProcOptions{Name: "p", From: []string{"in"}, To: []string{"out"}, Command: []string{program.CommandSelf}, ProcessorName: processor}
}

// Functions of the program run in worker processes of the node.
func TestWorkerSelf(t *testing.T) {
	w := newWorld(t)
	s := w.spawn(w.options())
	w.system(s, through("upper"))
	commit(t, s, "in", "a", "b")
	wantBodies(t, s, "out", "A", "B")
	other := through("pid")
	other.Name, other.To = "q", []string{"pids"}
	w.system(s, other)
	wantBodiesNumber(t, s, "pids", 2)
	if pids := bodies(t, s, "pids"); pids[0] != pids[1] || pids[0] == strconv.Itoa(os.Getpid()) || pids[0] == strconv.Itoa(s.Pid()) {
		t.Errorf("processed by %v", pids)
	}
	if n := len(w.family()); n != 2 { // both procs share the worker
		t.Errorf("%d processes", n)
	}
	list, err := s.SystemProcs(process.Soon(t))
	if err != nil || len(list) != 2 || !list[0].Running || !slices.Equal(list[0].Command, []string{program.CommandSelf}) {
		t.Errorf("%+v %v", list, err)
	}
	// It is there after a restart of the node, without being defined again.
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	s = w.spawn(w.options())
	commit(t, s, "in", "c")
	wantBodies(t, s, "out", "A", "B", "C")
}

func wantBodiesNumber(t testing.TB, s pipeproc.Store, topic string, n int) {
	t.Helper()
	process.Until(t, fmt.Sprintf("topic %s holds %d records", topic, n), func() bool { return len(bodies(t, s, topic)) >= n })
}

// Whatever a worker does harms its own claim only, which is processed again by
// another one.
func TestWorkerMisbehaves(t *testing.T) {
	for _, what := range []string{"panic now", "error no", "exit 3", "kill", "hang", "garbage", "flood"} {
		t.Run(what, func(t *testing.T) {
			w := newWorld(t)
			o := w.options()
			o.Programs.Workers = 2
			s := w.spawn(o)
			p := through("obey")
			if what == "hang" || what == "flood" {
				p.Retry.ReclaimTimeout = 300 * time.Millisecond
			}
			w.system(s, p)
			other := through("upper")
			other.Name, other.From, other.To = "other", []string{"in2"}, []string{"out2"}
			w.system(s, other)
			commit(t, s, "in2", "a")
			commit(t, s, "in", what)
			wantBodies(t, s, "out", what+" again")
			wantBodies(t, s, "out2", "A")
			i, err := s.InspectProc(process.Soon(t), "other")
			if err != nil || i.Reclaims != 0 {
				t.Errorf("the other proc: %+v %v", i, err)
			}
			if strings.HasPrefix(what, "exit") {
				process.Until(t, "what it said is in the log, with its name", func() bool {
					return w.log.has(`line="leaving with 3"`) && w.log.has("proc=p")
				})
			}
		})
	}
}

// What a processor prints is no answer, and is in the log.
func TestWorkerPrints(t *testing.T) {
	w := newWorld(t)
	s := w.spawn(w.options())
	w.system(s, through("obey"))
	commit(t, s, "in", "print hello")
	wantBodies(t, s, "out", "print hello")
	process.Until(t, "it is in the log", func() bool { return w.log.has("line=hello") })
}

func TestWorkerRestartAfter(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Programs.RestartAfter = 2
	s := w.spawn(o)
	w.system(s, through("pid"))
	commit(t, s, "in", "1", "2", "3", "4")
	wantBodiesNumber(t, s, "out", 4)
	p := bodies(t, s, "out")
	if p[0] != p[1] || p[1] == p[2] || p[2] != p[3] {
		t.Errorf("%v", p)
	}
}

// Several claims run at once, in processes of their own.
func TestWorkersMany(t *testing.T) {
	w := newWorld(t)
	o := w.options()
	o.Programs = program.RunnerOptions{Workers: 2, Concurrency: 2}
	s := w.spawn(o)
	for i := range 4 {
		p := through("hold " + w.dir)
		p.Name, p.From, p.Command = fmt.Sprint("p", i), []string{fmt.Sprint("in", i)}, holdCommand(w.dir)
		p.Source = "hold"
		w.system(s, p)
		commit(t, s, fmt.Sprint("in", i), "x")
	}
	process.Until(t, "four are at work", func() bool {
		list, _ := os.ReadDir(w.dir + "/held")
		return len(list) == 4
	})
	if err := os.WriteFile(w.dir+"/go", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	wantBodiesNumber(t, s, "out", 4)
}

// holdCommand is a shell program that says it is there and waits to be let go.
func holdCommand(dir string) []string {
	return []string{"sh", "-c", `mkdir -p "$0/held"
read greeting; echo '{"pipeproc":1}'
while read -r line; do
  case $line in '{"n":'*) ;; *) continue ;; esac
  : > "$0/held/$$"
  while ! [ -e "$0/go" ]; do sleep 0.02; done
  n=${line#*:}; echo "{\"n\":${n%%,*},\"out\":[1]}"
done`, dir}
}

// Any program will do, also on a node in this process.
func TestWorkerProgram(t *testing.T) {
	w := newWorld(t)
	n, err := pipeproc.Open(w.dir+"/store", &pipeproc.Options{Logger: w.log.logger(), Programs: runner(t, program.RunnerOptions{Logger: w.log.logger()})})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { n.Close() }()
	p := through("")
	p.Command = []string{"sh", "-c", `read g; echo '{"pipeproc":1}'; while read -r l; do n=${l#*:}; echo "{\"n\":${n%%,*},\"out\":[\"$0\"]}"; done`, "one"}
	w.system(n, p)
	commit(t, n, "in", "x", "y")
	wantBodies(t, n, "out", "one", "one")
	q := p
	q.Command = append(slices.Clone(p.Command[:3]), "two")
	if _, err := n.DefineSystemProc(process.Soon(t), q); !errors.Is(err, pipeproc.ErrProcDiffers) {
		t.Errorf("another command: %v", err)
	}
	q.Replace = true
	w.system(n, q)
	commit(t, n, "in", "z")
	wantBodies(t, n, "out", "one", "one", "two")
	process.Until(t, "the first program is gone", func() bool { return len(w.family()) == 1 })
	if _, err := n.DestroyProc(process.Soon(t), "p"); err != nil {
		t.Fatal(err)
	}
	process.Until(t, "no program is left", func() bool { return len(w.family()) == 0 })
	// From a function to a program and back.
	p.Replace = true
	f := pipeproc.SystemProcOptions{Name: "p", From: p.From, To: p.To, Replace: true, Offset: "$>", Processor: func(_ context.Context, w *pipeproc.Work) error {
		w.Emit([]byte("function"))
		return nil
	}}
	w.system(n, f)
	commit(t, n, "in", "1")
	wantBodies(t, n, "out", "one", "one", "two", "function")
	p.Offset = "$>"
	w.system(n, p)
	commit(t, n, "in", "2")
	wantBodies(t, n, "out", "one", "one", "two", "function", "one")
	w.system(n, f)
	commit(t, n, "in", "3")
	wantBodies(t, n, "out", "one", "one", "two", "function", "one", "function")
	process.Until(t, "no program is left", func() bool { return len(w.family()) == 0 })
}

// A system proc whose program cannot run waits, and says why.
func TestWorkerWaits(t *testing.T) {
	newWorld(t)
	for why, o := range map[string]*pipeproc.Options{
		"no worker processes":       {Programs: runner(t, program.RunnerOptions{Self: self, Workers: -1})},
		"the node runs no programs": {},
		"program.Main":              {Programs: runner(t, program.RunnerOptions{})},
		`knows no processor "nix"`:  {Programs: runner(t, program.RunnerOptions{Self: self})},
	} {
		n, err := pipeproc.OpenMemory(o)
		if err != nil {
			t.Fatal(err)
		}
		p := through("nix")
		list, err := n.DefineSystemProc(process.Soon(t), p)
		if err != nil || len(list) != 1 || !strings.Contains(list[0].Waiting, why) {
			t.Errorf("%s: %+v %v", why, list, err)
		}
		n.Close()
	}
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for name, o := range map[string]pipeproc.SystemProcOptions{
		"Source":  {Source: "x"},
		"Command": {Command: []string{""}},
		"byte":    {Command: []string{"a\x00"}},
		"longer":  {Command: []string{"a", strings.Repeat("x", 1<<16)}},
		"UTF-8":   {Command: []string{"a"}, Source: "\xff"},
		"well":    {Command: []string{"a"}, Processor: processors["copy"]},
		"bytes":   {Command: []string{"a"}, Source: strings.Repeat("x", 1<<20+1)},
	} {
		o.Name, o.From = "p", []string{"in"}
		if _, err := n.DefineSystemProc(process.Soon(t), o); !errors.Is(err, pipeproc.ErrInvalidProcOptions) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A program that is not there is retried, and logged; destroying the proc ends it.
func TestWorkerMissing(t *testing.T) {
	w := newWorld(t)
	s := w.spawn(w.options())
	p := through("")
	p.Command, p.Retry.MaxReclaims = []string{w.dir + "/nothing"}, 2
	w.system(s, p)
	commit(t, s, "in", "x")
	process.Until(t, "the proc is disabled", func() bool {
		i, err := s.InspectProc(process.Soon(t), "p")
		return err == nil && i.Disabled
	})
	if !w.log.has("cannot be started") {
		t.Error("the log does not say it")
	}
}

// Over TCP a client has nothing executed that the operator has not allowed.
func TestExecRules(t *testing.T) {
	w := newWorld(t)
	for _, dir := range []string{"/allowed", "/other"} {
		if err := os.Mkdir(w.dir+dir, 0o700); err != nil {
			t.Fatal(err)
		}
		script := "#!/bin/sh\nread g; echo '{\"pipeproc\":1}'; while read -r l; do n=${l#*:}; echo \"{\\\"n\\\":${n%%,*},\\\"out\\\":[1]}\"; done\n"
		if err := os.WriteFile(w.dir+dir+"/run", []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for link, to := range map[string]string{"/allowed/link": "/other/run", "/other/back": "/allowed/run"} {
		if err := os.Symlink(w.dir+to, w.dir+link); err != nil {
			t.Fatal(err)
		}
	}
	o := w.options()
	o.Address = "tcp://127.0.0.1:0"
	o.AllowExec = []string{w.dir + "/allowed", w.dir + "/nowhere"}
	s := w.spawn(o)
	define := func(command ...string) error {
		p := through("upper")
		p.Command, p.Replace = command, true
		_, err := s.DefineSystemProc(process.Soon(t), p)
		return err
	}
	for _, bad := range []string{"/bin/sh", "sh", w.dir + "/other/run", w.dir + "/allowed/../other/run", w.dir + "/allowed/link",
		w.dir + "/allowed/nothing", w.dir + "/allowedrun", "allowed/run"} {
		if err := define(bad); pipeproc.Code(err) != "forbidden" {
			t.Errorf("%s: %v", bad, err)
		}
	}
	if list, err := s.SystemProcs(process.Soon(t)); err != nil || len(list) != 0 {
		t.Errorf("%+v %v", list, err)
	}
	for i, good := range []string{w.dir + "/allowed/run", w.dir + "/other/back", program.CommandSelf} {
		if err := define(good); err != nil {
			t.Errorf("%s: %v", good, err)
		}
		commit(t, s, "in", "x")
		wantBodiesNumber(t, s, "out", i+1)
	}
	if _, err := os.Stat(w.dir + "/other/ran"); err == nil {
		t.Error("it was run")
	}
	// A single file can be allowed as well.
	addr, err := transport.ParseAddr("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	n, err := pipeproc.OpenMemory(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	l, err := transport.Listen(process.Soon(t), addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- rpc.Serve(ctx, n, l, &rpc.ServeOptions{AllowExec: []string{w.dir + "/other/run"}}) }()
	c, err := rpc.Connect(process.Soon(t), l.Address().String(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{"/other/run": "", "/allowed/link": "", "/allowed/run": "forbidden", "/other/back": "forbidden"} {
		p := through("x")
		p.Command, p.Replace = []string{w.dir + path}, true
		if _, err := c.DefineSystemProc(process.Soon(t), p); pipeproc.Code(err) != want {
			t.Errorf("%s: %v", path, err)
		}
	}
	c.Close()
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}
