package remote_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"math/big"
	"net"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/once"
	"github.com/pipeproc/pipeproc/procstate"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/message"
	"github.com/pipeproc/pipeproc/rpc/transport"
	"github.com/pipeproc/pipeproc/topics"
)

// sender is a client that sends commits under numbers and does not wait for answers. It
// shares with the client of package rpc only the frames.
type sender struct {
	t  *testing.T
	id [16]byte

	mu   sync.Mutex
	conn *transport.Conn
	open map[uint64]bool
	wg   sync.WaitGroup
}

// bodyOf is the body of commit number n: now and then a large one.
func bodyOf(n uint64) []byte {
	size := 20
	switch {
	case n%16 == 0:
		size = 3 << 20 // several frames, and long to prepare
	case n%5 == 0:
		size = 30 << 10
	}
	return append(fmt.Appendf(nil, "%08d ", n), bytes.Repeat([]byte{'x'}, size)...)
}

// session makes the sender's connection, by dial.
func (s *sender) session(dial func(o *transport.DialOptions) (*transport.Conn, error)) {
	s.t.Helper()
	c, err := dial(&transport.DialOptions{ClientID: s.id, Timeout: 10 * time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	st, err := c.Stream(context.Background(), message.MethodSession)
	if err == nil {
		_, err = st.Next(context.Background())
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.conn = c
}

// send sends commit n, and returns when its place is fixed.
func (s *sender) send(n uint64, again bool) {
	s.mu.Lock()
	conn := s.conn
	floor := n
	for k := range s.open {
		floor = min(floor, k)
	}
	s.open[n] = true
	s.mu.Unlock()
	begun := make(chan struct{})
	s.wg.Go(func() {
		var batch topics.Batch
		if err := batch.Add("t", nil, nil, bodyOf(n)); err != nil {
			s.t.Error(err)
		}
		var parts [][]byte
		head, err := batch.AppendWire((&message.Commit{Key: once.Key{Seq: n, Floor: floor, Again: again}}).Append(nil), func(raw []byte) { parts = append(parts, raw) })
		if err != nil {
			s.t.Error(err)
		}
		parts = append([][]byte{head}, parts...)
		size := 0
		for _, p := range parts {
			size += len(p)
		}
		if _, err := conn.CallPlaced(context.Background(), message.MethodCommit, size, placed{parts, begun}); err == nil {
			s.mu.Lock()
			delete(s.open, n)
			s.mu.Unlock()
		}
		select {
		case <-begun:
		default:
			close(begun) // the connection had ended
		}
	})
	<-begun
}

// placed is a request that closes begun when its place is fixed.
type placed struct {
	parts [][]byte
	begun chan struct{}
}

func (p placed) Begin() ([][]byte, error) { return p.parts, nil }
func (p placed) Begun()                   { close(p.begun) }

// misplaced counts the records whose number is not that of their place.
func misplaced(t *testing.T, n *pipeproc.Node, want uint64) (wrong int) {
	t.Helper()
	next := uint64(1)
	for r, err := range n.Range(context.Background(), "t", pipeproc.RangeOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(r.Body, bodyOf(next)) {
			wrong++
		}
		next++
	}
	if next-1 != want {
		t.Errorf("%d records, want %d", next-1, want)
	}
	return wrong
}

// TestN1 sends commits of all sizes without waiting for answers, breaks off now and then
// and sends those without an answer again: they are stored once, in the order of their
// numbers.
func TestN1(t *testing.T) {
	for name, listen := range wires() {
		for _, memory := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/memory=%t", name, memory), func(t *testing.T) {
				n := nodeOn(t, memory)
				dial := listen(t, n)
				s := &sender{t: t, id: [16]byte{7}, open: map[uint64]bool{}}
				s.session(dial)
				const count = 200
				for i := uint64(1); i <= count; i++ {
					s.send(i, false)
					if i%50 != 25 {
						continue
					}
					if i%100 == 25 { // else the node learns of it only from the new session
						s.conn.Close()
					}
					old := s.conn
					s.session(dial)
					<-old.Done()
					s.wg.Wait()
					for _, k := range slices.Sorted(maps.Keys(s.open)) {
						s.send(k, true)
					}
				}
				s.wg.Wait()
				if wrong := misplaced(t, n, count); wrong > 0 {
					t.Errorf("%d records are misplaced", wrong)
				}
			})
		}
	}
}

