package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/worker/program"
	"github.com/spf13/cobra"
)

const serveLong = `
Opens the store, creates it if need be, and lets other processes use it, until it
gets SIGINT or SIGTERM. It stops then: calls under way are finished, everything is
synced, sockets are removed, and the exit code is 0. A second signal ends it at
once; nothing acknowledged is lost.

It listens at each --listen, and at the private socket of --namespace; at that of
the namespace "default" if neither is given. A unix socket is for the same user
only. What a dead node has left of a socket is replaced. When it is ready it
prints a line for each address to the standard output:

  listening on unix:///path

tls:// needs --tls-cert, --tls-key and --tls-ca, and takes clients only whose
certificate the latter vouches for. With them tcp:// is the same. tcp:// without
them is for this machine only, unless --allow-plain is given: then everybody who
reaches the port can read and change everything.

System procs with a program of their own (client libraries define them) run in
worker processes of the node: up to --workers times --worker-concurrency, each with
one claim at a time and replaced after --worker-restart-after claims. Clients at a
unix socket, which belong to the same user, may have any program run; clients that
come over TCP or TLS only those that are in an --allow-exec folder, or that are
named by --allow-exec itself.

Renewed files of certificates are used for clients that come later; no client is dropped,
and SIGHUP ends nothing.

With --tls-allow NAME=LEVEL only clients whose certificate has one of these names
are let in, and may read (read), also commit and consume (write), or do everything
(admin).

--until-eof makes the node stop, as after SIGTERM, when its standard input ends: a
program that starts it with a pipe leaves nothing behind, however it dies.

--memory keeps everything in memory, and nothing when it ends. --gc collects
garbage by itself; 'pipeproc gc --help' says what that takes. The log goes to the
standard error.
`

const serveExample = `
pipeproc serve                                    # then: pipeproc --namespace default topics
pipeproc serve --dir /var/lib/app --namespace app --gc
pipeproc serve --listen unix:///run/app/log.sock --listen tcp://localhost:7000
pipeproc serve --listen tls://0.0.0.0:7000 --tls-cert node.pem --tls-key node.key --tls-ca ca.pem \
  --tls-allow ops=admin --tls-allow app=write
`

// defaultNamespace is where a node listens if no address is given.
const defaultNamespace = "default"

// serveFlags are the flags of serve.
type serveFlags struct {
	listen             addrsFlag
	memory, gc, plain  bool
	untilEOF           bool
	minPrune, interval durationFlag
	workers            countFlag
	concurrency        countFlag
	restartAfter       countFlag
	allowExec          pathsFlag
	allow              accessFlag
	log                *choiceFlag
	changed            func(flag string) bool
}

func (a *app) serveCommand() *cobra.Command {
	f := &serveFlags{minPrune: durationFlag{d: 30 * time.Second}, interval: durationFlag{d: 30 * time.Second, low: time.Millisecond},
		workers: countFlag{1, 0}, concurrency: countFlag{1, 1}}
	cmd := a.command("serve [flags]", "Let many processes use a store", serveLong, serveExample, between(0, 0, ""),
		func(ctx context.Context, _ []string) error { return a.serve(ctx, f) })
	f.changed = func(name string) bool { return cmd.Flags().Changed(name) }
	fl := cmd.Flags()
	fl.Var(&f.listen, "listen", "where to listen; may be given several times")
	fl.BoolVar(&f.memory, "memory", false, "keep everything in memory, and nothing afterwards")
	fl.BoolVar(&f.plain, "allow-plain", false, "allow tcp:// that others than this machine can reach")
	fl.BoolVar(&f.gc, "gc", false, "delete records that nobody needs any more")
	fl.Var(&f.minPrune, "gc-min-prune-time", "the age that records must have for that")
	fl.Var(&f.interval, "gc-interval", "the time between two collections")
	fl.Var(&f.workers, "workers", "how many worker processes there are; 0: none")
	fl.Var(&f.concurrency, "worker-concurrency", "how many times as many there are if there is work")
	fl.Var(&f.restartAfter, "worker-restart-after", "after how many claims one is replaced; 0: never")
	fl.Var(&f.allowExec, "allow-exec", "a folder or program for system procs of TCP clients; repeatable")
	fl.Var(&f.allow, "tls-allow", "what clients with such a certificate may do; repeatable")
	fl.BoolVar(&f.untilEOF, "until-eof", false, "stop when the standard input ends")
	f.log = choice(cmd, "log", "text", "form of the log", "text", "json")
	return cmd
}

