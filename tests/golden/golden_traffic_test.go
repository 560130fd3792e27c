package golden_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cespare/xxhash/v2"
	"github.com/klauspost/compress/zstd"
	"github.com/pipeproc/pipeproc"
	"github.com/pipeproc/pipeproc/rpc"
	"github.com/pipeproc/pipeproc/rpc/transport"
)

// TestGoldenTraffic plays what clients of earlier versions sent to a node of this
// one, and compares the answers with those that the node gave them then.
// testdata/README.md says what is in the files.
//
// Compared are: that a frame comes, and no other on its stream; kind, flags, method,
// stream, and checksum of each; replies, items, codes and details of errors, byte
// for byte, except for what follows. JSON must have all that it had; it may have new
// fields, which clients ignore. Of what a client must not rely on, this is not
// compared: the order of frames of different streams; the id of the node, and its
// software after the name; texts of errors that have a code; measurements in "stats"
// and the bytes on disk of a topic; the bytes of compressed blocks, of which what
// they hold is compared; what stands in a claim without records, and the position in
// the answer to a commit that was sent again, which were left over from other calls;
// why a system proc waits; how often a watch says that there may be work.
func TestGoldenTraffic(t *testing.T) {
	files, err := filepath.Glob("testdata/traffic-*/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("there is no traffic", err)
	}
	for _, file := range files {
		name := strings.TrimPrefix(filepath.ToSlash(file), "testdata/traffic-")
		t.Run(strings.TrimSuffix(name, ".txt"), func(t *testing.T) { replayTraffic(t, file) })
	}
}

// trafficWait is how long an answer may take.
const trafficWait = 20 * time.Second

func replayTraffic(t *testing.T, file string) {
	lines, err := readTraffic(file)
	if err != nil {
		t.Fatal(err)
	}
	scheme, path, _ := strings.Cut(serveTraffic(t), "://")
	conns := make(map[int]*trafficConn)
	defer func() {
		for _, c := range conns {
			c.nc.Close()
		}
	}()
	call := ""
	for _, l := range lines {
		if l.note != "" {
			call = l.note
			continue
		}
		c := conns[l.conn]
		if c == nil {
			nc, err := net.Dial(scheme, path)
			if err != nil {
				t.Fatal(err)
			}
			c = newTrafficConn(nc)
			conns[l.conn] = c
		}
		if err := c.play(l); err != nil {
			t.Fatalf("line %d, connection %d, %q: %v", l.number, l.conn, call, err)
		}
	}
	for i, c := range conns {
		if err := c.finish(); err != nil {
			t.Errorf("connection %d, at the end: %v", i, err)
		}
	}
}

// trafficLine is a line of a file of traffic: a note, or bytes over a connection.
type trafficLine struct {
	number     int
	conn       int
	note       string
	fromClient bool
	closed     bool // in place of bytes: this side has closed the connection
	data       []byte
}

func readTraffic(file string) (list []trafficLine, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	conn := 1
	for i, s := range strings.Split(string(text), "\n") {
		l := trafficLine{number: i + 1, conn: conn}
		kind, rest, _ := strings.Cut(s, " ")
		switch kind {
		case "":
			continue
		case "#":
			if l.note = rest; rest == "" {
				continue
			}
		case "@":
			if _, err := fmt.Sscan(rest, &conn); err != nil {
				return nil, fmt.Errorf("%s, line %d: %w", file, i+1, err)
			}
			continue
		case ">", "<":
			l.fromClient = kind == ">"
			if l.closed = rest == "closed"; !l.closed {
				if l.data, err = hex.DecodeString(rest); err != nil {
					return nil, fmt.Errorf("%s, line %d: %w", file, i+1, err)
				}
			}
		default:
			return nil, fmt.Errorf("%s, line %d: what is %q?", file, i+1, kind)
		}
		list = append(list, l)
	}
	return list, nil
}

// trafficFrame is a frame as it came.
type trafficFrame struct {
	kind, flags byte
	method      uint16
	stream      uint64
	payload     []byte
}

// Kinds of frames, rpc/doc.go, and methods, wire.go, as they were.
const (
	frameHello, frameWelcome, frameRequest, frameReply, frameError, frameItem, frameEnd = 1, 2, 3, 4, 5, 6, 7
	frameCredit, frameCancel, framePing, framePong                                      = 8, 9, 11, 12

	callCommit, callClaim, callRange, callWatch, callAdmin = 2, 6, 7, 14, 15

	flagMoreFollows = 1
)

