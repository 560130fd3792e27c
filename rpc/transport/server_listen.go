package transport

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// ListenOptions configure Listen. The zero value suits unix sockets and TCP on
// loopback.
type ListenOptions struct {
	// TLS is required for tls:// and turns tcp:// into tls://; see
	// LoadServerTLS.
	TLS *tls.Config
	// AllowPlain allows TCP without TLS on an address that other machines can
	// reach.
	AllowPlain bool
}

// Listener is a net.Listener of a node.
type Listener struct {
	net.Listener
	addr Addr

	once  sync.Once
	clean func() error
	err   error
}

// Address returns the address at which the listener can be reached, with the
// chosen port if none was given.
func (l *Listener) Address() Addr { return l.addr }

// Close stops listening and removes the socket. It is idempotent.
func (l *Listener) Close() error {
	l.once.Do(func() {
		l.err = l.Listener.Close()
		if l.clean != nil {
			l.err = errors.Join(l.err, l.clean())
		}
	})
	return l.err
}

// Listen listens at a. A unix socket gets mode 0600. If a node already listens
// there, the error matches ErrAddressInUse; a socket left by a dead node is
// replaced. TCP that other machines can reach requires TLS or o.AllowPlain.
func Listen(ctx context.Context, a Addr, o *ListenOptions) (*Listener, error) {
	if o == nil {
		o = new(ListenOptions)
	}
	a = a.Absolute()
	if err := a.check(); err != nil {
		return nil, err
	}
	if a.Scheme == SchemeUnix {
		if o.TLS != nil {
			return nil, errAddress.With(a.String() + ": TLS goes with tls:// and tcp:// only")
		}
		return listenUnix(ctx, a)
	}
	return listenTCP(ctx, a, o)
}

func inUse(err error, where string) error {
	if errors.Is(err, addressInUse) {
		return errInUse.Wrap(err, where)
	}
	return err
}

// keepAlive has the system find out within half a minute that a client's machine, or the
// wire to it, is gone. It asks the machine and not the client, which may be busy.
var keepAlive = net.KeepAliveConfig{Enable: true, Idle: 10 * time.Second, Interval: 5 * time.Second, Count: 4}

// maxUnacked is how long what was sent to a client may lack the acknowledgement of its
// machine.
const maxUnacked = 30 * time.Second

func listenTCP(ctx context.Context, a Addr, o *ListenOptions) (*Listener, error) {
	secure := a.Scheme == SchemeTLS || o.TLS != nil
	if secure {
		if err := checkServerTLS(o.TLS); err != nil {
			return nil, err
		}
	}
	where := a
	if !secure && !o.AllowPlain {
		ip, err := loopback(ctx, a)
		if err != nil {
			return nil, err
		}
		where.Host = ip
	}
	network, address := where.network()
	lc := net.ListenConfig{KeepAliveConfig: keepAlive, Control: userTimeout}
	l, err := lc.Listen(ctx, network, address)
	if err != nil {
		return nil, inUse(err, a.String())
	}
	if t, ok := l.Addr().(*net.TCPAddr); ok {
		a.Port = t.Port
	}
	if secure {
		a.Scheme = SchemeTLS
		l = tls.NewListener(l, o.TLS)
	}
	return &Listener{Listener: l, addr: a}, nil
}

// loopback returns an IP address of a's host if all of them are loopback
// addresses.
func loopback(ctx context.Context, a Addr) (string, error) {
	ips, err := net.DefaultResolver.LookupIPAddr(ctx, a.Host)
	if err != nil {
		return "", err
	}
	for _, ip := range ips {
		if !ip.IP.IsLoopback() {
			return "", errs.InvalidOptions.With("AllowPlain: others can reach " + a.String() +
				" without encryption; use tls:// or allow it")
		}
	}
	return ips[0].String(), nil
}
