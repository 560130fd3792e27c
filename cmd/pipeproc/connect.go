package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

// connectTimeout is longer than a library's would be: a person is waiting for
// one answer from a machine that may be busy.
const connectTimeout = 5 * time.Second

// nodeWait is how long a command waits for the node of a namespace: it may have been
// started just before, by the same script.
const nodeWait = 2 * time.Second

// remote reports whether the command goes to a node in another process.
func (a *app) remote() bool { return a.addr.Scheme != "" }

// connect connects to the node that --connect or --namespace names. It uses
// only the options for processors that run here. The node of a namespace may need
// nodeWait to be there.
func (a *app) connect(ctx context.Context, here *pipeproc.Options) (*rpc.Client, error) {
	o := &rpc.ConnectOptions{Timeout: connectTimeout, Name: "pipeproc", Workers: here.Workers, CloseGrace: here.CloseGrace, Logger: here.Logger}
	if err := a.clientTLS(&o.TLS); err != nil {
		return nil, err
	}
	c, err := rpc.Connect(ctx, a.addr.String(), o)
	if a.addr.Private {
		for end := time.Now().Add(nodeWait); noNode(err) && time.Now().Before(end); {
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-time.After(20 * time.Millisecond):
			}
			c, err = rpc.Connect(ctx, a.addr.String(), o)
		}
	}
	if err == nil {
		return c, nil
	}
	switch {
	case errors.Is(err, context.Canceled):
		return nil, err
	case noNode(err):
		return nil, fmt.Errorf("no node answers at %s (%w); 'pipeproc serve' starts one", a.addr, cause(err))
	}
	return nil, fmt.Errorf("connecting to %s: %w", a.addr, err)
}

// noNode reports whether an error says that nobody listens.
func noNode(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, fs.ErrNotExist)
}

// clientTLS sets c to the client's TLS configuration if the address requires TLS
// or TLS files were given.
func (a *app) clientTLS(c **tls.Config) (err error) {
	if a.addr.Scheme == transport.SchemeTLS || a.tls.given() {
		*c, err = transport.LoadClientTLS(transport.TLSFiles(a.tls))
	}
	return err
}

// cause returns the system's error without the description of the operation
// that failed.
func cause(err error) error {
	if e, ok := errors.AsType[syscall.Errno](err); ok {
		return e
	}
	return err
}

// tlsFiles are the files of --tls-cert, --tls-key and --tls-ca.
type tlsFiles transport.TLSFiles

func (f tlsFiles) given() bool { return f.Cert != "" || f.Key != "" || f.CA != "" }