func readTrafficFrame(r io.Reader) (f trafficFrame, err error) {
	var h [24]byte
	if _, err := io.ReadFull(r, h[:]); err != nil {
		return f, err
	}
	le := binary.LittleEndian
	n := le.Uint32(h[:])
	if n > 1<<20 {
		return f, fmt.Errorf("a frame of %d bytes", n)
	}
	f = trafficFrame{h[8], h[9], le.Uint16(h[10:]), le.Uint64(h[16:]), make([]byte, n)}
	if _, err := io.ReadFull(r, f.payload); err != nil {
		return f, err
	}
	if sum := uint32(xxhash.Sum64(append(h[8:], f.payload...))); sum != le.Uint32(h[4:]) || le.Uint32(h[12:]) != 0 {
		return f, fmt.Errorf("a frame with checksum %#x, which is %#x: %x", le.Uint32(h[4:]), sum, h)
	}
	return f, nil
}

func (f *trafficFrame) append(dst []byte) []byte {
	le := binary.LittleEndian
	start := len(dst)
	dst = append(dst, make([]byte, 24)...)
	b := dst[start:]
	le.PutUint32(b, uint32(len(f.payload)))
	b[8], b[9] = f.kind, f.flags
	le.PutUint16(b[10:], f.method)
	le.PutUint64(b[16:], f.stream)
	dst = append(dst, f.payload...)
	le.PutUint32(dst[start+4:], uint32(xxhash.Sum64(dst[start+8:])))
	return dst
}

func (f *trafficFrame) String() string {
	return fmt.Sprintf("kind %d, flags %d, method %d, stream %d: %q", f.kind, f.flags, f.method, f.stream, f.payload)
}

// trafficConn is a connection on which recorded bytes are sent.
type trafficConn struct {
	nc      net.Conn
	came    chan trafficFrame
	over    error                     // why came was closed
	waiting map[uint64][]trafficFrame // frames that came before it was their turn, by stream
	calls   map[uint64]trafficCall
	closed  bool // by the node
	left    bool // closed by the client
}

// trafficCall is what was asked for on a stream.
type trafficCall struct {
	method uint16
	again  bool   // a command that was sent before
	name   string // of an admin call
}

func newTrafficConn(nc net.Conn) *trafficConn {
	c := &trafficConn{nc: nc, came: make(chan trafficFrame, 4096), waiting: make(map[uint64][]trafficFrame), calls: make(map[uint64]trafficCall)}
	go func() {
		r := bufio.NewReader(nc)
		for {
			f, err := readTrafficFrame(r)
			if err != nil {
				c.over = err
				close(c.came)
				return
			}
			c.came <- f
		}
	}()
	return c
}

func (c *trafficConn) play(l trafficLine) error {
	switch {
	case l.fromClient && l.closed:
		c.left = true
		return c.nc.Close()
	case l.fromClient:
		if f, err := readTrafficFrame(bytes.NewReader(l.data)); err == nil && f.kind == frameRequest {
			if _, known := c.calls[f.stream]; !known {
				c.calls[f.stream] = callOf(&f)
			}
		}
		if err := c.nc.SetWriteDeadline(time.Now().Add(trafficWait)); err != nil {
			return err
		}
		_, err := c.nc.Write(l.data)
		return err
	case l.closed:
		f, err := c.next(1<<64 - 1) // a stream that has no frames
		switch {
		case err == nil:
			return fmt.Errorf("%v came, and the connection was to be closed", &f)
		case !errors.Is(c.over, io.EOF):
			return fmt.Errorf("the connection was to be closed: %w", err)
		}
		c.closed = true
		return nil
	}
	want, err := readTrafficFrame(bytes.NewReader(l.data))
	if err != nil {
		return err
	}
	call := c.calls[want.stream]
	got, err := c.next(want.stream)
	for err == nil && call.method == callWatch && isWake(&got) && !isWake(&want) {
		got, err = c.next(want.stream)
	}
	if err != nil {
		return fmt.Errorf("%w; it was to be\n%v", err, &want)
	}
	if err := sameFrame(call, &got, &want); err != nil {
		return fmt.Errorf("%w; it is\n%v\nand was\n%v", err, &got, &want)
	}
	return nil
}

// isWake reports whether a frame of a watch says that there may be work.
func isWake(f *trafficFrame) bool { return f.kind == frameItem && len(f.payload) == 0 }

