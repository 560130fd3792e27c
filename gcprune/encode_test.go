package gcprune

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/pipeproc/pipeproc/internal/enc"
	"github.com/pipeproc/pipeproc/internal/errs"
)

// randomPolicy returns one that Check leaves as it is, zero now and then.
func randomPolicy(rnd *rand.Rand) Policy {
	if rnd.IntN(5) == 0 {
		return Policy{}
	}
	some := func(limit int64) int64 { return rnd.Int64N(limit+1) >> rnd.IntN(63) }
	longest := int64(maxDuration / ms)
	p := Policy{GC: Switch(rnd.IntN(3)), IgnoreDisabled: Switch(rnd.IntN(3)), MaxBytes: some(math.MaxInt64 - 1),
		MinAge: time.Duration(some(longest)) * ms, MaxAge: time.Duration(some(longest)) * ms}
	p.Force = (p.MaxAge > 0 || p.MaxBytes > 0) && rnd.IntN(2) == 0
	return p
}

// The format is for ever.
func TestPolicyBytes(t *testing.T) {
	if OpPolicy != 24 || OpPolicyGone != 25 {
		t.Error("codes of operations have changed")
	}
	p := Policy{GC: On, IgnoreDisabled: Off, MinAge: 5 * ms, MaxAge: 300 * ms, MaxBytes: 1 << 20, Force: true}
	want := []byte{7, 0b1_10_01, 5, 0xac, 0x02, 0x80, 0x80, 0x40}
	if got := AppendPolicy(nil, 7, p); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
	m := New()
	for _, c := range []struct {
		policy Policy
		code   byte
		want   []byte
	}{{p, OpPolicy, want}, {Policy{}, OpPolicyGone, []byte{7}}} {
		stage(t, m, 7, c.policy).Encode(func(code byte, fill func([]byte) []byte) {
			if got := fill([]byte("x")); code != c.code || !bytes.Equal(got, append([]byte("x"), c.want...)) {
				t.Errorf("operation %d: % x", code, got)
			}
		})
	}
}

func TestPolicyRoundTrip(t *testing.T) {
	seeds(t, 5000, func(rnd *rand.Rand) {
		topic, p := 1+rnd.Uint64N(math.MaxUint64)>>rnd.IntN(64), randomPolicy(rnd)
		if p == (Policy{}) {
			return
		}
		b := AppendPolicy(nil, topic, p)
		gotTopic, got, err := DecodePolicy(b)
		if err != nil || gotTopic != topic || got != p {
			t.Errorf("%d %+v: %d %+v, %v", topic, p, gotTopic, got, err)
		}
		for n := range b {
			if _, _, err := DecodePolicy(b[:n]); !errors.Is(err, enc.ErrMalformed) {
				t.Errorf("%d of the %d bytes: %v", n, len(b), err)
			}
		}
		if _, _, err := DecodePolicy(append(b, 0)); !errors.Is(err, enc.ErrMalformed) {
			t.Errorf("a byte too many: %v", err)
		}
	})
}

// A snapshot's sections are payloads of operations.
func TestCaptureAndRestore(t *testing.T) {
	m := New()
	for _, topic := range []uint64{9, 300, 1, math.MaxUint64} {
		set(t, m, topic, Policy{MaxBytes: int64(topic % 1000)})
	}
	stage(t, m, 5, Policy{GC: On}) // in flight, no part of it
	list := m.Capture()
	if !slices.IsSortedFunc(list, func(a, b *Entry) int { return cmp.Compare(a.Topic, b.Topic) }) || len(list) != 4 {
		t.Error("not by id:", list)
	}
	restored := New()
	for _, e := range list {
		if err := restored.Decode(OpPolicy, AppendPolicy(nil, e.Topic, e.Policy)); err != nil {
			t.Fatal(err)
		}
	}
	restored.Publish()
	if !slices.Equal(values(restored.All()), values(list)) || !slices.Equal(values(restored.Capture()), values(list)) {
		t.Error(restored.All())
	}
}

