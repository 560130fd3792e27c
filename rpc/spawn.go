package rpc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/internal/errs"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/worker/program"
)

// SpawnOptions configure Spawn. The zero value is a node in the folder
// pipeproc_data, at the private socket of the namespace "default", run by the
// program pipeproc that is in PATH.
type SpawnOptions struct {
	// Program is what Main returned: it runs the node in another process of this
	// program. Default: Binary.
	Program *program.Self
	// Binary is another program that calls Main, as the program pipeproc does. A
	// name without a slash is looked for in PATH. It may be a script that runs such a
	// program; when the script ends, its process group is killed (not on Windows), so
	// it should stay until the program has ended, or exec it. Default "pipeproc".
	Binary string

	// Namespace names the node's private socket. Default "default".
	Namespace string
	// Address is where the node listens instead: unix:///path, tcp://host:port or
	// tls://host:port.
	Address string
	// ServerTLS and ClientTLS are the files of both sides of tls://.
	ServerTLS, ClientTLS TLSFiles
	// AllowPlain allows tcp:// that other machines can reach.
	AllowPlain bool
	// AllowExec is as in ServeOptions.
	AllowExec []string

	// Dir is the folder of the store. Default "pipeproc_data".
	Dir string
	// Memory keeps everything in the memory of the node's process instead of in
	// Dir.
	Memory bool
	// Node are the node's options. Processors, Programs, Logger, OnEvent, Clock and
	// FS cannot be handed over, and must not be set.
	Node pipeproc.Options
	// Programs bound the node's worker processes, which run system procs that have
	// a Command. Self and Logger must not be set: the node uses Program and its own
	// log.
	Programs program.RunnerOptions
	// Client are the options of the connection. TLS comes from ClientTLS.
	Client ConnectOptions

	// Timeout is how long the node may take to answer, recovery included. Default
	// 1 min.
	Timeout time.Duration
	// Restarts is how often a node that died is restarted. Waiting calls then
	// continue. A restarted node has the same files and address, also when the
	// working directory has changed. If its store is gone from Dir, or is another
	// one, it is not restarted any more, and Err matches pipeproc.ErrNotStore. Default
	// 0.
	Restarts int
	// OnExit is called, on its own goroutine, when the node has died, with the
	// reason and whether it is restarted. It is not called for a node that Close
	// ends.
	OnExit func(err error, again bool)
	// Logger receives the node's log. Default: nothing.
	Logger *slog.Logger
}

// ErrNodeExited matches the errors of a spawned node that ended without being
// told to.
var ErrNodeExited error = errs.NodeExited

const (
	defaultDir     = "pipeproc_data"
	defaultBinary  = "pipeproc"
	defaultStart   = time.Minute
	restartBackoff = 100 * time.Millisecond
	restartLongest = 3 * time.Second
)

// Spawned is a node in a child process, and a client of it.
type Spawned struct {
	*Client
	o     SpawnOptions
	child childConfig
	path  string

	closing chan struct{} // closed by Close
	close   sync.Once
	done    chan struct{} // closed when the node has ended for good
	node    *nodeProcess  // of watch, once Spawn has returned
	err     error         // how it ended, before done is closed
	died    bool          // it has not ended by itself when it was told to; as err
	pid     pidCell
}

// Spawn starts a node in a child process and connects to it. The node ends with
// Close, or when this process ends for any reason.
//
// Errors: those of pipeproc.Open and of listening, as the node reports them;
// pipeproc.ErrInUse and ErrAddressInUse name the other process. After an error nothing
// is left running, except, if Binary is a script, what has left its process group.
func Spawn(ctx context.Context, o *SpawnOptions) (*Spawned, error) {
	if o == nil {
		o = &SpawnOptions{}
	}
	s := &Spawned{o: *o, closing: make(chan struct{}), done: make(chan struct{})}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	node, err := s.start(ctx)
	if err != nil {
		return nil, err
	}
	s.child.Address = node.address // with the port, for the next time
	s.child.Node.MustExist = !o.Memory
	if s.Client, err = s.connect(ctx, node); err != nil {
		err = errors.Join(err, node.stop(s.patience()))
		s.sweep()
		return nil, err
	}
	if !o.Memory {
		s.child.Store = s.Client.node[:]
	}
	s.node = node
	go s.watch()
	return s, nil
}