// callOf says what a request, or its first frame, asks for.
func callOf(f *trafficFrame) trafficCall {
	call := trafficCall{method: f.method}
	if (f.method == callAdmin || f.method == callCommit) && len(f.payload) > 4 {
		r := trafficBytes{f.payload[4:], false}
		r.uvarint()
		r.uvarint()
		call.again = r.take(1)[0] != 0
		if f.method == callAdmin {
			call.name = string(r.bytes())
		}
	}
	return call
}

// next returns the next frame of a stream.
func (c *trafficConn) next(stream uint64) (trafficFrame, error) {
	if q := c.waiting[stream]; len(q) > 0 {
		c.waiting[stream] = q[1:]
		return q[0], nil
	}
	limit := time.NewTimer(trafficWait)
	defer limit.Stop()
	for {
		select {
		case f, ok := <-c.came:
			if !ok {
				return f, fmt.Errorf("the node ended the connection: %w", c.over)
			}
			if f.stream == stream {
				return f, nil
			}
			c.waiting[f.stream] = append(c.waiting[f.stream], f)
		case <-limit.C:
			return trafficFrame{}, fmt.Errorf("nothing came on stream %d for %v", stream, trafficWait)
		}
	}
}

// finish makes sure that nothing has come that was not recorded.
func (c *trafficConn) finish() error {
	const last = 1 << 62
	if c.left {
		return nil
	}
	if !c.closed {
		ping := trafficFrame{kind: framePing, stream: last}
		if _, err := c.nc.Write(ping.append(nil)); err != nil {
			return err
		}
		if _, err := c.next(last); err != nil {
			return err
		}
	}
	for stream, q := range c.waiting {
		for _, f := range q {
			if c.calls[stream].method != callWatch || !isWake(&f) {
				return fmt.Errorf("this came, too: %v", &f)
			}
		}
	}
	return nil
}

// sameFrame compares a frame with the recorded one.
func sameFrame(call trafficCall, got, want *trafficFrame) error {
	g, w := *got, *want
	g.payload, w.payload = nil, nil
	if !reflect.DeepEqual(g, w) {
		return errors.New("kind, flags, method or stream differ")
	}
	a, b := got.payload, want.payload
	switch {
	case want.kind == frameWelcome:
		return sameWelcome(a, b)
	case want.kind == frameError:
		return sameError(a, b, false)
	case want.kind == frameReply && call.method == callAdmin && want.flags&flagMoreFollows == 0:
		return sameJSON(call.name, a, b)
	case want.kind == frameReply && call.method == callClaim && isEmptyClaim(b):
		if !isEmptyClaim(a) {
			return errors.New("nothing was claimed")
		}
		return nil
	case want.kind == frameReply && call.method == callCommit && call.again:
		a, b = withoutPosition(a), withoutPosition(b)
	case want.kind == frameItem && call.method == callRange && len(b) > 0 && len(a) > 0 && a[0] == b[0]:
		switch b[0] {
		case 1:
			return sameBlock(a[1:], b[1:])
		case 3:
			return sameError(a[1:], b[1:], true)
		}
	}
	if !bytes.Equal(a, b) {
		return errors.New("the payload differs")
	}
	return nil
}

func sameWelcome(a, b []byte) error {
	const id, epoch, name = 32, 48, 58
	if len(a) < name+8 || string(a[name:name+8]) != "pipeproc" {
		return errors.New("the software has another name")
	}
	if !bytes.Equal(a[:id], b[:id]) || !bytes.Equal(a[epoch:name-2], b[epoch:name-2]) {
		return errors.New("version, features, limits or epoch differ")
	}
	if len(a) < name+int(binary.LittleEndian.Uint16(a[name-2:])) {
		return errors.New("the name is cut off")
	}
	return nil
}

// sameError compares the code and details of errors. In the item of a range that
// stands for one, lengths are written in another way.
func sameError(a, b []byte, item bool) error {
	var code, text, details [2][]byte
	for i, p := range [][]byte{a, b} {
		r := trafficBytes{b: p}
		if item {
			code[i], text[i], details[i] = r.bytes(), r.bytes(), r.bytes()
		} else {
			code[i] = r.take(int(binary.LittleEndian.Uint16(r.take(2))))
			text[i] = r.take(int(binary.LittleEndian.Uint16(r.take(2))))
			details[i] = r.b
		}
		if r.bad {
			return errors.New("an error that is cut off")
		}
	}
	switch {
	case !bytes.Equal(code[0], code[1]):
		return fmt.Errorf("the code is %q and was %q", code[0], code[1])
	case len(text[0]) == 0:
		return errors.New("there is no text")
	case len(code[1]) == 0 && bytes.HasPrefix(text[1], []byte("context ")) && !bytes.Equal(text[0], text[1]):
		return fmt.Errorf("the text is %q and was %q, by which clients know it", text[0], text[1])
	case len(details[1]) > 0 && len(details[0]) > 0:
		return sameJSON("", details[0], details[1])
	case len(details[1]) > 0:
		return errors.New("the details are missing")
	}
	return nil
}

