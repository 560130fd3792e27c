package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
)

func init() {
	register(system{name: "pipeproc:unix", module: "github.com/pipeproc/pipeproc",
		durable: "as pipeproc", relaxed: "as pipeproc, through a unix socket to a node in another process",
		open: func(c config) (store, error) { return openUnix(c) }})
	helpers["serve"] = serve
}

// helper is a process that a measurement started.
type helper struct {
	cmd *exec.Cmd
}

// startHelper starts a phase in its own process and waits until it is ready.
func startHelper(sp spec) (*helper, error) {
	b, err := json.Marshal(sp)
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := exec.Command(self, childArg, string(b))
	c.Stderr = os.Stderr
	c.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := c.Start(); err != nil {
		return nil, err
	}
	h := &helper{c}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != readyLine {
		return nil, errors.Join(fmt.Errorf("%s did not begin: %v", sp.Phase, err), h.stop())
	}
	return h, nil
}

const readyLine = "ready\n"

// stop ends the process and waits for it.
func (h *helper) stop() error {
	_ = h.cmd.Process.Signal(syscall.SIGTERM)
	return h.cmd.Wait()
}

// untilStopped reports that the process is ready and returns a context that
// ends when it is told to stop.
func untilStopped() context.Context {
	ctx, _ := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	fmt.Print(readyLine)
	return ctx
}

// serve is the node of pipeproc:unix. Its folder is the spec's, its socket the
// first argument.
func serve(sp *spec) error {
	o := pipeproc.Options{Sync: pipeproc.SyncNever}
	if len(sp.Args) > 1 && sp.Args[1] == "durable" {
		o.Sync = pipeproc.SyncAlways
	}
	n, err := pipeproc.Open(sp.Dir, &o)
	if err != nil {
		return err
	}
	l, err := net.Listen("unix", sp.Args[0])
	if err != nil {
		return errors.Join(err, n.Close())
	}
	return errors.Join(rpc.Serve(untilStopped(), n, l, nil), n.Close())
}

// unixStore is a client of a node in another process.
type unixStore struct {
	c      *rpc.Client
	server *helper
	dir    string
	batch  pipeproc.Batch
}

// socketDir makes a folder for a socket, whose path must be short.
func socketDir() (string, error) { return os.MkdirTemp("", "ppb") }

func openUnix(c config) (*unixStore, error) {
	dir, err := socketDir()
	if err != nil {
		return nil, err
	}
	s := &unixStore{dir: dir}
	sock := filepath.Join(dir, "s")
	mode := ""
	if c.durable {
		mode = "durable"
	}
	if s.server, err = startHelper(spec{Phase: "serve", Dir: c.dir, Args: []string{sock, mode}}); err != nil {
		os.RemoveAll(dir)
		return nil, err
	}
	if s.c, err = rpc.Connect(context.Background(), "unix://"+sock, nil); err != nil {
		return nil, errors.Join(err, s.server.stop(), os.RemoveAll(dir))
	}
	return s, nil
}

func (s *unixStore) Close() error {
	return errors.Join(s.c.Close(), s.server.stop(), os.RemoveAll(s.dir))
}

const unixTopic = "topic-0"

func (s *unixStore) Append(body []byte) error {
	s.batch.Reset()
	_ = s.batch.Add(unixTopic, body)
	return s.c.CommitBatch(context.Background(), &s.batch)
}

func (s *unixStore) AppendBatch(list [][]byte) error {
	s.batch.Reset()
	for _, b := range list {
		_ = s.batch.Add(unixTopic, b)
	}
	return s.c.CommitBatch(context.Background(), &s.batch)
}

func (s *unixStore) Writer() appender { return &unixStore{c: s.c} }

func (s *unixStore) Scan(fn func([]byte)) error {
	for rec, err := range s.c.Range(context.Background(), unixTopic, pipeproc.RangeOptions{}) {
		if err != nil {
			return err
		}
		fn(rec.Body)
	}
	return nil
}

func (s *unixStore) Tail(ctx context.Context, fn func([]byte)) error {
	for rec, err := range s.c.Follow(ctx, unixTopic, 0) {
		if err != nil {
			return err
		}
		fn(rec.Body)
	}
	return nil
}

func (s *unixStore) Ping() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return s.c.Ping(ctx)
}
