package rpc

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pipeproc/pipeproc/internal/child"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/rpc/message"
)

// pidCell holds the process id of the node.
type pidCell struct{ n atomic.Int64 }

func (c *pidCell) get() int  { return int(c.n.Load()) }
func (c *pidCell) set(n int) { c.n.Store(int64(n)) }

// nodeProcess is a child process that runs a node.
type nodeProcess struct {
	cmd     *exec.Cmd
	life    *os.File // the node ends when it is closed, as it is when this process ends
	address string
	stderr  *os.File
	words   lastWords
	read    chan struct{} // closed when stderr has ended
	exited  chan struct{} // closed when it has ended, with err set
	err     error

	mu     sync.Mutex // held, it keeps an ended process from being reaped
	reaped bool       // its number may be that of another process
}

// linger is how long to wait for the output of a process that has ended, if something
// that has left its process group keeps it open.
const linger = time.Second

// start starts a node and waits until it listens.
func (s *Spawned) start(ctx context.Context) (*nodeProcess, error) {
	config, err := json.Marshal(s.child)
	if err != nil {
		return nil, err
	}
	n := &nodeProcess{cmd: exec.Command(s.path), read: make(chan struct{}), exited: make(chan struct{})}
	n.cmd.Env = append(os.Environ(), child.Variable+"="+string(config))
	n.cmd.SysProcAttr = apart()
	in, life, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	status, statusEnd, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, in.Close(), life.Close())
	}
	stderr, stderrEnd, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, in.Close(), life.Close(), status.Close(), statusEnd.Close())
	}
	n.life, n.stderr = life, stderr
	n.cmd.Stdin, n.cmd.Stderr = in, stderrEnd
	giveStatus(n.cmd, statusEnd)
	err = n.cmd.Start()
	for _, f := range []*os.File{in, statusEnd, stderrEnd} {
		_ = f.Close() // the child's
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the node cannot be started: %w", err), life.Close(), status.Close(), stderr.Close())
	}
	s.pid.set(n.cmd.Process.Pid)
	go func() {
		defer close(n.read)
		n.words.read(stderr, s.o.Logger)
		_ = stderr.Close()
	}()
	go func() {
		n.err = n.wait()
		s.pid.set(0)
		_ = n.life.Close()
		close(n.exited)
		n.drain()
	}()
	if err := n.greet(ctx, status, s.o.Timeout, s.closing); err != nil {
		n.kill()
		n.drain()
		return nil, err
	}
	return n, nil
}

// wait waits for the end of the process, and returns how it has ended. What it has
// started in its process group ends with it: if it is a script, that may be the node.
func (n *nodeProcess) wait() error {
	child.AwaitExit(n.cmd)
	n.mu.Lock()
	killAll(n.cmd.Process)
	n.reaped = true
	n.mu.Unlock()
	err := n.cmd.Wait() // which may have been called already
	switch st := n.cmd.ProcessState; {
	case st == nil:
		return err
	case !st.Success():
		return &exec.ExitError{ProcessState: st}
	}
	return nil
}

// drain waits for the end of what a process that has ended wrote to stderr, but not for
// long, and closes it.
func (n *nodeProcess) drain() {
	t := time.NewTimer(linger)
	defer t.Stop()
	select {
	case <-n.read:
	case <-t.C:
	}
	_ = n.stderr.Close()
}

