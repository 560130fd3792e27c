package transport

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

// TestGoldenFrame holds the bytes of the protocol: they must never change.
func TestGoldenFrame(t *testing.T) {
	for _, c := range []struct {
		f    Frame
		want string
	}{
		{Frame{Kind: KindPing, Stream: 0x0102030405060708}, "00000000 02110f59 0b00 0000 00000000 0807060504030201"},
		{request(7, 0x1234, "body"), "08000000 8fe2635a 0300 3412 00000000 0700000000000000 00000000 626f6479"},
		{Frame{Kind: KindItem, More: true, Stream: 1, Payload: []byte{0xff}}, "01000000 0368d9d7 0601 0000 00000000 0100000000000000 ff"},
	} {
		got := AppendFrame([]byte("x"), c.f)
		if want, _ := hex.DecodeString(strings.ReplaceAll(c.want, " ", "")); !bytes.Equal(got[1:], want) || got[0] != 'x' {
			t.Errorf("%v: %x, want %x", c.f.Kind, got[1:], want)
		}
	}
}

func TestGoldenHello(t *testing.T) {
	h := &Hello{MinVersion: 1, MaxVersion: 2, Features: 0x30004, Limits: Limits{5, 6, 7, 8}, ClientID: [16]byte{9, 10}, Name: "me"}
	want := "505052504330a 0100 0200 0000 04000300 05000000 06000000 07000000 08000000 090a0000000000000000000000000000 0000000000000000 0200 6d65"
	want = strings.Replace(want, "505052504330a", "50505250430a", 1)
	if got := AppendHello(nil, h); hex.EncodeToString(got) != strings.ReplaceAll(want, " ", "") {
		t.Errorf("%x", got)
	} else if back, err := DecodeHello(append(got, "later"...)); err != nil || back != *h {
		t.Errorf("%+v, %v", back, err)
	}
	w := &Welcome{Version: 1, Features: 2, Limits: Limits{1024, 4, 5, 6}, NodeID: [16]byte{15: 7}, Epoch: 8, Software: "node"}
	want = "50505250430a 0100 0100 0000 02000000 00040000 04000000 05000000 06000000 00000000000000000000000000000007 0800000000000000 0400 6e6f6465"
	if got := AppendWelcome(nil, w); hex.EncodeToString(got) != strings.ReplaceAll(want, " ", "") {
		t.Errorf("%x", got)
	} else if back, err := DecodeWelcome(append(got, 0)); err != nil || back != *w {
		t.Errorf("%+v, %v", back, err)
	}
	if got := AppendError(nil, &RemoteError{"c", "text", []byte{1}}); hex.EncodeToString(got) != "010063"+"0400"+"74657874"+"01" {
		t.Errorf("%x", got)
	}
}

func TestKinds(t *testing.T) {
	if s := KindHello.String() + KindPong.String() + Kind(0).String() + Kind(13).String(); s != "hellopongkind 0kind 13" {
		t.Error(s)
	}
}

// someFrames are frames of all sizes, and their bytes.
func someFrames() (frames []Frame, all []byte) {
	add := func(f Frame) {
		frames = append(frames, f)
		all = AppendFrame(all, f)
	}
	add(Frame{Kind: KindHello, Payload: AppendHello(nil, someHello())})
	for i, n := range []int{0, 1, 100, readBuffer - headerSize, readBuffer - headerSize + 1, 200_000, 3, MaxFrame, 0, 70_000} {
		add(Frame{Kind: KindReply, More: i%2 == 1, Stream: uint64(i + 1), Payload: bytes.Repeat([]byte{byte(i + 1)}, n)})
	}
	add(Frame{Kind: KindCredit, Stream: 1 << 63, Payload: []byte{1, 2, 3, 4}})
	add(Frame{Kind: KindRequest, Stream: 2, Method: 65535, Payload: []byte("abcd")})
	add(Frame{Kind: KindGoAway})
	return frames, all
}

