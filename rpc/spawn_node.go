package rpc

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/internal/child"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/worker/program"
)

// childStatus is what the process of the node answers, as a line of JSON: where
// it listens, or an error.
type childStatus struct {
	Address string
	Code    string
	Text    string
	Details []byte
}

// Main lets Spawn and worker processes run the program itself. Call it first thing
// in main: in the process that the user started it returns; in one that pipeproc
// started it runs the node, or processors, and ends the process. See program.Main
// for what processors are.
func Main(processors map[string]pipeproc.Processor) *program.Self {
	if config, ok := child.TakeNode(); ok {
		os.Exit(serveNode(program.Main(processors), []byte(config)))
	}
	return program.Main(processors)
}

// serveNode is the process of a spawned node. It ends when its standard input
// does.
func serveNode(p *program.Self, config []byte) int {
	status := takeStatus()
	os.Stdout = os.Stderr
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGPIPE) // nobody may read the log any more
	ctx, cancel := context.WithCancel(ctx)
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	ready := false
	err := runNode(ctx, p, config, func(l *Listener) error {
		ready = true
		err := json.NewEncoder(status).Encode(childStatus{Address: l.Address().String()})
		return errors.Join(err, status.Close())
	})
	switch {
	case err == nil:
		return 0
	case ready:
		fmt.Fprintln(os.Stderr, err)
	default:
		var st childStatus
		st.Code, st.Text, st.Details = message.EncodeError(err)
		_ = json.NewEncoder(status).Encode(st)
	}
	return 1
}

// runNode opens and serves a node until ctx ends.
func runNode(ctx context.Context, p *program.Self, config []byte, ready func(*Listener) error) (err error) {
	c, err := decodeChildConfig(config)
	if err != nil {
		return fmt.Errorf("the environment variable %s, set by a program of another version: %w", child.Variable, err)
	}
	node, programs := c.Node.options()
	addr, err := transport.ParseAddr(c.Address)
	if err != nil {
		return err
	}
	addr.Private = c.Private
	lo := &transport.ListenOptions{AllowPlain: c.AllowPlain}
	node.Logger = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if c.Secure {
		c.TLS.Logger = node.Logger
		if lo.TLS, err = transport.LoadServerTLS(c.TLS); err != nil {
			return err
		}
	}
	programs.Self, programs.Logger = p, node.Logger
	if node.Programs, err = program.NewRunner(programs); err != nil {
		return err
	}
	var n *pipeproc.Node
	if c.Memory {
		n, err = pipeproc.OpenMemory(&node)
	} else {
		n, err = pipeproc.Open(c.Dir, &node)
	}
	if c.Store != nil && errors.Is(err, fs.ErrNotExist) && pipeproc.Code(err) == "" {
		return errs.NotStore.Wrap(err, "the store of the node is gone")
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	srv, err := NewServer(n, &ServeOptions{AllowExec: c.AllowExec, Logger: node.Logger})
	if err != nil {
		return err
	}
	if id, _, _ := srv.s.e.Identity(); c.Store != nil && !bytes.Equal(id[:], c.Store) {
		return errs.NotStore.With(fmt.Sprintf("%s holds the store %x now, and held %x when the node was first started", c.Dir, id, c.Store))
	}
	l, err := transport.Listen(ctx, addr, lo)
	if err != nil {
		return err
	}
	if err := ready(l); err != nil {
		return errors.Join(err, l.Close())
	}
	return srv.until(ctx, l)
}