// withoutPosition returns the answer to a commit without what it begins with.
func withoutPosition(p []byte) []byte {
	r := trafficBytes{b: p}
	r.uvarint()
	return r.b
}

// isEmptyClaim reports whether p is a claim without a token, range and records.
func isEmptyClaim(p []byte) bool {
	r := trafficBytes{b: p}
	epoch, serial := r.uvarint(), r.uvarint()
	r.uvarint() // attempt
	r.uvarint() // timeout
	r.uvarint() // skipped
	r.bytes()   // topic
	return epoch == 0 && serial == 0 && r.uvarint() == 0 && len(r.b) == 0 && !r.bad
}

// sameBlock compares blocks of records, and of compressed ones what they hold.
func sameBlock(a, b []byte) error {
	var head, body [2][]byte
	for i, p := range [][]byte{a, b} {
		r := trafficBytes{b: p}
		for range 4 { // base, time, records, raw length
			r.uvarint()
		}
		codec := r.take(1)
		head[i] = p[:len(p)-len(r.b)]
		sum := r.take(8)
		if r.bad || binary.LittleEndian.Uint64(sum) != xxhash.Sum64(r.b) {
			return errors.New("a block with a wrong checksum")
		}
		body[i] = r.b
		if codec[0] == 1 {
			z, err := zstd.NewReader(nil)
			if err != nil {
				return err
			}
			defer z.Close()
			if body[i], err = z.DecodeAll(r.b, nil); err != nil {
				return err
			}
		}
	}
	if !bytes.Equal(head[0], head[1]) || !bytes.Equal(body[0], body[1]) {
		return errors.New("the block differs")
	}
	return nil
}

// Numbers that are measurements, by the name of the admin call.
var trafficMeasured = map[string][]string{
	"stats":  {"Groups", "Syncs", "Checkpoints", "Durable", "WALBytes", "WALFiles", "SegmentBytes", "TailBytes", "IndexBytes", "OpenFiles", "Mapped"},
	"topic":  {"DiskBytes"},
	"topics": {"DiskBytes"},
}

// sameJSON compares JSON: everything in b must be in a as well.
func sameJSON(call string, a, b []byte) error {
	var v [2]any
	for i, p := range [][]byte{a, b} {
		d := json.NewDecoder(bytes.NewReader(p))
		d.UseNumber()
		if err := d.Decode(&v[i]); err != nil {
			return err
		}
	}
	return within(trafficMeasured[call], "", v[0], v[1])
}

// within reports, as an error, what is in b and not in a.
func within(measured []string, at string, a, b any) error {
	switch b := b.(type) {
	case map[string]any:
		m, ok := a.(map[string]any)
		if !ok {
			return fmt.Errorf("%s is no object", at)
		}
		for name, w := range b {
			g, ok := m[name]
			if !ok {
				return fmt.Errorf("%s has no field %q", at, name)
			}
			_, number := w.(json.Number)
			_, still := g.(json.Number)
			if number && still && slices.Contains(measured, name) {
				continue
			}
			if _, text := g.(string); name == "Waiting" && text {
				continue // for people, and changes when a pool comes
			}
			if err := within(measured, at+"."+name, g, w); err != nil {
				return err
			}
		}
	case []any:
		list, ok := a.([]any)
		if !ok || len(list) != len(b) {
			return fmt.Errorf("%s is no list of %d", at, len(b))
		}
		for i := range b {
			if err := within(measured, fmt.Sprintf("%s[%d]", at, i), list[i], b[i]); err != nil {
				return err
			}
		}
	default:
		if !reflect.DeepEqual(a, b) {
			return fmt.Errorf("%s is %v and was %v", at, a, b)
		}
	}
	return nil
}

// trafficBytes takes values off the front of b.
type trafficBytes struct {
	b   []byte
	bad bool
}

// take takes n bytes; zeros, once there are not as many.
func (r *trafficBytes) take(n int) []byte {
	if n > len(r.b) {
		r.b, r.bad = nil, true
		return make([]byte, n)
	}
	p := r.b[:n]
	r.b = r.b[n:]
	return p
}

