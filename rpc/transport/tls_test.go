package transport

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func serverTLS(t testing.TB, f TLSFiles) *tls.Config {
	t.Helper()
	c, err := LoadServerTLS(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func clientTLS(t testing.TB, f TLSFiles) *tls.Config {
	t.Helper()
	c, err := LoadClientTLS(f)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestTLS(t *testing.T) {
	ca := newAuthority(t, "ca")
	server := ca.issue("node", nil)
	client := ca.issue("client", func(c *x509.Certificate) { c.EmailAddresses = []string{"a@b.test"} })
	f := newFixture()
	_, a := startAt(t, f.handle, ServerOptions{}, Addr{Scheme: SchemeTLS, Host: "127.0.0.1"}, &ListenOptions{TLS: serverTLS(t, server)})
	if a.Scheme != SchemeTLS || a.Port == 0 {
		t.Error(a)
	}
	for _, scheme := range []string{SchemeTLS, SchemeTCP} { // with TLS given both are the same
		a.Scheme = scheme
		c := dial(t, a, &DialOptions{TLS: clientTLS(t, client), Name: "me"})
		healthy(t, c)
		b, err := c.Call(ctxFor(t), mPeer)
		if want := `tls me ["client" "client.test" "a@b.test" "127.0.0.1" "spiffe://test/client"]`; err != nil || !strings.HasPrefix(string(b), want) {
			t.Errorf("%s, %v", b, err)
		}
		if v := c.nc.(*tls.Conn).ConnectionState().Version; v != tls.VersionTLS13 {
			t.Errorf("version %#x", v)
		}
		for _, w := range []struct{ n, size uint32 }{{100, 100}, {10, 100_000}, {2, 2 << 20}} {
			drain(t, openStream(t, c, w.n, w.size), w.n, w.size)
		}
		if got, err := c.Call(ctxFor(t), mEcho, make([]byte, 3<<20)); err != nil || len(got) != 3<<20 {
			t.Errorf("%d bytes, %v", len(got), err)
		}
		c.Close()
	}
}

// TLS 1.2 is spoken if both sides allow it.
func TestTLSVersions(t *testing.T) {
	ca := newAuthority(t, "ca")
	server, client := ca.issue("node", nil), ca.issue("client", nil)
	f := newFixture()
	for _, c := range []struct {
		server, most uint16
		ok           bool
	}{
		{0, tls.VersionTLS12, false},
		{tls.VersionTLS12, tls.VersionTLS12, true},
		{tls.VersionTLS12, tls.VersionTLS13, true},
		{tls.VersionTLS12, tls.VersionTLS11, false},
	} {
		server.MinVersion = c.server
		_, a := startAt(t, f.handle, ServerOptions{}, Addr{Scheme: SchemeTLS, Host: "127.0.0.1"}, &ListenOptions{TLS: serverTLS(t, server)})
		cfg := clientTLS(t, client)
		cfg.MinVersion, cfg.MaxVersion = tls.VersionTLS10, c.most
		conn, err := Dial(ctxFor(t), a, &DialOptions{TLS: cfg, Timeout: patience})
		if (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
		if err == nil {
			healthy(t, conn)
			conn.Close()
		}
	}
}

// Each wrong way to connect is refused, with a reason on both sides.
func TestTLSRefusals(t *testing.T) {
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	server := ca.issue("node", nil)
	f := newFixture()
	expired := func(c *x509.Certificate) {
		c.NotBefore, c.NotAfter = time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)
	}
	good := ca.issue("good", nil)
	stranger := other.issue("stranger", nil)
	stranger.CA = ca.file // it trusts the node
	cert := func(files TLSFiles) *tls.Config { return clientTLS(t, files) }
	none := cert(good)
	none.Certificates, none.GetClientCertificate = nil, nil
	named := cert(good)
	named.ServerName = "elsewhere.test"
	distrusts := good
	distrusts.CA = other.file
	serverOnly := ca.issue("only", func(c *x509.Certificate) { c.ExtKeyUsage = c.ExtKeyUsage[:1] })
	for what, c := range map[string]struct {
		server     TLSFiles
		client     *tls.Config
		says, logs string
		welcome    bool // it is the welcome that is missing
	}{
		"no certificate":      {server, none, "the node refuses the client's certificate", "client didn't provide a certificate", true},
		"a wrong CA":          {server, cert(stranger), "the node refuses the client's certificate", "certificate signed by unknown authority", true},
		"expired":             {server, cert(ca.issue("old", expired)), "expired", "certificate has expired", true},
		"not for clients":     {server, cert(serverOnly), "the node refuses the client's certificate", "incompatible key usage", true},
		"the node's wrong CA": {server, cert(distrusts), "certificate signed by unknown authority", "bad certificate", false},
		"the node's name":     {server, named, "elsewhere.test", "bad certificate", false},
		"the node expired":    {ca.issue("oldnode", expired), cert(good), "certificate has expired", "bad certificate", false},
		"plain":               {server, nil, "the node wants TLS", "the client does not speak it", true},
	} {
		t.Run(what, func(t *testing.T) {
			l := new(logs)
			_, a := startAt(t, f.handle, ServerOptions{Logger: l.logger()}, Addr{Scheme: SchemeTLS, Host: "127.0.0.1"}, &ListenOptions{TLS: serverTLS(t, c.server)})
			var healthyConn *Conn
			if what != "the node expired" {
				healthyConn = dial(t, a, &DialOptions{TLS: cert(good)})
			}
			if c.client == nil {
				a.Scheme = SchemeTCP
			}
			_, err := Dial(ctxFor(t), a, &DialOptions{TLS: c.client, Timeout: patience})
			if err == nil || errors.Is(err, ErrNoWelcome) != c.welcome || !strings.Contains(err.Error(), c.says) {
				t.Errorf("the client says: %v", err)
			}
			if c.welcome && !strings.HasPrefix(err.Error(), "connection timed-out: ") {
				t.Error(err)
			}
			eventually(t, "a line in the log", func() bool { return l.has(c.logs) || l.has("expired certificate") && what == "the node expired" })
			if healthyConn != nil {
				healthy(t, healthyConn)
			}
		})
	}
}

// Nothing is answered in the clear where TLS is spoken, and a TLS client is told
// what is wrong when the node does not speak it.
func TestTLSMixUp(t *testing.T) {
	ca := newAuthority(t, "ca")
	f := newFixture()
	_, secure := startAt(t, f.handle, ServerOptions{}, Addr{Scheme: SchemeTLS, Host: "127.0.0.1"}, &ListenOptions{TLS: serverTLS(t, ca.issue("node", nil))})
	p := rawDial(t, secure)
	_, _ = p.nc.Write(helloWith(func(*Hello) {}))
	b, err := io.ReadAll(p.nc)
	if len(b) > 7 || len(b) > 0 && b[0] != 0x15 {
		t.Errorf("%q, %v", b, err)
	}
	_, plain := startAt(t, f.handle, ServerOptions{}, Addr{Scheme: SchemeTCP, Host: "127.0.0.1"}, nil)
	plain.Scheme = SchemeTLS
	_, err = Dial(ctxFor(t), plain, &DialOptions{TLS: clientTLS(t, ca.issue("client", nil)), Timeout: patience})
	if err == nil || !strings.HasPrefix(err.Error(), "TLS with tls://127.0.0.1:") {
		t.Error(err)
	}
	dir := socketDir(t)
	_, err = Dial(ctxFor(t), unixAt(dir), &DialOptions{TLS: clientTLS(t, ca.issue("client", nil))})
	if !errors.Is(err, ErrAddress) || err.Error() != "Invalid connection address: unix://"+dir+"/s" {
		t.Error(err)
	}
}

func TestTLSFiles(t *testing.T) {
	ca := newAuthority(t, "ca")
	good := ca.issue("x", nil)
	another := ca.issue("y", nil)
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	gone := filepath.Join(t.TempDir(), "gone")
	for _, c := range []struct {
		edit func(f *TLSFiles)
		what string
		is   error
	}{
		{func(f *TLSFiles) { f.CA = "" }, "ca", nil},
		{func(f *TLSFiles) { f.Cert = "" }, "cert", nil},
		{func(f *TLSFiles) { f.Key = "" }, "key", nil},
		{func(f *TLSFiles) { f.CA = gone }, "ca", os.ErrNotExist},
		{func(f *TLSFiles) { f.Cert = gone }, "cert", os.ErrNotExist},
		{func(f *TLSFiles) { f.Key = gone }, "key", os.ErrNotExist},
		{func(f *TLSFiles) { f.CA = empty }, "ca", nil},
		{func(f *TLSFiles) { f.Cert = empty }, "cert", nil},
		{func(f *TLSFiles) { f.Key = another.Key }, "cert", nil},
	} {
		f := good
		c.edit(&f)
		_, serverErr := LoadServerTLS(f)
		_, clientErr := LoadClientTLS(f)
		for prefix, err := range map[string]error{"tls options require a server ": serverErr, "tls connect options require a client ": clientErr} {
			if err == nil || !strings.HasPrefix(err.Error(), prefix+c.what) || c.is != nil && !errors.Is(err, c.is) {
				t.Errorf("%+v: %v", f, err)
			}
		}
	}
	if _, err := LoadClientTLS(TLSFiles{}); err.Error() != "tls connect options require a client ca" {
		t.Error(err)
	}
	f := good
	f.MinVersion = tls.VersionTLS11
	if _, err := LoadServerTLS(f); !errors.Is(err, ErrInvalidOptions) {
		t.Error(err)
	}
}

// A configuration that would let in anybody is not listened with.
func TestListenTLSOptions(t *testing.T) {
	ca := newAuthority(t, "ca")
	good := serverTLS(t, ca.issue("node", nil))
	for what, edit := range map[string]func(c *tls.Config){
		"no certificate": func(c *tls.Config) { c.Certificates = nil },
		"optional":       func(c *tls.Config) { c.ClientAuth = tls.VerifyClientCertIfGiven },
		"any":            func(c *tls.Config) { c.ClientAuth = tls.RequireAnyClientCert },
		"no CA":          func(c *tls.Config) { c.ClientCAs = nil },
		"old":            func(c *tls.Config) { c.MinVersion = tls.VersionTLS10 },
	} {
		c := good.Clone()
		edit(c)
		if l, err := Listen(ctxFor(t), Addr{Scheme: SchemeTLS, Host: "127.0.0.1"}, &ListenOptions{TLS: c}); !errors.Is(err, ErrInvalidOptions) {
			t.Errorf("%s: %v", what, err)
			l.Close()
		}
	}
	if _, err := Listen(ctxFor(t), Addr{Scheme: SchemeTLS, Host: "127.0.0.1"}, nil); !errors.Is(err, ErrInvalidOptions) {
		t.Error(err)
	}
	if _, err := Listen(ctxFor(t), Addr{Scheme: SchemeUnix, Path: "x"}, &ListenOptions{TLS: good}); !errors.Is(err, ErrAddress) {
		t.Error(err)
	}
}

// TestR15: renewed files are used for connections that come later, also another authority,
// and those that are there go on. Files that cannot be used change nothing.
func TestR15(t *testing.T) {
	old, renewed := newAuthority(t, "old"), newAuthority(t, "renewed")
	files := old.issue("node", nil)
	l := new(logs)
	files.Logger = l.logger()
	f := newFixture()
	_, a := startAt(t, f.handle, ServerOptions{}, Addr{Scheme: SchemeTLS, Host: "127.0.0.1"}, &ListenOptions{TLS: serverTLS(t, files)})
	mine := old.issue("client", nil)
	my := clientTLS(t, mine)
	before := dial(t, a, &DialOptions{TLS: my})
	healthy(t, before)
	replace := func(from, to TLSFiles) {
		t.Helper()
		for src, dst := range map[string]string{from.Cert: to.Cert, from.Key: to.Key, from.CA: to.CA} {
			b, err := os.ReadFile(src)
			if err == nil {
				err = os.WriteFile(dst+".new", b, 0o600)
			}
			if err == nil {
				err = os.Rename(dst+".new", dst)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.WriteFile(files.Cert, []byte("not yet"), 0o600); err != nil {
		t.Fatal(err)
	}
	healthy(t, dial(t, a, &DialOptions{TLS: my}))
	if !l.has("stay in use") {
		t.Error("nothing was logged")
	}
	replace(renewed.issue("node", nil), files)
	if _, err := Dial(ctxFor(t), a, &DialOptions{TLS: my}); err == nil {
		t.Error("a client of the old authority got in")
	}
	other := renewed.issue("client", nil)
	healthy(t, dial(t, a, &DialOptions{TLS: clientTLS(t, other)}))
	healthy(t, before)
	// The client's own certificate is read again too. Whom it trusts was given once.
	theirs := clientTLS(t, TLSFiles{Cert: mine.Cert, Key: mine.Key, CA: other.CA})
	replace(TLSFiles{Cert: other.Cert, Key: other.Key, CA: other.CA}, mine)
	healthy(t, dial(t, a, &DialOptions{TLS: theirs}))
}