// TestN1SharesSyncs: the commands of one client that have their places one after the
// other still share syncs.
func TestN1SharesSyncs(t *testing.T) {
	n := nodeOn(t, false)
	s := &sender{t: t, id: [16]byte{7}, open: map[uint64]bool{}}
	s.session(wires()["unix"](t, n))
	before := n.Stats()
	const count = 500
	for i := uint64(1); i <= count; i++ {
		for s.send(i, false); i%16 == 15; i++ { // no large ones
			continue
		}
	}
	s.wg.Wait()
	after := n.Stats()
	if syncs := after.Syncs - before.Syncs; syncs > count/3 {
		t.Errorf("%d commits took %d syncs", after.Commits-before.Commits, syncs)
	}
}

// TestN1Stalled: a request that does not go on holds up what its client sends after it,
// and nobody else.
func TestN1Stalled(t *testing.T) {
	n := nodeOn(t, true)
	addr := serveNode(t, n)
	a, err := transport.ParseAddr(addr)
	if err != nil {
		t.Fatal(err)
	}
	nc, err := net.Dial("unix", a.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	hello := transport.AppendHello(nil, &transport.Hello{MinVersion: 1, MaxVersion: 1, Limits: transport.Limits{MaxMessage: 1 << 20, StreamCredit: 1 << 20}, ClientID: [16]byte{9}})
	out := transport.AppendFrame(nil, transport.Frame{Kind: transport.KindHello, Payload: hello})
	commit := func(seq uint64) []byte {
		var batch topics.Batch
		_ = batch.Add("t", nil, nil, []byte("of the one that is stalled"))
		var raws []byte
		head, _ := batch.AppendWire((&message.Commit{Key: once.Key{Seq: seq, Floor: 1}}).Append(nil), func(raw []byte) { raws = append(raws, raw...) })
		return transport.AppendRequest(nil, 0, append(head, raws...))
	}
	first := commit(1)
	out = transport.AppendFrame(out, transport.Frame{Kind: transport.KindRequest, More: true, Method: message.MethodCommit, Stream: 1, Payload: first[:9]})
	out = transport.AppendFrame(out, transport.Frame{Kind: transport.KindRequest, Method: message.MethodCommit, Stream: 2, Payload: commit(2)})
	out = transport.AppendFrame(out, transport.Frame{Kind: transport.KindPing, Stream: 3})
	if _, err := nc.Write(out); err != nil {
		t.Fatal(err)
	}
	r := transport.NewFrameReader(nc)
	for _, want := range []transport.Kind{transport.KindWelcome, transport.KindPong} { // by then it has seen both commits
		if f, err := r.Next(); err != nil || f.Kind != want {
			t.Fatal(f.Kind, err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	other, err := rpc.Connect(ctx, addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.Commit(ctx, pipeproc.Record{Topic: "t", Body: []byte("of another")}); err != nil {
		t.Fatal(err)
	}
	if l, err := n.Length(ctx, "t"); err != nil || l != 1 {
		t.Fatal(l, err)
	}
	if _, err := nc.Write(transport.AppendFrame(nil, transport.Frame{Kind: transport.KindRequest, Method: message.MethodCommit, Stream: 1, Payload: first[9:]})); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if f, err := r.Next(); err != nil || f.Kind != transport.KindReply {
			t.Fatal(f.Kind, string(f.Payload), err)
		}
	}
	if l, err := n.Length(ctx, "t"); err != nil || l != 3 {
		t.Error(l, err)
	}
}

// TestN1ClaimSees: a claim sees the commands before it, and none waits for it.
func TestN1ClaimSees(t *testing.T) {
	n := nodeOn(t, false)
	ctx := context.Background()
	if _, err := n.EnsureProc(ctx, pipeproc.ProcOptions{Name: "p", Topic: "t"}); err != nil {
		t.Fatal(err)
	}
	s := &sender{t: t, id: [16]byte{7}, open: map[uint64]bool{}}
	s.session(wires()["unix"](t, n))
	for i := uint64(16); i < 16*12; i += 16 { // large ones
		s.send(i, false)
		ask := message.Claim{Key: once.Key{Seq: i + 1, Floor: 1}, Proc: "p", Count: 1}
		p, err := s.conn.Call(ctx, message.MethodClaim, ask.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		var got message.Claimed
		if err := got.Take(p); err != nil || len(got.Records) != 1 {
			t.Fatal(len(got.Records), err)
		}
		ack := message.OfClaim{Key: once.Key{Seq: i + 2, Floor: 1}, Proc: "p", Token: procstate.Token(got.Token)}
		if _, err := s.conn.Call(ctx, message.MethodAck, ack.Append(nil, message.MethodAck)); err != nil {
			t.Fatal(err)
		}
	}
	s.wg.Wait()
}

// TestN1DeadLetters: a claim that may not fail again becomes dead letters,
// which takes two steps: nothing that was sent after it gets between them.
func TestN1DeadLetters(t *testing.T) {
	n := nodeOn(t, false)
	ctx := t.Context()
	s := &sender{t: t, id: [16]byte{7}, open: map[uint64]bool{}}
	s.session(wires()["unix"](t, n))
	const rounds = 30
	want := []string{}
	for i := range uint64(rounds) {
		name := fmt.Sprint("p", i)
		if _, err := n.Commit(ctx, pipeproc.Record{Topic: name, Body: []byte(name)}); err != nil {
			t.Fatal(err)
		}
		c, err := n.Claim(ctx, pipeproc.ProcOptions{Name: name, Topic: name,
			Retry: pipeproc.RetryPolicy{MaxReclaims: 1, OnMaxReclaims: pipeproc.StrategyDeadLetter, DeadLetterTopic: "t"}})
		if err != nil {
			t.Fatal(err)
		}
		seq := 2*i + 1
		if seq%16 == 15 {
			continue
		}
		give := message.OfClaim{Key: once.Key{Seq: seq, Floor: 1}, Proc: name, Token: procstate.Token(c.Token), Reason: "bad"}
		body := give.Append(nil, message.MethodReclaim)
		begun := make(chan struct{})
		s.mu.Lock()
		s.open[seq] = true // it counts for the floor of those after it
		s.mu.Unlock()
		s.wg.Go(func() {
			if _, err := s.conn.CallPlaced(ctx, message.MethodReclaim, len(body), placed{[][]byte{body}, begun}); err != nil {
				t.Error(err)
			}
			s.mu.Lock()
			delete(s.open, seq)
			s.mu.Unlock()
		})
		<-begun
		s.send(seq+1, false)
		want = append(want, name, string(bodyOf(seq+1)))
	}
	s.wg.Wait()
	got := []string{}
	for r, err := range n.Range(ctx, "t", pipeproc.RangeOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(r.Body))
	}
	if !slices.Equal(got, want) {
		t.Errorf("%.60q", got)
	}
}

func nodeOn(t *testing.T, memory bool) *pipeproc.Node {
	t.Helper()
	open := func() (*pipeproc.Node, error) { return pipeproc.OpenMemory(nil) }
	if !memory {
		open = func() (*pipeproc.Node, error) { return pipeproc.Open(t.TempDir(), nil) }
	}
	n, err := open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	return n
}

type dialer = func(o *transport.DialOptions) (*transport.Conn, error)

// wires returns each kind of connection: it serves a node, and returns how to reach it.
func wires() map[string]func(t *testing.T, n *pipeproc.Node) dialer {
	to := func(addr string, server, client *tls.Config) func(t *testing.T, n *pipeproc.Node) dialer {
		return func(t *testing.T, n *pipeproc.Node) dialer {
			at := addr
			if at == "" {
				at = "unix://" + t.TempDir() + "/s"
			}
			a, err := transport.ParseAddr(at)
			if err != nil {
				t.Fatal(err)
			}
			l, err := transport.Listen(context.Background(), a, &transport.ListenOptions{TLS: server})
			if err != nil {
				t.Fatal(err)
			}
			serving(t, n, l)
			return func(o *transport.DialOptions) (*transport.Conn, error) {
				o.TLS = client
				return transport.Dial(context.Background(), l.Address(), o)
			}
		}
	}
	server, client := ownTLS()
	return map[string]func(t *testing.T, n *pipeproc.Node) dialer{
		"unix": to("", nil, nil),
		"tcp":  to("tcp://127.0.0.1:0", nil, nil),
		"tls":  to("tls://127.0.0.1:0", server, client),
		"pipe": func(t *testing.T, n *pipeproc.Node) dialer {
			l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
			serving(t, n, l)
			return func(o *transport.DialOptions) (*transport.Conn, error) {
				return transport.NewConn(context.Background(), l.dial(), o)
			}
		},
	}
}

func serving(t *testing.T, n *pipeproc.Node, l net.Listener) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- rpc.Serve(ctx, n, l, nil) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// pipes is a listener in memory.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	l.conns <- theirs
	return ours
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// ownTLS returns configurations of two sides that trust one certificate.
func ownTLS() (server, client *tls.Config) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	own := []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}
	return &tls.Config{Certificates: own, ClientCAs: pool, ClientAuth: tls.RequireAndVerifyClientCert, MinVersion: tls.VersionTLS12},
		&tls.Config{Certificates: own, RootCAs: pool, MinVersion: tls.VersionTLS12}
}