func readAll(t *testing.T, src io.Reader, want []Frame) {
	t.Helper()
	r := NewFrameReader(src)
	for i, w := range want {
		f, err := r.Next()
		if err != nil || f.Kind != w.Kind || f.More != w.More || f.Method != w.Method || f.Stream != w.Stream || !bytes.Equal(f.Payload, w.Payload) {
			t.Fatalf("frame %d: %v %v %d %d with %d bytes, %v", i, f.Kind, f.More, f.Method, f.Stream, len(f.Payload), err)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Fatal(err)
	}
}

func TestFrameReader(t *testing.T) {
	frames, all := someFrames()
	readAll(t, bytes.NewReader(all), frames)
	readAll(t, iotest.HalfReader(bytes.NewReader(all)), frames)
	readAll(t, iotest.DataErrReader(bytes.NewReader(all)), frames)
	readAll(t, iotest.OneByteReader(bytes.NewReader(all)), frames)
}

// twice gives its bytes in two reads.
type twice struct {
	b     []byte
	split int
}

func (r *twice) Read(p []byte) (int, error) {
	b := r.b
	if r.split > 0 {
		b = b[:min(r.split, len(b))]
	}
	if len(b) == 0 {
		return 0, io.EOF
	}
	n := copy(p, b)
	r.b = r.b[n:]
	r.split -= n
	return n, nil
}

// Frames survive a split at every byte, and an end at every byte is an error,
// unless it is between frames.
func TestFrameSplits(t *testing.T) {
	var frames []Frame
	var all []byte
	ends := map[int]bool{0: true}
	for i := range 6 {
		f := Frame{Kind: KindItem, Stream: uint64(i + 1), Payload: bytes.Repeat([]byte{byte(i)}, i*13)}
		frames = append(frames, f)
		all = AppendFrame(all, f)
		ends[len(all)] = true
	}
	for i := range len(all) + 1 {
		readAll(t, &twice{all, i}, frames)
		r := NewFrameReader(bytes.NewReader(all[:i]))
		var err error
		for err == nil {
			_, err = r.Next()
		}
		want := io.ErrUnexpectedEOF
		if ends[i] {
			want = io.EOF
		}
		if err != want {
			t.Fatalf("an end at byte %d: %v", i, err)
		}
	}
	// A large frame passes by the buffer.
	large := AppendFrame(nil, Frame{Kind: KindItem, Stream: 1, Payload: make([]byte, readBuffer)})
	for _, i := range []int{1, 23, 24, 25, readBuffer - 1, readBuffer, readBuffer + 23} {
		r := NewFrameReader(bytes.NewReader(large[:i]))
		if _, err := r.Next(); err != io.ErrUnexpectedEOF {
			t.Fatalf("an end at byte %d: %v", i, err)
		}
	}
}

// Every flipped bit is an error, and no frame comes back but those before it.
func TestFrameFlips(t *testing.T) {
	var all []byte
	var ends []int
	for i := range 3 {
		all = AppendFrame(all, Frame{Kind: KindReply, Stream: uint64(i + 1), Payload: []byte(strings.Repeat("p", i*40))})
		ends = append(ends, len(all))
	}
	for i := range all {
		for bit := range 8 {
			b := slices.Clone(all)
			b[i] ^= 1 << bit
			r := NewFrameReader(bytes.NewReader(b))
			n := 0
			var err error
			for err == nil {
				if _, err = r.Next(); err == nil {
					n++
				}
			}
			if err == io.EOF || n > 0 && i < ends[n-1] {
				t.Fatalf("bit %d of byte %d: %d frames, %v", bit, i, n, err)
			}
		}
	}
}

func TestBadHeaders(t *testing.T) {
	good := header{kind: KindReply, stream: 1}
	for what, h := range map[string]header{
		"kind 0":           {stream: 1},
		"kind 13":          {kind: 13, stream: 1},
		"a size":           {kind: KindReply, stream: 1, size: MaxFrame + 1},
		"a huge size":      {kind: KindReply, stream: 1, size: -1}, // 4 GiB - 1
		"a short hello":    {kind: KindHello, size: helloSize - 1},
		"a long hello":     {kind: KindHello, size: maxSmall + 1},
		"stream of hello":  {kind: KindHello, size: helloSize, stream: 1},
		"no stream":        {kind: KindRequest, size: 4},
		"a short error":    {kind: KindError, size: 3},
		"a long cancel":    {kind: KindCancel, stream: 1, size: 1},
		"a short credit":   {kind: KindCredit, stream: 1, size: 3},
		"a long credit":    {kind: KindCredit, stream: 1, size: 5},
		"method of item":   {kind: KindItem, stream: 1, method: 1},
		"more of end":      {kind: KindEnd, stream: 1, more: true},
		"more of error":    {kind: KindError, stream: 1, size: 8, more: true},
		"more and nothing": {kind: KindItem, stream: 1, more: true},
		"ping without":     {kind: KindPing},
	} {
		var b [headerSize]byte
		h.put(b[:])
		if _, err := parseHeader(b[:]); !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v", what, err)
		}
	}
	for i, v := range map[int]byte{9: 2, 12: 1, 15: 128} {
		var b [headerSize]byte
		good.put(b[:])
		if _, err := parseHeader(b[:]); err != nil {
			t.Fatal(err)
		}
		b[i] = v
		if _, err := parseHeader(b[:]); !errors.Is(err, ErrProtocol) {
			t.Errorf("%d at byte %d: %v", v, i, err)
		}
	}
}

