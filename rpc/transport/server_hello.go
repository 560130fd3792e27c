package transport

import (
	"crypto/tls"
	"errors"
	"fmt"

	"github.com/pipeproc/pipeproc/internal/errs"
)

// greet reads the client's hello and answers it. A peer that speaks another
// protocol gets no answer.
func (c *serverConn) greet() error {
	if t, ok := c.nc.(*tls.Conn); ok {
		if err := c.verifyTLS(t); err != nil {
			return err
		}
	}
	hello, err := c.readHello()
	if err != nil {
		return err
	}
	c.hello = hello
	c.peer.Name, c.peer.ClientID = hello.Name, hello.ClientID
	if err := c.checkHello(); err != nil {
		return err
	}
	o := &c.s.opts
	version, features, err := negotiate(&hello)
	if err != nil {
		return err
	}
	if err := c.s.admit(c); err != nil {
		return err
	}
	b := AppendWelcome(nil, &Welcome{Version: version, Features: features, NodeID: o.NodeID, Epoch: o.Epoch, Software: o.Software,
		Limits: Limits{MaxMessage: uint32(o.MaxMessage), MaxCalls: uint32(o.MaxInFlight), MaxBytes: uint32(o.MaxBuffered)}})
	return c.w.post(control(KindWelcome, 0, b))
}

const tlsAlert = 0x15 // the type of a TLS record

// verifyTLS completes the handshake and requires a verified client certificate.
func (c *serverConn) verifyTLS(t *tls.Conn) error {
	if err := t.HandshakeContext(c.base); err != nil {
		if re, ok := errors.AsType[tls.RecordHeaderError](err); ok && re.Conn != nil {
			// The alert that the standard requires, which tells the client that
			// this is TLS. Package tls does not send it.
			_, _ = re.Conn.Write([]byte{tlsAlert, 3, 1, 0, 2, 2, 10})
		}
		return &tlsError{err}
	}
	st := t.ConnectionState()
	if len(st.VerifiedChains) == 0 {
		return &tlsError{errors.New("the client has no verified certificate")}
	}
	c.peer.Certificate = st.PeerCertificates[0]
	c.peer.CertNames = certNames(c.peer.Certificate)
	return nil
}

// tlsError is a failed TLS handshake.
type tlsError struct{ err error }

func (e *tlsError) Error() string {
	if _, ok := errors.AsType[tls.RecordHeaderError](e.err); ok {
		return "TLS: the client does not speak it: " + e.err.Error()
	}
	return "TLS: " + e.err.Error()
}

func (e *tlsError) Unwrap() error { return e.err }

// notHelloError says that the peer does not speak the protocol. It is not
// answered.
type notHelloError struct{ err error }

func (e *notHelloError) Error() string { return "no hello: " + e.err.Error() }
func (e *notHelloError) Unwrap() error { return e.err }

// readHello reads the first frame. It checks every byte as it arrives, so that
// garbage shorter than a frame is detected.
func (c *serverConn) readHello() (Hello, error) {
	for c.r.hi-c.r.lo < headerSize+len(helloMagic) {
		if err := c.r.fill(c.r.hi - c.r.lo + 1); err != nil {
			return Hello{}, &notHelloError{err}
		}
		if b := c.r.buf[c.r.lo:c.r.hi]; !possibleHello(b) {
			return Hello{}, &notHelloError{protocolError("%q", b[:min(len(b), 32)])}
		}
	}
	if _, err := c.r.head(); err != nil {
		return Hello{}, &notHelloError{err}
	}
	b, err := c.r.smallPayload()
	if err != nil {
		return Hello{}, err
	}
	return DecodeHello(b)
}

func (c *serverConn) checkHello() error {
	if n := c.hello.Limits.MaxMessage; n < minMessage {
		return protocolError("the client takes messages of %d bytes; it must take %d", n, minMessage)
	}
	return nil
}

// refusal returns what to tell the client about an error that ends its
// connection, or nil for nothing.
func refusal(err error) *RemoteError {
	if _, ok := errors.AsType[*notHelloError](err); ok {
		return nil
	}
	switch e, ok := errors.AsType[*errs.Error](err); {
	case !ok:
		return nil
	case e == errServerClosed:
		return nil
	default:
		return &RemoteError{Code: e.Code, Text: fmt.Sprint(err)}
	}
}