// prepare checks the options.
func (s *Spawned) prepare() (err error) {
	o := &s.o
	n := &o.Node
	switch {
	case n.Processors != nil || n.Programs != nil || n.Logger != nil || n.OnEvent != nil || n.Clock != nil || n.FS != nil:
		return errs.InvalidOptions.With("Node: Processors, Programs, Logger, OnEvent, Clock and FS cannot be handed over to another process")
	case o.Memory && o.Dir != "":
		return errs.InvalidOptions.With("Memory: Dir is given as well")
	case o.Restarts < 0:
		return errs.InvalidOptions.With("Restarts: it is negative")
	case o.Address != "" && o.Namespace != "":
		return errs.InvalidOptions.With("Namespace: Address is given as well")
	case o.Client.TLS != nil:
		return errs.InvalidOptions.With("Client.TLS: it comes from ClientTLS")
	}
	if o.Dir == "" && !o.Memory {
		o.Dir = defaultDir
	}
	if o.Timeout == 0 {
		o.Timeout = defaultStart
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if err := n.Validate(); err != nil {
		return err
	}
	if _, err := program.NewRunner(o.Programs); err != nil {
		return err
	}
	addr, err := s.address()
	if err != nil {
		return err
	}
	addr = addr.Absolute()
	// A node that is started again later must find the same store, wherever this
	// process works by then.
	if !o.Memory {
		if o.Dir, err = filepath.Abs(o.Dir); err != nil {
			return err
		}
	}
	secure := o.ServerTLS != (TLSFiles{}) || o.ClientTLS != (TLSFiles{}) || addr.Scheme == transport.SchemeTLS
	if secure {
		if addr.Scheme == transport.SchemeUnix {
			return errs.InvalidOptions.With("ServerTLS: TLS goes with tls:// and tcp:// only")
		}
		if s.o.Client.TLS, err = LoadClientTLS(o.ClientTLS); err != nil {
			return err
		}
		if _, err = LoadServerTLS(o.ServerTLS); err != nil {
			return err
		}
	}
	if s.path, err = o.executable(); err != nil {
		return err
	}
	if s.path, err = filepath.Abs(s.path); err != nil {
		return err
	}
	o.AllowExec = slices.Clone(o.AllowExec)
	files := []*string{&o.ServerTLS.Cert, &o.ServerTLS.Key, &o.ServerTLS.CA}
	for i := range o.AllowExec {
		files = append(files, &o.AllowExec[i])
	}
	for _, f := range files {
		if *f != "" {
			if *f, err = filepath.Abs(*f); err != nil {
				return err
			}
		}
	}
	s.child = childConfig{Address: addr.String(), Private: addr.Private, TLS: o.ServerTLS, Secure: secure, AllowPlain: o.AllowPlain,
		AllowExec: o.AllowExec, Dir: o.Dir, Memory: o.Memory, Node: newChildNode(&o.Node, &o.Programs)}
	return nil
}

// address is where the node is to listen.
func (s *Spawned) address() (Addr, error) {
	if s.o.Address != "" {
		return ParseAddr(s.o.Address)
	}
	name := s.o.Namespace
	if name == "" {
		name = DefaultNamespace
	}
	return Namespace(name)
}

// DefaultNamespace is the namespace of a node for which none was given.
const DefaultNamespace = "default"

func (o *SpawnOptions) executable() (string, error) {
	if o.Program != nil {
		if o.Binary != "" {
			return "", errs.InvalidOptions.With("Binary: Program is given as well")
		}
		return o.Program.Path(), nil
	}
	name := o.Binary
	if name == "" {
		name = defaultBinary
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("there is no program to run the node with; set Program to what Main returns, or install %s: %w", name, err)
	}
	return path, nil
}

// connect connects to a node that has just been started.
func (s *Spawned) connect(ctx context.Context, n *nodeProcess) (*Client, error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	o := s.o.Client
	if o.Timeout == 0 {
		o.Timeout = s.o.Timeout // the node is there, but the machine may be busy
	}
	if o.Logger == nil {
		o.Logger = s.o.Logger
	}
	return Connect(ctx, n.address, &o)
}

// patience is how long the node may take to end.
func (s *Spawned) patience() time.Duration {
	return shutdownTime + 2*cmp.Or(s.o.Node.CloseGrace, 10*time.Second) + 10*time.Second
}

// Pid returns the process id of the node, 0 while there is none.
func (s *Spawned) Pid() int { return s.pid.get() }

// Done is closed when the node has ended for good: it was closed, or died and is
// not restarted. Err says which.
func (s *Spawned) Done() <-chan struct{} { return s.done }

// Err returns how the node has ended, nil before it has and after Close.
func (s *Spawned) Err() error {
	select {
	case <-s.done:
		return s.err
	default:
		return nil
	}
}

// Close ends the node gracefully and waits until it has: processors that run
// here are told to stop, the node takes no more calls, finishes those under way,
// gives back what its processors do not finish, syncs, ends its worker processes
// and removes its socket. If the node has died, Close removes the socket that it has left,
// unless another node listens there by now.
func (s *Spawned) Close() error {
	err := s.Client.pipes.Close()
	s.close.Do(func() { close(s.closing) })
	<-s.done
	s.Client.end(nil)
	if s.died {
		s.sweep()
	}
	return errors.Join(err, s.err)
}

// sweep removes the socket of a node that has died.
func (s *Spawned) sweep() {
	addr, err := ParseAddr(s.child.Address)
	if err != nil {
		return // it would have been one to connect to
	}
	addr.Private = s.child.Private
	transport.RemoveDead(addr)
}
