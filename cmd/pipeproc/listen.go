package main

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/pipeproc/pipeproc/rpc/transport"
)

// listenAt returns where a node is to listen, and the TLS configuration for
// addresses that are not unix sockets.
func (a *app) listenAt(f *serveFlags) ([]transport.Addr, *tls.Config, error) {
	addrs := f.listen.addrs
	if a.remote() { // --namespace
		addrs = append(addrs, a.addr)
	}
	if len(addrs) == 0 {
		d, err := transport.Namespace(defaultNamespace)
		if err != nil {
			return nil, nil, err
		}
		addrs = append(addrs, d)
	}
	network, secure := false, a.tls.given()
	for _, addr := range addrs {
		network = network || addr.Scheme != transport.SchemeUnix
		secure = secure || addr.Scheme == transport.SchemeTLS
	}
	switch {
	case !network && secure:
		return nil, nil, usageError{errors.New("--tls-cert, --tls-key and --tls-ca go with --listen tls://host:port")}
	case !network && f.plain:
		return nil, nil, usageError{errors.New("--allow-plain goes with --listen tcp://host:port")}
	case !secure:
		return addrs, nil, nil
	}
	files := transport.TLSFiles(a.tls)
	files.Logger = a.logger(f.log.value)
	c, err := transport.LoadServerTLS(files)
	return addrs, c, err
}

// listen listens on all of addrs or on none.
func listen(ctx context.Context, addrs []transport.Addr, c *tls.Config, plain bool) ([]*transport.Listener, error) {
	var ls []*transport.Listener
	for _, addr := range addrs {
		o := &transport.ListenOptions{AllowPlain: plain}
		if addr.Scheme != transport.SchemeUnix {
			o.TLS = c
		}
		l, err := transport.Listen(ctx, addr, o)
		if err != nil {
			for _, l := range ls {
				err = errors.Join(err, l.Close())
			}
			return nil, err
		}
		ls = append(ls, l)
	}
	return ls, nil
}
