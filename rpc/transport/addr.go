package transport

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// Schemes of addresses.
const (
	SchemeUnix = "unix"
	SchemeTCP  = "tcp"
	SchemeTLS  = "tls"
)

// Addr is where a node listens.
type Addr struct {
	Scheme string // SchemeUnix, SchemeTCP or SchemeTLS

	Path string // of a unix socket
	// Private: the socket's folder must be a real directory, owned by the user
	// and closed to others. Listen creates it. Namespace sets this.
	Private bool

	Host string // of tcp and tls: a name or an IP address, without brackets
	Port int    // 0: any free port, for Listen
}

// Absolute returns a with the path of a unix socket that begins in the working
// directory as it is now, so that a later change of that leads nowhere else. A path that
// would become too long for a socket stays as it is.
func (a Addr) Absolute() Addr {
	if a.Scheme != SchemeUnix || filepath.IsAbs(a.Path) || a.check() != nil {
		return a
	}
	b := a
	var err error
	if b.Path, err = filepath.Abs(a.Path); err != nil || checkSocket(b) != nil {
		return a
	}
	return b
}

// ParseAddr reads an address:
//
//	unix:///path      a unix socket, on unix systems only; ipc:///path is the same
//	tcp://host:port   TCP; IPv6 addresses in brackets
//	tls://host:port   TLS over TCP
//
// Errors match ErrAddress and read "Invalid connection address: <address>".
func ParseAddr(s string) (Addr, error) {
	bad := errAddress.With(s)
	scheme, rest, ok := strings.Cut(s, "://")
	if !ok {
		return Addr{}, bad
	}
	switch scheme {
	case "unix", "ipc":
		// A name that begins with @ would be an abstract socket, which no file
		// mode protects.
		if rest == "" || rest[0] == '@' || strings.ContainsRune(rest, 0) {
			return Addr{}, bad
		}
		return Addr{Scheme: SchemeUnix, Path: rest}, nil
	case SchemeTCP, SchemeTLS:
		host, port, err := net.SplitHostPort(rest)
		if err != nil || !validHost(host) {
			return Addr{}, bad
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || port[0] == '+' {
			return Addr{}, bad
		}
		return Addr{Scheme: scheme, Host: host, Port: int(n)}, nil
	}
	return Addr{}, bad
}

// validHost reports whether s can be a host: an IP address, maybe with a zone,
// or the characters of a name.
func validHost(s string) bool {
	return s != "" && len(s) <= 253 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("-._:%", r))
	})
}

// String returns the address as ParseAddr reads it.
func (a Addr) String() string {
	if a.Scheme == SchemeUnix {
		return "unix://" + a.Path
	}
	return a.Scheme + "://" + a.hostPort()
}

func (a Addr) hostPort() string { return net.JoinHostPort(a.Host, strconv.Itoa(a.Port)) }

// network returns what package net calls the address.
func (a Addr) network() (network, address string) {
	if a.Scheme == SchemeUnix {
		return "unix", a.Path
	}
	return "tcp", a.hostPort()
}

// check refuses addresses that were not made by ParseAddr or Namespace and are
// invalid.
func (a Addr) check() error {
	switch a.Scheme {
	case SchemeUnix:
		if a.Path == "" || a.Path[0] == '@' || strings.ContainsRune(a.Path, 0) {
			return errAddress.With(a.String())
		}
		return checkSocket(a)
	case SchemeTCP, SchemeTLS:
		if !validHost(a.Host) || a.Port < 0 || a.Port > 65535 {
			return errAddress.With(a.String())
		}
		return nil
	}
	return errAddress.With(a.String())
}

const maxNamespace = 64

// Namespace returns the address of the node named name, of the same user on the
// same machine. The package comment has the formula. A name has 1 to 64
// letters, digits, '_' and '-'.
func Namespace(name string) (Addr, error) {
	valid := name != "" && len(name) <= maxNamespace && !strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-')
	})
	if !valid {
		return Addr{}, errs.InvalidOptions.With("namespace: " + strconv.Quote(name) + " is not 1 to 64 letters, digits, '_' and '-'")
	}
	dir := filepath.Join(os.TempDir(), "pipeproc-"+strconv.Itoa(os.Geteuid()))
	a := Addr{Scheme: SchemeUnix, Path: filepath.Join(dir, name+".sock"), Private: true}
	return a, a.check()
}