// check refuses flags that conflict.
func (f *serveFlags) check() error {
	for _, name := range []string{"dir", "sync"} {
		if f.memory && f.changed(name) {
			return usageError{fmt.Errorf("--memory and --%s exclude each other", name)}
		}
	}
	for _, name := range []string{"gc-min-prune-time", "gc-interval"} {
		if !f.gc && f.changed(name) {
			return usageError{fmt.Errorf("--%s goes with --gc only", name)}
		}
	}
	return nil
}

func (a *app) serve(ctx context.Context, f *serveFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	addrs, tls, err := a.listenAt(f)
	if err != nil {
		return err
	}
	if len(f.allow.levels) > 0 && tls == nil {
		return usageError{errors.New("--tls-allow goes with --listen tls://host:port")}
	}
	if f.untilEOF {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		go func() {
			_, _ = io.Copy(io.Discard, a.stdin)
			cancel()
		}()
	}
	o := a.options()
	o.Logger = a.logger(f.log.value)
	defer onHangup(func() {
		o.Logger.Info("pipeproc: certificates that have changed are used for the next client; nothing else is read again")
	})()
	if o.Programs, err = f.programs(o.Logger); err != nil {
		return err
	}
	if f.gc {
		o.GC = &pipeproc.GCOptions{Interval: f.interval.d, MinAge: max(f.minPrune.d, time.Nanosecond)} // 0 would be the default
	}
	var n *pipeproc.Node
	if f.memory {
		n, err = pipeproc.OpenMemory(o)
	} else {
		n, err = pipeproc.Open(a.dir, o) // what recovery found is in the log
	}
	return with(n, err, func(n *pipeproc.Node) error {
		s, err := rpc.NewServer(n, &rpc.ServeOptions{Logger: o.Logger, AllowExec: f.allowExec.list, Access: f.allow.access()})
		if err != nil {
			return err
		}
		ls, err := listen(ctx, addrs, tls, f.plain)
		if err != nil {
			return err
		}
		return a.serveUntil(ctx, s, ls, o.Logger)
	})
}

// programs runs the worker processes that the flags ask for.
func (f *serveFlags) programs(log *slog.Logger) (*program.Runner, error) {
	o := program.RunnerOptions{Workers: f.workers.n, Concurrency: f.concurrency.n, RestartAfter: f.restartAfter.n, Logger: log}
	if o.Workers == 0 {
		o.Workers = -1
	}
	return program.NewRunner(o)
}

// serveUntil serves until ctx ends or a listener fails.
func (a *app) serveUntil(ctx context.Context, s *rpc.Server, ls []*transport.Listener, log *slog.Logger) error {
	// The server outlives ctx for as long as calls under way need.
	failed := make(chan error, len(ls))
	for _, l := range ls {
		go func() { failed <- s.Serve(context.WithoutCancel(ctx), l) }()
	}
	out, running := a.lines(), len(ls)
	for _, l := range ls {
		_ = out.line(func(b []byte) []byte { return append(b, "listening on "+l.Address().String()...) }) // flush has the error
		log.Info("pipeproc: listening", "address", l.Address().String())
	}
	err := out.flush()
	if errors.Is(err, errPipe) {
		err = nil // nobody reads the addresses, but clients may still connect
	}
	if err == nil {
		select {
		case err = <-failed:
			running--
		case <-ctx.Done():
		}
	}
	log.Info("pipeproc: stopping")
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTime)
	defer cancel()
	if serr := s.Shutdown(stop); serr != nil {
		log.Warn("pipeproc: calls were cut off", "err", serr)
	}
	for range running { // their sockets are removed by then
		err = errors.Join(err, <-failed)
	}
	return err
}

// stopTime is how long calls under way may take once the node is told to stop.
const stopTime = 4 * time.Second

// logger returns a log that goes to standard error.
func (a *app) logger(format string) *slog.Logger {
	if format == "json" {
		return slog.New(slog.NewJSONHandler(a.stderr, nil))
	}
	return slog.New(slog.NewTextHandler(a.stderr, nil))
}
