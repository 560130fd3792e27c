package conformance_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pipeproc/pipeproc/rpc/transport"
)

// certificates returns both sides of mutual TLS on 127.0.0.1. They are made
// once.
var certificates = sync.OnceValues(func() (server, client *tls.Config) {
	dir, err := os.MkdirTemp("", "certs")
	must(err)
	defer os.RemoveAll(dir)
	authority := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	key, ca := issue(dir, "ca", authority, authority, nil)
	files := func(name string) transport.TLSFiles {
		_, cert := issue(dir, name, &x509.Certificate{
			Subject:     pkix.Name{CommonName: name},
			IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
			KeyUsage:    x509.KeyUsageDigitalSignature,
		}, authority, key)
		return transport.TLSFiles{Cert: cert, Key: filepath.Join(dir, name+".key"), CA: ca}
	}
	server, err = transport.LoadServerTLS(files("server"))
	must(err)
	client, err = transport.LoadClientTLS(files("client"))
	must(err)
	return server, client
})

// issue makes a certificate, signed with parentKey or, if that is nil, its own
// key. It returns the certificate's key and file.
func issue(dir, name string, tmpl, parent *x509.Certificate, parentKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	if parentKey == nil {
		parentKey = key
	}
	tmpl.SerialNumber = big.NewInt(time.Now().UnixNano())
	tmpl.NotBefore, tmpl.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, parentKey)
	must(err)
	file := write(dir, name+".pem", "CERTIFICATE", der)
	der, err = x509.MarshalECPrivateKey(key)
	must(err)
	write(dir, name+".key", "EC PRIVATE KEY", der)
	return key, file
}

func write(dir, name, kind string, der []byte) string {
	file := filepath.Join(dir, name)
	must(os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600))
	return file
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