// greet reads the line with which the node says that it listens, or why not.
func (n *nodeProcess) greet(ctx context.Context, status *os.File, limit time.Duration, closing <-chan struct{}) error {
	type answer struct {
		line []byte
		err  error
	}
	got := make(chan answer, 1)
	go func() {
		line, err := bufio.NewReaderSize(io.LimitReader(status, maxStatus), maxStatus).ReadSlice('\n')
		got <- answer{line, err}
	}()
	t := time.NewTimer(limit)
	defer t.Stop()
	defer status.Close()
	exited := n.exited
	var late <-chan time.Time
	for {
		select {
		case a := <-got:
			if a.err != nil {
				return n.noNode()
			}
			var st childStatus
			if err := json.Unmarshal(a.line, &st); err != nil {
				return fmt.Errorf("what the child process has said is not about a node: %w", err)
			}
			if st.Text != "" {
				return message.DecodeError(st.Code, st.Text, st.Details)
			}
			n.address = st.Address
			return nil
		case <-exited: // what it has said is there, and nothing follows, whoever keeps the pipe open
			exited = nil
			late = time.After(linger)
		case <-late:
			return n.noNode()
		case <-t.C:
			return fmt.Errorf("the node has not started in %v; does the main function of %s call rpc.Main first?", limit, n.cmd.Path)
		case <-closing:
			return errClientClosed()
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

const maxStatus = 64 << 10

// noNode is the error for a child that has ended without a word.
func (n *nodeProcess) noNode() error {
	t := time.AfterFunc(linger, n.end) // it has closed what it should write to
	defer t.Stop()
	<-n.exited
	err := n.ended()
	if n.err == nil {
		return fmt.Errorf("%w; does the main function of %s call rpc.Main first?", err, n.cmd.Path)
	}
	return err
}

// ended is the error for a node that has ended by itself.
func (n *nodeProcess) ended() error {
	n.drain()
	text := "exit status 0"
	if n.err != nil {
		text = n.err.Error()
	}
	if said := n.words.get(); said != "" {
		text += "; its last words: " + said
	}
	return errs.NodeExited.With(text)
}

// stop ends the node gracefully, or after d with force.
func (n *nodeProcess) stop(d time.Duration) error {
	_ = n.life.Close()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-n.exited:
	case <-t.C:
		n.kill()
		return fmt.Errorf("the node has not ended in %v and was killed", d)
	}
	if n.err != nil {
		return n.ended()
	}
	return nil
}

// kill ends the node at once, and waits for its end.
func (n *nodeProcess) kill() {
	n.end()
	_ = n.life.Close()
	<-n.exited
}

// end kills the node with what it has started in its process group.
func (n *nodeProcess) end() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.reaped {
		killAll(n.cmd.Process)
	}
}

// watch waits for the end of the node, and starts it again if that is wanted.
func (s *Spawned) watch() {
	defer close(s.done)
	again, wait := s.o.Restarts, restartBackoff
	for {
		select {
		case <-s.closing:
			s.err = s.node.stop(s.patience())
			s.died = s.err != nil
			return
		case <-s.node.exited:
		}
		s.died = true
		err := s.node.ended()
		for {
			// A store that is gone, or another one, is no accident that passes.
			restart := again > 0 && !errors.Is(err, errs.NotStore)
			s.report(err, restart)
			if !restart {
				s.err = err
				s.Client.end(err)
				return
			}
			again--
			t := time.NewTimer(wait)
			select {
			case <-s.closing:
				t.Stop()
				return
			case <-t.C:
			}
			wait = min(2*wait, restartLongest)
			var node *nodeProcess
			if node, err = s.start(context.Background()); err == nil {
				s.node, s.died = node, false
				break
			}
			select {
			case <-s.closing: // which has ended the attempt: no failure of the node
				return
			default:
			}
		}
	}
}

// report tells that the node has died.
func (s *Spawned) report(err error, again bool) {
	select {
	case <-s.closing:
		return
	default:
	}
	s.o.Logger.Error("pipeproc: the node has ended", "err", err, "again", again)
	if s.o.OnExit != nil {
		go s.o.OnExit(err, again)
	}
}

// lastWords are the last lines that a node has written to stderr without being
// asked: usually what the runtime says of a crash.
type lastWords struct {
	mu   sync.Mutex
	tail []byte
}

const maxTail = 4 << 10

func (w *lastWords) get() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.TrimSpace(strings.ToValidUTF8(string(w.tail), "\uFFFD"))
}

// read takes what a node writes to stderr: its log, as lines of JSON, and
// whatever else.
func (w *lastWords) read(from io.Reader, log *slog.Logger) {
	in := bufio.NewReaderSize(from, maxStatus)
	for {
		line, err := in.ReadSlice('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 && !forward(line, log) {
			w.mu.Lock()
			if len(w.tail)+len(line) <= maxTail { // a crash says first what it is
				w.tail = append(append(w.tail, line...), '\n')
			}
			w.mu.Unlock()
			log.Warn("pipeproc: the node has written to stderr", "line", strings.ToValidUTF8(string(line), "\uFFFD"))
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return
		}
	}
}

// forward logs a line of the node's log here.
func forward(line []byte, log *slog.Logger) bool {
	var fields map[string]any
	if line[0] != '{' || json.Unmarshal(line, &fields) != nil {
		return false
	}
	text, _ := fields[slog.MessageKey].(string)
	name, _ := fields[slog.LevelKey].(string)
	var level slog.Level
	if text == "" || level.UnmarshalText([]byte(name)) != nil {
		return false
	}
	attrs := make([]slog.Attr, 0, len(fields))
	for k, v := range fields {
		if k != slog.MessageKey && k != slog.LevelKey && k != slog.TimeKey {
			attrs = append(attrs, slog.Any(k, v))
		}
	}
	log.LogAttrs(context.Background(), level, text, attrs...)
	return true
}