func (r *trafficBytes) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.b, r.bad = nil, true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *trafficBytes) bytes() []byte {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.b, r.bad = nil, true
		return nil
	}
	return r.take(int(n))
}

// TestGoldenTrafficCovers makes sure that nothing was left out when the traffic
// was recorded: each method, admin call, kind of frame, and code of an error.
func TestGoldenTrafficCovers(t *testing.T) {
	folders, err := filepath.Glob("testdata/traffic-*")
	if err != nil || len(folders) == 0 {
		t.Fatal("there is no traffic", err)
	}
	for _, folder := range folders {
		files, err := filepath.Glob(folder + "/*.txt")
		if err != nil {
			t.Fatal(err)
		}
		seen := make(map[string]bool)
		for _, file := range files {
			lines, err := readTraffic(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, l := range lines {
				f, err := readTrafficFrame(bytes.NewReader(l.data))
				if err != nil {
					continue
				}
				seen[fmt.Sprint("frame ", f.kind)] = true
				if f.kind == frameRequest && l.fromClient {
					call := callOf(&f)
					seen[fmt.Sprint("method ", call.method)] = true
					seen["call "+call.name] = true
				}
				if f.kind == frameError {
					r := trafficBytes{b: f.payload}
					seen["code "+string(r.take(int(binary.LittleEndian.Uint16(r.take(2)))))] = true
				}
			}
		}
		var want []string
		for _, kind := range []int{frameHello, frameWelcome, frameRequest, frameReply, frameError, frameItem, frameEnd, frameCredit, frameCancel, framePing, framePong} {
			want = append(want, fmt.Sprint("frame ", kind))
		}
		for method := range 15 {
			want = append(want, fmt.Sprint("method ", method+1))
		}
		for _, name := range strings.Fields(`ping stats topic topics createTopic deleteTopic prune setRetention retention gc checkpoint
			inspectProc procs disableProc resumeProc destroyProc seekProc ensureProc systemProc systemProcs definitions`) {
			want = append(want, "call "+name)
		}
		for _, code := range strings.Fields(`invalid_topic invalid_topic_format invalid_range_offset invalid_tone_id_search uncommited
			invalid_proc proc_is_disabled proc_name_not_unique proc_already_disabled proc_already_active nothing_to_reclaim invalid_ack
			invalid_ack_or_commit outcome_unknown too_large pruned conflict topic_exists invalid_options invalid_import
			invalid_proc_options forbidden claim_lost proc_definition_differs unknown_method
			overloaded unsupported_version protocol_error`) {
			want = append(want, "code "+code)
		}
		for _, w := range append(want, "code ") { // the one of errors without
			if !seen[w] {
				t.Errorf("%s: there is no %s", folder, w)
			}
		}
	}
}

// trafficTime is what the clock of the node says, which stands still.
const trafficTime = 1_700_000_000_000

// serveTraffic starts the node that the clients of recorded traffic talked to.
func serveTraffic(t *testing.T) (addr string) {
	t.Helper()
	n, err := pipeproc.OpenMemory(&pipeproc.Options{Clock: func() time.Time { return time.UnixMilli(trafficTime) }, MaxBody: 2 << 10, MaxBatch: 8 << 10})
	if err != nil {
		t.Fatal(err)
	}
	for _, topic := range []string{"old", "older"} { // what a collection finds
		_, err := n.Import(t.Context(), topic, func(yield func(pipeproc.Record, error) bool) {
			for i := range 5 {
				r := pipeproc.Record{ID: pipeproc.ID{Millis: 1_600_000_000_000 + int64(i), Seq: uint64(3 * i)}, Topic: topic, Key: []byte("k"), Body: fmt.Append(nil, i)}
				if !yield(r, nil) {
					return
				}
			}
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "pp") // names of tests are too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	a, err := transport.ParseAddr("unix://" + dir + "/s")
	if err != nil {
		t.Fatal(err)
	}
	l, err := transport.Listen(t.Context(), a, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- rpc.Serve(ctx, n, l, &rpc.ServeOptions{MaxConns: 12, Access: func(p *transport.Peer) rpc.Access {
			if a, ok := map[string]rpc.Access{"reader": rpc.AccessRead, "writer": rpc.AccessWrite, "nobody": rpc.AccessNone}[p.Name]; ok {
				return a
			}
			return rpc.AccessAll
		}})
	}()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-done, n.Close(), os.RemoveAll(dir)); err != nil {
			t.Error(err)
		}
	})
	return a.String()
}
