package transport

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"os"
	"sync"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// TLSFiles names the PEM files of one side of mutual TLS.
type TLSFiles struct {
	Cert string // own certificate, followed by the intermediate ones
	Key  string // the private key that goes with it
	CA   string // the CA certificates that the other side's certificate must chain to
	// MinVersion is the lowest version of TLS: tls.VersionTLS13, which is the
	// default, or tls.VersionTLS12.
	MinVersion uint16
	// Logger is told of changed files that cannot be used. Default: nobody.
	Logger *slog.Logger `json:"-"`
}

// LoadServerTLS returns the configuration of a node. A client must have a
// certificate issued under f.CA. A file that is not named or cannot be used
// gives an error whose code is "tls options require a server ca", or cert, or
// key. For clients that come later the files are read again when they have changed; if
// they cannot be used then, those that were read before stay in use.
func LoadServerTLS(f TLSFiles) (*tls.Config, error) {
	load := func() (*tls.Config, error) {
		c, ca, err := f.load("tls options require a server ")
		if err != nil {
			return nil, err
		}
		c.ClientAuth = tls.RequireAndVerifyClientCert
		c.ClientCAs = ca
		// A session ticket would let a client in again without a check of its
		// certificate's chain. Connections are few and long.
		c.SessionTicketsDisabled = true
		return c, nil
	}
	return f.follow(load, func(c *tls.Config, latest func() *tls.Config) {
		c.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) {
			now := c.Clone() // with what the caller has changed
			l := latest()
			now.GetConfigForClient, now.Certificates, now.ClientCAs = nil, l.Certificates, l.ClientCAs
			return now, nil
		}
	})
}

// LoadClientTLS returns the configuration of a client. It accepts a node whose
// certificate was issued under f.CA for the host name or IP address that is
// dialed. A file that is not named or cannot be used gives an error whose code
// is "tls connect options require a client ca", or cert, or key. Certificate and key are
// read again for a later connection when they have changed, as by LoadServerTLS.
func LoadClientTLS(f TLSFiles) (*tls.Config, error) {
	load := func() (*tls.Config, error) {
		c, ca, err := f.load("tls connect options require a client ")
		if err == nil {
			c.RootCAs = ca
		}
		return c, err
	}
	return f.follow(load, func(c *tls.Config, latest func() *tls.Config) {
		// Send the certificate even if the node's CA has not issued it: the node
		// then says what is wrong with it, instead of reporting that there is none.
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &latest().Certificates[0], nil }
	})
}

// follow loads a configuration, and has use make it one that asks for the latest.
func (f TLSFiles) follow(load func() (*tls.Config, error), use func(c *tls.Config, latest func() *tls.Config)) (*tls.Config, error) {
	var mu sync.Mutex
	seen := f.stat() // before they are read
	cur, err := load()
	if err != nil {
		return nil, err
	}
	latest := func() *tls.Config {
		mu.Lock()
		defer mu.Unlock()
		now := f.stat()
		if now.same(&seen) {
			return cur
		}
		seen = now
		switch c, err := load(); {
		case err == nil:
			cur = c
		case f.Logger != nil:
			f.Logger.Error("the certificates have changed and cannot be used; those that were read before stay in use", "err", err)
		}
		return cur
	}
	c := cur.Clone()
	use(c, latest)
	return c, nil
}

// stamps are what tells that files have changed. One that cannot be described is nil.
type stamps [3]os.FileInfo

func (f *TLSFiles) stat() (s stamps) {
	for i, name := range []string{f.CA, f.Cert, f.Key} {
		s[i], _ = os.Stat(name) // reading it will say what is wrong
	}
	return s
}

func (s *stamps) same(o *stamps) bool {
	for i, a := range s {
		b := o[i]
		if (a == nil) != (b == nil) || a != nil && (!os.SameFile(a, b) || a.Size() != b.Size() || !a.ModTime().Equal(b.ModTime())) {
			return false
		}
	}
	return true
}

func (f *TLSFiles) load(need string) (*tls.Config, *x509.CertPool, error) {
	least := f.MinVersion
	switch least {
	case 0:
		least = tls.VersionTLS13
	case tls.VersionTLS12, tls.VersionTLS13:
	default:
		return nil, nil, errs.InvalidOptions.With("MinVersion: TLS 1.2 or 1.3")
	}
	var pem [3][]byte
	for i, file := range []struct{ what, path string }{{"ca", f.CA}, {"cert", f.Cert}, {"key", f.Key}} {
		e := &errs.Error{Code: need + file.what}
		if file.path == "" {
			return nil, nil, e
		}
		if pem[i], e.Err = os.ReadFile(file.path); e.Err != nil {
			return nil, nil, e
		}
	}
	ca := x509.NewCertPool()
	if !ca.AppendCertsFromPEM(pem[0]) {
		return nil, nil, &errs.Error{Code: need + "ca", Detail: f.CA + " has no certificate"}
	}
	cert, err := tls.X509KeyPair(pem[1], pem[2])
	if err != nil {
		return nil, nil, &errs.Error{Code: need + "cert", Detail: f.Cert + " and " + f.Key, Err: err}
	}
	return &tls.Config{MinVersion: least, Certificates: []tls.Certificate{cert}, DynamicRecordSizingDisabled: true}, ca, nil
}

// checkServerTLS refuses a configuration that would admit a client without a
// certificate.
func checkServerTLS(c *tls.Config) error {
	switch {
	case c == nil:
		return errs.InvalidOptions.With("TLS: tls:// needs it")
	case len(c.Certificates) == 0 && c.GetCertificate == nil:
		return errs.InvalidOptions.With("TLS: it has no certificate")
	case c.ClientAuth != tls.RequireAndVerifyClientCert || c.ClientCAs == nil:
		return errs.InvalidOptions.With("TLS: it does not require that clients have a certificate")
	case c.MinVersion != 0 && c.MinVersion < tls.VersionTLS12:
		return errs.InvalidOptions.With("TLS: MinVersion: TLS 1.2 at least")
	}
	return nil
}

// certNames returns the names that a certificate gives its holder.
func certNames(c *x509.Certificate) []string {
	var names []string
	if c.Subject.CommonName != "" {
		names = append(names, c.Subject.CommonName)
	}
	names = append(names, c.DNSNames...)
	names = append(names, c.EmailAddresses...)
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	for _, u := range c.URIs {
		names = append(names, u.String())
	}
	return names
}
