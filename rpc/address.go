package rpc

import (
	"context"
	"crypto/tls"
	"path"
	"strings"

	"github.com/pipeproc/pipeproc/rpc/transport"
)

// Addr is the address of a node. String returns its text form.
type Addr = transport.Addr

// ParseAddr parses unix:///path, tcp://host:port or tls://host:port.
func ParseAddr(s string) (Addr, error) { return transport.ParseAddr(s) }

// parseAddr parses an address. One that is that of a namespace is private: its
// folder must be the user's own, which the text alone does not say.
func parseAddr(text string) (Addr, error) {
	a, err := transport.ParseAddr(text)
	if err != nil {
		return a, err
	}
	if name, ok := strings.CutSuffix(path.Base(a.Path), ".sock"); ok {
		if n, err := transport.Namespace(name); err == nil && n.String() == a.String() {
			return n, nil
		}
	}
	return a, nil
}

// Namespace returns the address of the private socket of a namespace: a file in a
// folder that only this user can open.
func Namespace(name string) (Addr, error) { return transport.Namespace(name) }

// Listener accepts connections of clients. Address returns where it listens, with
// the port that was chosen for port 0.
type Listener = transport.Listener

// ListenOptions configure Listen:
//
//	TLS         *tls.Config // for tls://, see LoadServerTLS
//	AllowPlain  bool        // allow tcp:// that other machines can reach
type ListenOptions = transport.ListenOptions

// Listen listens at an address. One that a node listens at already is
// ErrAddressInUse.
func Listen(ctx context.Context, addr string, o *ListenOptions) (*Listener, error) {
	a, err := parseAddr(addr)
	if err != nil {
		return nil, err
	}
	return transport.Listen(ctx, a, o)
}

// Peer is who is at the other end of a connection: its transport, its id, its
// certificate over TLS.
type Peer = transport.Peer

// TLSFiles names the files that one side of a TLS connection needs.
type TLSFiles = transport.TLSFiles

// LoadServerTLS and LoadClientTLS read the files. Both sides need a certificate that
// the other one's authority has signed.
func LoadServerTLS(f TLSFiles) (*tls.Config, error) { return transport.LoadServerTLS(f) }

// LoadClientTLS is LoadServerTLS for the client's side.
func LoadClientTLS(f TLSFiles) (*tls.Config, error) { return transport.LoadClientTLS(f) }

// Errors of connections, for errors.Is.
var (
	ErrAddressInUse = transport.ErrAddressInUse // a node listens there
	ErrDisconnected = transport.ErrDisconnected // the connection was lost
)