func TestDecodeRefuses(t *testing.T) {
	u := binary.AppendUvarint
	payload := func(topic uint64, flags byte, minPrune, maxAge, maxBytes uint64) []byte {
		return u(u(u(append(u(nil, topic), flags), minPrune), maxAge), maxBytes)
	}
	const tooLong = uint64(maxDuration/ms) + 1
	for _, c := range []struct {
		name    string
		code    byte
		payload []byte
		want    error
	}{
		{"nothing", OpPolicy, nil, enc.ErrMalformed},
		{"topic 0", OpPolicy, payload(0, 1, 0, 0, 0), enc.ErrMalformed},
		{"a zero policy", OpPolicy, payload(1, 0, 0, 0, 0), enc.ErrMalformed},
		{"a position of GC that is none", OpPolicy, payload(1, 3, 0, 0, 0), enc.ErrMalformed},
		{"a position of IgnoreDisabled that is none", OpPolicy, payload(1, 3<<2, 0, 0, 0), enc.ErrMalformed},
		{"Force without retention", OpPolicy, payload(1, flagForce, 0, 0, 0), enc.ErrMalformed},
		{"a flag of a newer version", OpPolicy, payload(1, 1<<5, 0, 0, 0), errs.Version},
		{"the last flag", OpPolicy, payload(1, 1<<7, 0, 0, 0), errs.Version},
		{"MinAge too long", OpPolicy, payload(1, 1, tooLong, 0, 0), enc.ErrMalformed},
		{"MaxAge too long", OpPolicy, payload(1, 1, 0, tooLong, 0), enc.ErrMalformed},
		{"MaxAge that would wrap", OpPolicy, payload(1, 1, 0, math.MaxUint64, 0), enc.ErrMalformed},
		{"MaxBytes that would be negative", OpPolicy, payload(1, 1, 0, 0, 1<<63), enc.ErrMalformed},
		{"a number that does not end", OpPolicy, bytes.Repeat([]byte{0xff}, 20), enc.ErrMalformed},
		{"gone, nothing", OpPolicyGone, nil, enc.ErrMalformed},
		{"gone, topic 0", OpPolicyGone, []byte{0}, enc.ErrMalformed},
		{"gone, a byte too many", OpPolicyGone, []byte{1, 0}, enc.ErrMalformed},
		{"another code", OpPolicyGone + 1, []byte{1}, errs.Version},
	} {
		m := New()
		set(t, m, 1, Policy{GC: Off})
		if err := m.Decode(c.code, c.payload); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		m.Publish()
		if !slices.Equal(values(m.All()), []Entry{{1, Policy{GC: Off}}}) {
			t.Errorf("%s: it changed something: %+v", c.name, m.All())
		}
	}
}

// That a policy is gone already is no fault.
func TestDecodeGoneTwice(t *testing.T) {
	m := New()
	set(t, m, 3, Policy{GC: On})
	for range 2 {
		if err := m.Decode(OpPolicyGone, []byte{3}); err != nil {
			t.Fatal(err)
		}
		m.Publish()
	}
	if m.Any() || len(m.All()) != 0 {
		t.Error(m.All())
	}
}

// Whatever the bytes are, there is an error or a policy that could have been
// staged.
func TestDecodeRandomBytes(t *testing.T) {
	accepted := 0
	seeds(t, 50_000, func(rnd *rand.Rand) {
		var b []byte
		if p := randomPolicy(rnd); p != (Policy{}) && rnd.IntN(2) == 0 {
			b = AppendPolicy(nil, 1+rnd.Uint64N(1000), p)
			b[rnd.IntN(len(b))] = byte(rnd.Uint32())
		} else {
			for range rnd.IntN(40) {
				b = append(b, byte(rnd.Uint32())>>rnd.IntN(8))
			}
		}
		m := New()
		if err := m.Decode(OpPolicyGone-byte(rnd.IntN(2)), b); err != nil {
			if len(m.Capture()) != 0 || !errors.Is(err, enc.ErrMalformed) && !errors.Is(err, errs.Version) {
				t.Errorf("% x: %v, %+v", b, err, m.Capture())
			}
			return
		}
		for _, e := range m.Capture() {
			accepted++
			p, err := e.Policy.Check()
			topic, again, err2 := DecodePolicy(AppendPolicy(nil, e.Topic, e.Policy))
			if err != nil || err2 != nil || p != e.Policy || again != e.Policy || topic != e.Topic || topic == 0 {
				t.Errorf("% x: %+v, %v, %v", b, e, err, err2)
			}
		}
	})
	if *flagSeed == 0 && accepted == 0 {
		t.Error("no bytes were ever accepted")
	}
}
