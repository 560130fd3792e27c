package rpc

import (
	"context"
	"crypto/tls"
	"path"
	"strings"

	"github.com/pipeproc/pipeproc/rpc/transport"
)

// Addr is the address of a node. [ParseAddr] and [Namespace] make one.
//
//	Scheme  string  // "unix", "tcp" or "tls"
//	Path    string  // of a unix socket
//	Private bool    // the socket's folder must be the user's own; Namespace sets it
//	Host    string  // of tcp and tls
//	Port    int     // 0: any free port, for Listen
//
//	func (a Addr) String() string  // the text form, which Connect and Listen take
type Addr = transport.Addr

// ParseAddr parses unix:///path, tcp://host:port or tls://host:port.
func ParseAddr(s string) (Addr, error) { return transport.ParseAddr(s) }

// parseAddr parses an address. The address of a namespace is private: its
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

// Listener accepts connections of clients. It is a net.Listener for [Serve].
//
//	func (l *Listener) Address() Addr  // with the port that was chosen for port 0
//	func (l *Listener) Close() error
type Listener = transport.Listener

// ListenOptions configure Listen:
//
//	TLS         *tls.Config // for tls://, see LoadServerTLS
//	AllowPlain  bool        // allow tcp:// that other machines can reach
type ListenOptions = transport.ListenOptions

// Listen listens at an address. It returns ErrAddressInUse if a node already
// listens there.
func Listen(ctx context.Context, addr string, o *ListenOptions) (*Listener, error) {
	a, err := parseAddr(addr)
	if err != nil {
		return nil, err
	}
	return transport.Listen(ctx, a, o)
}

// Peer is the other end of a connection.
//
//	Name        string             // chosen by the client; not verified
//	ClientID    [16]byte           // also chosen by the client
//	Addr        string             // of TCP: host and port
//	Transport   string             // "unix", "tcp", "tls" or "other"
//	CertNames   []string           // in the client's verified certificate
//	Certificate *x509.Certificate  // verified; nil without TLS
//
//	func (p *Peer) Gone() <-chan struct{}  // closed when the connection has ended
//
// For ServeOptions.Access:
//
//	rights := map[string]rpc.Access{"billing": rpc.AccessWrite} // others: AccessNone
//	access := func(p *rpc.Peer) rpc.Access {
//		best := rpc.AccessNone
//		for _, name := range p.CertNames {
//			best = max(best, rights[name])
//		}
//		return best
//	}
type Peer = transport.Peer

// TLSFiles names the files, in PEM, that one side of a TLS connection needs.
//
//	Cert       string  // its certificate, followed by the intermediate ones
//	Key        string  // the private key of that
//	CA         string  // authorities that the other side's certificate must come from
//	MinVersion uint16  // tls.VersionTLS13, the default, or tls.VersionTLS12
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
