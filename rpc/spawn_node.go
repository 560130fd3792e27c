package pipeproc

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/pipeproc/pipeproc/rpc"
)

// childConfig is what Spawn tells the process of the node.
type childConfig struct {
	Address    string
	Private    bool // the address is that of a namespace
	Secure     bool
	TLS        rpc.TLSFiles
	AllowPlain bool
	AllowExec  []string
	Dir        string
	Memory     bool
	Node       Options
}

// childStatus is what the process of the node answers, as a line of JSON: where
// it listens, or an error.
type childStatus struct {
	Address string
	Code    string
	Text    string
	Details []byte
}

// statusFile is the descriptor that the answer is written to.
const statusFile = 3

// serveNode is the process of a spawned node. It ends when its standard input
// does.
func (p *Program) serveNode(config []byte) int {
	syscall.CloseOnExec(statusFile)
	status := os.NewFile(statusFile, "status")
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
	err := p.runNode(ctx, config, func(l *rpc.Listener) error {
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
		st.Code, st.Text, st.Details = encodeError(err)
		_ = json.NewEncoder(status).Encode(st)
	}
	return 1
}

// runNode opens and serves a node until ctx ends.
func (p *Program) runNode(ctx context.Context, config []byte, ready func(*rpc.Listener) error) (err error) {
	var c childConfig
	if err := json.Unmarshal(config, &c); err != nil {
		return fmt.Errorf("the environment variable %s: %w", childVar, err)
	}
	addr, err := rpc.ParseAddr(c.Address)
	if err != nil {
		return err
	}
	addr.Private = c.Private
	lo := &rpc.ListenOptions{AllowPlain: c.AllowPlain}
	if c.Secure {
		if lo.TLS, err = rpc.LoadServerTLS(c.TLS); err != nil {
			return err
		}
	}
	c.Node.Logger = slog.New(slog.NewJSONHandler(os.Stderr, nil))
	c.Node.Program = p
	var n *Node
	if c.Memory {
		n, err = OpenMemory(&c.Node)
	} else {
		n, err = Open(c.Dir, &c.Node)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.Close()) }()
	l, err := rpc.Listen(ctx, addr, lo)
	if err != nil {
		return err
	}
	if err := ready(l); err != nil {
		return errors.Join(err, l.Close())
	}
	return n.Serve(ctx, l, &ServeOptions{AllowExec: c.AllowExec, Logger: c.Node.Logger})
}