// A length allocates nothing by itself.
func TestLengthAllocatesNothing(t *testing.T) {
	var head [headerSize]byte
	h := header{kind: KindReply, stream: 1, size: MaxFrame}
	h.put(head[:])
	for _, n := range []int{headerSize, headerSize + 1, readBuffer, readBuffer + headerSize} {
		b := make([]byte, n)
		copy(b, head[:])
		r := NewFrameReader(bytes.NewReader(b))
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := r.Next()
		runtime.ReadMemStats(&after)
		if err != io.ErrUnexpectedEOF {
			t.Error(err)
		}
		if got, limit := after.TotalAlloc-before.TotalAlloc, uint64(5*n+16<<10); got > limit {
			t.Errorf("%d of %d bytes made the reader allocate %d", n, MaxFrame, got)
		}
	}
}

func TestBadMessages(t *testing.T) {
	hello := AppendHello(nil, someHello())
	change := func(at int, v ...byte) []byte {
		b := slices.Clone(hello)
		copy(b[at:], v)
		return b
	}
	for what, b := range map[string][]byte{
		"nothing": nil, "short": hello[:helloSize-1], "magic": change(5, '\r'), "versions": change(6, 2, 0, 1, 0), "version 0": change(6, 0, 0, 0, 0),
		"name too long": change(56, 0, 1), "name beyond the end": change(56, 4), "name not UTF-8": change(58, 0xff),
	} {
		if _, err := DecodeHello(b); !errors.Is(err, ErrProtocol) {
			t.Errorf("hello: %s: %v", what, err)
		}
	}
	welcome := AppendWelcome(nil, &Welcome{Version: 1, Limits: Limits{1024, 0, 1, 1}})
	for what, edit := range map[string]func(b []byte){
		"version 0": func(b []byte) { copy(b[6:], []byte{0, 0, 0, 0}) }, "two versions": func(b []byte) { b[8] = 2 },
		"message": func(b []byte) { binary.LittleEndian.PutUint32(b[16:], 1023) }, "calls": func(b []byte) { b[24] = 0 }, "bytes": func(b []byte) { b[28] = 0 },
	} {
		b := slices.Clone(welcome)
		edit(b)
		if _, err := DecodeWelcome(b); !errors.Is(err, ErrProtocol) {
			t.Errorf("welcome: %s: %v", what, err)
		}
	}
	for n := range 4 {
		if _, _, err := DecodeRequest(make([]byte, n)); !errors.Is(err, ErrProtocol) {
			t.Errorf("a request of %d bytes: %v", n, err)
		}
	}
	whole := AppendError(nil, &RemoteError{Code: "code", Text: "text"})
	for n := range len(whole) {
		if _, err := DecodeError(whole[:n]); !errors.Is(err, ErrProtocol) {
			t.Errorf("an error of %d bytes: %v", n, err)
		}
	}
}

func TestTimeoutMillis(t *testing.T) {
	for d, want := range map[int64]uint32{-1: 0, 0: 0, 1: 1, 1e6: 1, 1e6 + 1: 2, 1e9: 1000, 1<<63 - 1: 1<<32 - 1} {
		b := AppendRequest(nil, time.Duration(d), []byte("x"))
		timeout, body, err := DecodeRequest(b)
		if err != nil || string(body) != "x" || timeout.Milliseconds() != int64(want) {
			t.Errorf("%d ns became %v, %v", d, timeout, err)
		}
	}
}
