package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// authority makes certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	file string
}

func newAuthority(t *testing.T, name string) *authority {
	t.Helper()
	a := &authority{}
	tmpl := &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	a.key = newKey(t)
	der := a.sign(t, tmpl, tmpl, &a.key.PublicKey)
	var err error
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	a.file = pemFile(t, name, "CERTIFICATE", der)
	return a
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) sign(t *testing.T, tmpl, parent *x509.Certificate, key *ecdsa.PublicKey) []byte {
	t.Helper()
	tmpl.SerialNumber, tmpl.NotBefore, tmpl.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, key, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// flags returns the flags of a party that has a certificate and trusts a.
func (a *authority) flags(t *testing.T, name string) []string {
	t.Helper()
	key := newKey(t)
	cert := a.sign(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature}, a.cert, &key.PublicKey)
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"--tls-cert", pemFile(t, name, "CERTIFICATE", cert), "--tls-key", pemFile(t, name+"-key", "EC PRIVATE KEY", der), "--tls-ca", a.file}
}

func pemFile(t *testing.T, name, kind string, der []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name+".pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// A certificate's name says what its owner may do.
func TestServeTLSAllow(t *testing.T) {
	ca := newAuthority(t, "ca")
	s := serve(t, append(ca.flags(t, "node"), "--memory", "--listen", "tls://127.0.0.1:0",
		"--tls-allow", "boss=admin", "--tls-allow", "app=write", "--tls-allow", "viewer=read")...)
	as := func(name, args string) []string {
		return append(append(argv(args), "--connect", s.addr), ca.flags(t, name)...)
	}
	ok(t, "a\n", as("app", "commit t")...)
	for name, may := range map[string]int{"boss": 3, "app": 2, "viewer": 1, "nobody": 0} {
		for need, args := range []string{"length t", "commit t", "topic create NAME"} {
			args = strings.Replace(args, "NAME", name, 1)
			if need < may {
				ok(t, "b\n", as(name, args)...)
			} else {
				fails(t, exitError, "b\n", as(name, args), "forbidden")
			}
		}
	}
	s.stop(t, os.Interrupt)
	fails(t, exitUsage, "", argv("serve --memory --tls-allow a=admin"), "--listen tls://")
	fails(t, exitUsage, "", argv("serve --memory --tls-allow a=root"), "read, write or admin")
}

func TestServeTLS(t *testing.T) {
	ca, stranger := newAuthority(t, "ca"), newAuthority(t, "stranger")
	// Given TLS files, tcp:// means tls://.
	for _, scheme := range []string{"tls", "tcp"} {
		s := serve(t, append(ca.flags(t, "node"), "--memory", "--listen", scheme+"://127.0.0.1:0")...)
		if !strings.HasPrefix(s.addr, "tls://127.0.0.1:") {
			t.Errorf("%s", s.addr)
		}
		mine := ca.flags(t, "client")
		with := func(args string, flags ...string) []string {
			return append(append(argv(args), "--connect", s.addr), flags...)
		}
		ok(t, "a\n", with("commit t", mine...)...)
		if got := ok(t, "", with("range t --output body", mine...)...); got != "a\n" {
			t.Errorf("%q", got)
		}
		fails(t, exitError, "", with("ping"), "tls connect options require a client ca")
		fails(t, exitError, "", with("ping", stranger.flags(t, "other")...), s.addr, "certificate")
		plain := "tcp" + strings.TrimPrefix(s.addr, "tls")
		fails(t, exitError, "", argv("ping --connect "+plain), plain)
		s.stop(t, os.Interrupt)
	}
}
